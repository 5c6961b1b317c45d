# shellcheck shell=bash
# What setup.sh and deploy.sh share; they source it.
set -euo pipefail

dry=''
fly=$(command -v fly || command -v flyctl || echo fly)

# usage [CODE]: the comment at the top of the script is its help.
usage() {
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit "${1:-0}"
}

fail() {
  printf '%s: %s\n' "$(basename "$0" .sh)" "$1" >&2
  exit 1
}

# parse "NAME…" "SWITCH…" ARGUMENT…: sets the variable of each --name VALUE, and
# that of each --switch to 1. --dry-run and --help are known to every script.
parse() {
  local names=" $1 " switches=" dry $2 " name
  shift 2
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage ;;
      --dry-run) name=dry ;;
      --*) name=${1#--} name=${name//-/_} ;;
      *) name='?' ;;
    esac
    if [[ $switches == *" $name "* ]]; then
      printf -v "$name" 1
    elif [[ $names == *" $name "* ]]; then
      [ $# -ge 2 ] || fail "$1 needs a value"
      printf -v "$name" %s "$2"
      shift
    else
      printf '%s: unknown argument %s\n' "$(basename "$0" .sh)" "$1" >&2
      usage 2 >&2
    fi
    shift
  done
  [ -n "$dry" ] || command -v "$fly" >/dev/null || fail 'flyctl is not installed'
}

# run COMMAND…: says what it runs; in a dry run that is all.
run() {
  printf '+ %s\n' "$*"
  [ -n "$dry" ] || "$@"
}

# volumes APP: how many volumes for the data the application has.
volumes() {
  "$fly" volumes list --app "$1" | awk '/podium_data/ && !/destroy/ { n++ } END { print n + 0 }'
}
