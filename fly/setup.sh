#!/usr/bin/env bash
# Prepare an application on Fly: the app, its one volume, its secrets. Running it again changes
# only what is missing. With --dry-run it prints the commands instead of running them.
#
#   fly/setup.sh --app my-contest --region fra [--size 3] [--org personal] [--cluster] [--dry-run]
#
# With --cluster it prepares three machines without a volume (fly/fly.cluster.toml); DATABASE_URL and UPLOADS, a
# bucket's address, must be in the environment then, and the bucket's keys. The admin password comes from ADMIN_PASSWORD in the environment, or is asked for; Cloudinary's
# settings and BACKUPS_DIR are taken over when they are in the environment. Secrets go to flyctl
# by its standard input and never appear in a command line.

# shellcheck source=fly/shell.sh
source "$(dirname "$0")/shell.sh"

app='' region='' size=3 org=personal cluster=''
parse 'app region size org' 'cluster' "$@"
[ -n "$app" ] || fail 'give the application a name: --app NAME'
[ -n "$region" ] || fail 'give the region nearest to the event: --region CODE (fly platform regions lists them)'
[[ $size =~ ^[1-9][0-9]*$ ]] || fail "--size is a whole number of gigabytes, not $size"

if [ -n "$cluster" ] && [ -z "$dry" ]; then
  [[ ${DATABASE_URL:-} == postgres*://* ]] || fail 'several machines share a database: set DATABASE_URL to postgres://…'
  [[ ${UPLOADS:-} == s3://* ]] || fail 'several machines share a bucket: set UPLOADS to s3://NAME?…'
  [ -n "${AWS_ACCESS_KEY_ID:-}" ] && [ -n "${AWS_SECRET_ACCESS_KEY:-}" ] || fail 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the keys of the bucket'
fi

# there PATTERN COMMAND…: does the list have such a line? A dry run asks nobody and says no.
there() {
  local pattern=$1 list
  shift
  [ -z "$dry" ] || return 1
  list=$("$@") || fail "$* failed"
  grep -Eq "$pattern" <<<"$list"
}

if there "^${app}[[:space:]]" "$fly" apps list; then
  echo "app $app exists"
else
  run "$fly" apps create "$app" --org "$org"
fi

# A machine takes one volume; a second one would wait for a second machine with data of its own.
count=0
[ -n "$dry" ] || count=$(volumes "$app")
case ${cluster:+none}$count in
  none0) echo 'three machines need no volume' ;;
  none*) fail "there is a volume podium_data, of a contest on one machine: move that first (podium import), and destroy the volume" ;;
  0) run "$fly" volumes create podium_data --app "$app" --region "$region" --size "$size" --snapshot-retention 14 --yes ;;
  1) echo 'volume podium_data exists' ;;
  *) fail "there are $count volumes podium_data, and Podium runs on one; destroy those without your data" ;;
esac

names=() lines=''
add_secret() {
  names+=("$1")
  lines+="$1=$2"$'\n'
}
if [ -z "${ADMIN_PASSWORD:-}" ] && there 'ADMIN_PASSWORD' "$fly" secrets list --app "$app"; then
  echo 'secret ADMIN_PASSWORD is set'
else
  if [ -z "${ADMIN_PASSWORD:-}" ] && [ -z "$dry" ]; then
    read -rsp 'Admin password (at least 8 characters): ' ADMIN_PASSWORD
    echo
  fi
  [ -n "$dry" ] || [ ${#ADMIN_PASSWORD} -ge 8 ] || fail 'the admin password is shorter than 8 characters'
  add_secret ADMIN_PASSWORD "${ADMIN_PASSWORD:-}"
fi
for name in CLOUDINARY_CLOUD_NAME CLOUDINARY_API_KEY CLOUDINARY_API_SECRET BACKUPS_DIR DATABASE_URL UPLOADS AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
  [ -z "${!name:-}" ] || add_secret "$name" "${!name}"
done
if [ ${#names[@]} -gt 0 ]; then
  printf '+ %s secrets import --app %s --stage   (%s)\n' "$fly" "$app" "${names[*]}"
  [ -n "$dry" ] || printf '%s' "$lines" | "$fly" secrets import --app "$app" --stage
fi

echo "Ready. Deploy with: fly/deploy.sh --app $app${cluster:+ --cluster}"
