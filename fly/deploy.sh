#!/usr/bin/env bash
# Deploy this checkout, or an image of before, to Fly, with the checks before and after.
#
#   fly/deploy.sh --app my-contest [--url https://my-contest.fly.dev] [--image REFERENCE]
#                 [--without-backup] [--dry-run]
#   fly/deploy.sh --app my-contest --cluster [--strategy rolling|bluegreen|canary] […]
#
# Before: the tree is committed, the volume is the only one, and the running server takes a
# backup. After: podium verify on the machine and against the public address. It ends with 1
# where a check fails, and says how to go back. With --cluster (fly/fly.cluster.toml) there are three machines
# and no volume; the backup is one of the database, which its provider's do not replace. --image rolls back: fly releases --image lists them.

# shellcheck source=fly/shell.sh
source "$(dirname "$0")/shell.sh"

app='' url='' image='' without_backup='' cluster='' strategy=rolling
parse 'app url image strategy' 'without_backup cluster' "$@"
[ -n "$app" ] || fail 'name the application: --app NAME'
case $cluster$strategy in
  rolling | 1rolling | 1bluegreen | 1canary) ;;
  *) fail "--strategy $strategy is for --cluster only, which knows rolling, bluegreen and canary" ;;
esac
url=${url:-https://$app.fly.dev}
cd "$(dirname "$0")/.."

machines='a dry run asks nobody'
if [ -z "$dry" ]; then
  [ -n "$image" ] || [ -z "$(git status --porcelain)" ] || fail 'the tree has changes that are not committed'
  count=$(volumes "$app")
  [ -n "$cluster" ] || [ "$count" = 1 ] || fail "expected one volume podium_data and found $count; run fly/setup.sh"
  [ -z "$cluster" ] || [ "$count" = 0 ] || fail 'this contest has a volume, so it is one on one machine; run fly/setup.sh --cluster'
  machines=$("$fly" machine list --app "$app" --quiet) || fail 'the machines cannot be listed'
fi

if [ -z "$machines" ]; then
  echo 'no machine yet: this is the first deployment'
elif [ -z "$without_backup" ]; then
  run "$fly" ssh console --app "$app" --command '/podium backup --data /data' ||
    fail 'no backup could be made, and nothing was deployed; --without-backup deploys all the same'
fi

back="to go back: fly releases --app $app --image, then fly/deploy.sh --app $app --image REFERENCE"
source=(--dockerfile fly/Dockerfile)
[ -z "$image" ] || source=(--image "$image")
config=fly/fly.toml
if [ -n "$cluster" ]; then
  config=fly/fly.cluster.toml
  source+=(--strategy "$strategy")
fi
run "$fly" deploy --app "$app" --config "$config" "${source[@]}" || fail "the deployment failed; $back"
[ -z "$cluster" ] || run "$fly" scale count 3 --app "$app" --yes || fail "there are fewer than three machines; $back"

podium=(go run .)
! command -v podium >/dev/null || podium=(podium)
run "$fly" ssh console --app "$app" --command '/podium verify --quick --data /data' || fail "the server is not as it should be; $back"
run "${podium[@]}" verify "$url" || fail "the server is not reached as it should be; $back"
