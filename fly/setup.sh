#!/usr/bin/env bash
# Prepare an application on Fly: the app, its one volume, its secrets. Running it again changes
# only what is missing. With --dry-run it prints the commands instead of running them.
#
#   fly/setup.sh --app my-contest --region fra [--size 3] [--org personal] [--dry-run]
#
# The admin password comes from ADMIN_PASSWORD in the environment, or is asked for; Cloudinary's
# settings are taken over when they are in the environment. Secrets go to flyctl by its standard
# input and never appear in a command line.
set -euo pipefail

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit "${1:-0}"; }
fail() { printf 'setup: %s\n' "$1" >&2; exit 1; }

app='' region='' size=3 org=personal dry=''
while [ $# -gt 0 ]; do
  case "$1" in
    --app|--region|--size|--org)
      [ $# -ge 2 ] || fail "$1 needs a value"
      declare "${1#--}=$2"; shift 2 ;;
    --dry-run) dry=1; shift ;;
    -h|--help) usage ;;
    *) printf 'setup: unknown argument %s\n' "$1" >&2; usage 2 ;;
  esac
done
[ -n "$app" ] || fail 'give the application a name: --app NAME'
[ -n "$region" ] || fail 'give the region nearest to the event: --region CODE (fly platform regions lists them)'
[[ $size =~ ^[1-9][0-9]*$ ]] || fail "--size is a whole number of gigabytes, not $size"

fly=$(command -v fly || command -v flyctl || true)
if [ -z "$fly" ]; then
  [ -n "$dry" ] || fail 'flyctl is not installed'
  fly=fly
fi

run() {
  printf '+ %s\n' "$*"
  [ -n "$dry" ] || "$@"
}

# has LIST-COMMAND… -- PATTERN: does the list name it? A dry run has nothing to ask and says no.
has() {
  local pattern=${*: -1} words=("${@:1:$#-2}")
  [ -z "$dry" ] || return 1
  "${words[@]}" 2>/dev/null | grep -Eq "$pattern"
}

if has "$fly" apps list -- "^${app}[[:space:]]"; then
  echo "app $app exists"
else
  run "$fly" apps create "$app" --org "$org"
fi

if has "$fly" volumes list --app "$app" -- '[[:space:]]podium_data[[:space:]]'; then
  echo 'volume podium_data exists'
else
  run "$fly" volumes create podium_data --app "$app" --region "$region" --size "$size" \
    --snapshot-retention 14 --yes
fi

names=() lines=''
add_secret() { names+=("$1"); lines+="$1=$2"$'\n'; }
if has "$fly" secrets list --app "$app" -- 'ADMIN_PASSWORD' && [ -z "${ADMIN_PASSWORD:-}" ]; then
  echo 'secret ADMIN_PASSWORD is set'
else
  if [ -z "${ADMIN_PASSWORD:-}" ] && [ -z "$dry" ]; then
    read -rsp 'Admin password (at least 10 characters): ' ADMIN_PASSWORD; echo
    [ ${#ADMIN_PASSWORD} -ge 10 ] || fail 'the password is shorter than 10 characters'
  fi
  add_secret ADMIN_PASSWORD "${ADMIN_PASSWORD:-}"
fi
for name in CLOUDINARY_CLOUD_NAME CLOUDINARY_API_KEY CLOUDINARY_API_SECRET BACKUPS_DIR; do
  [ -z "${!name:-}" ] || add_secret "$name" "${!name}"
done
if [ ${#names[@]} -gt 0 ]; then
  printf '+ %s secrets import --app %s --stage   (%s)\n' "$fly" "$app" "${names[*]}"
  [ -n "$dry" ] || printf '%s' "$lines" | "$fly" secrets import --app "$app" --stage
fi

echo "Ready. Deploy with: fly/deploy.sh --app $app"
