#!/usr/bin/env bash
# Prepare an application on Fly: the app, its one volume, its secrets. Running it again changes
# only what is missing. With --dry-run it prints the commands instead of running them.
#
#   fly/setup.sh --app my-contest --region fra [--size 3] [--org personal] [--dry-run]
#
# The admin password comes from ADMIN_PASSWORD in the environment, or is asked for; Cloudinary's
# settings and BACKUPS_DIR are taken over when they are in the environment. Secrets go to flyctl
# by its standard input and never appear in a command line.

# shellcheck source=fly/shell.sh
source "$(dirname "$0")/shell.sh"

app='' region='' size=3 org=personal
parse 'app region size org' '' "$@"
[ -n "$app" ] || fail 'give the application a name: --app NAME'
[ -n "$region" ] || fail 'give the region nearest to the event: --region CODE (fly platform regions lists them)'
[[ $size =~ ^[1-9][0-9]*$ ]] || fail "--size is a whole number of gigabytes, not $size"

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
case $count in
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
for name in CLOUDINARY_CLOUD_NAME CLOUDINARY_API_KEY CLOUDINARY_API_SECRET BACKUPS_DIR AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
  [ -z "${!name:-}" ] || add_secret "$name" "${!name}"
done
if [ ${#names[@]} -gt 0 ]; then
  printf '+ %s secrets import --app %s --stage   (%s)\n' "$fly" "$app" "${names[*]}"
  [ -n "$dry" ] || printf '%s' "$lines" | "$fly" secrets import --app "$app" --stage
fi

echo "Ready. Deploy with: fly/deploy.sh --app $app"
