#!/usr/bin/env bash
# Deploy this checkout to Fly, with the checks before and after.
#
#   fly/deploy.sh --app my-contest [--url https://my-contest.fly.dev] [--dry-run]
#
# Before: the tree is committed, the volume is the only one, the running server is healthy and
# takes a backup. After: `podium verify` against the public address. Exit code 1 where a check fails.
set -euo pipefail

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit "${1:-0}"; }
fail() { printf 'deploy: %s\n' "$1" >&2; exit 1; }

app='' url='' dry=''
while [ $# -gt 0 ]; do
  case "$1" in
    --app|--url)
      [ $# -ge 2 ] || fail "$1 needs a value"
      declare "${1#--}=$2"; shift 2 ;;
    --dry-run) dry=1; shift ;;
    -h|--help) usage ;;
    *) printf 'deploy: unknown argument %s\n' "$1" >&2; usage 2 ;;
  esac
done
[ -n "$app" ] || fail 'name the application: --app NAME'
url=${url:-https://$app.fly.dev}
cd "$(dirname "$0")/.."

fly=$(command -v fly || command -v flyctl || true)
if [ -z "$fly" ]; then
  [ -n "$dry" ] || fail 'flyctl is not installed'
  fly=fly
fi

run() {
  printf '+ %s\n' "$*"
  [ -n "$dry" ] || "$@"
}

[ -n "$dry" ] || [ -z "$(git status --porcelain)" ] || fail 'the tree has changes that are not committed'

if [ -z "$dry" ]; then
  volumes=$("$fly" volumes list --app "$app" | grep -c podium_data || true)
  [ "$volumes" = 1 ] || fail "expected one volume podium_data and found $volumes; run fly/setup.sh"
fi

# The first deployment finds nothing running: then there is nothing to back up either.
if [ -n "$dry" ] || curl -fsS --max-time 10 "$url/ready" >/dev/null 2>&1; then
  run "$fly" ssh console --app "$app" --command '/podium backup --data /data'
else
  echo 'no healthy server to back up: taking this for the first deployment'
fi

run "$fly" deploy --app "$app" --config fly/fly.toml --dockerfile fly/Dockerfile

run go run . verify "$url"
