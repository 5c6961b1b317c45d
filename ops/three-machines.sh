#!/usr/bin/env bash
# Three machines on this computer, which serve one contest from one PostgreSQL and one bucket: to try it out.
#
#   ops/three-machines.sh postgres://user:password@host/name [PORT PORT PORT]
#
# They listen on 127.0.0.1, at ports 3001 to 3003 unless others are named, and keep what is each one's own in
# three-machines/ (or $DATA_DIR). Pictures are in the bucket that UPLOADS names, such as s3://name?region=…, by
# default in a folder there that stands for one. Ctrl-C stops them all. PODIUM is the program, by default the one that this checkout builds. The first start prints the admin password, unless
# ADMIN_PASSWORD is set.
set -euo pipefail

fail() {
  echo "three-machines: $*" >&2
  exit 2
}

[ $# = 1 ] || [ $# = 4 ] || fail 'name the database, and three ports where others are wanted: postgres://user:password@host/name [PORT PORT PORT]'
export DATABASE_URL=$1
shift
ports=("$@")
[ $# = 3 ] || ports=(3001 3002 3003)
data=${DATA_DIR:-three-machines}
mkdir -p "$data"
export UPLOADS=${UPLOADS:-file://$(cd "$data" && pwd)/bucket}
podium=${PODIUM:-}
if [ -z "$podium" ]; then
  podium=$(cd "$data" && pwd)/podium
  (cd "$(dirname "$0")/.." && go build -o "$podium" .)
fi

pids=()
stop() {
  trap - INT TERM EXIT
  [ ${#pids[@]} = 0 ] || kill -TERM "${pids[@]}" 2>/dev/null || true
  wait
}
trap stop EXIT
trap 'exit 0' INT TERM
for i in 0 1 2; do
  "$podium" serve --host 127.0.0.1 --port "${ports[i]}" --data "$data/machine-$((i + 1))" \
    --node-id "machine-$((i + 1))" --node-address "http://127.0.0.1:${ports[i]}" &
  pids+=($!)
done
echo "three machines: http://127.0.0.1:${ports[0]} http://127.0.0.1:${ports[1]} http://127.0.0.1:${ports[2]}"
wait -n || true # where one ends, none goes on alone and unnoticed
echo 'three-machines: a machine ended; the others are stopped' >&2
exit 1
