#!/usr/bin/env bash
# Three machines on this computer, which serve one contest from one PostgreSQL and one bucket: to try it out.
#
#   ops/three-machines.sh [postgres://user:password@host/name] [PORT PORT PORT]
#
# Without a database it starts one of its own, where PostgreSQL is installed. The machines listen on 127.0.0.1, at
# ports 3001 to 3003 unless others are named. All is kept in three-machines/ (or $DATA_DIR). Pictures are in the
# bucket that UPLOADS names, such as s3://name?region=…, by default in a folder there that stands for one. Ctrl-C
# stops them all. PODIUM is the program, by default the one that this checkout builds. The first start prints the
# admin password, unless ADMIN_PASSWORD is set.
set -euo pipefail

fail() {
  echo "three-machines: $*" >&2
  exit 2
}

unset DATABASE_URL # what is named here counts
case ${1:-} in
postgres://* | postgresql://*)
  export DATABASE_URL=$1
  shift
  ;;
esac
ports=("$@")
[ $# != 0 ] || ports=(3001 3002 3003)
[ ${#ports[@]} = 3 ] || fail 'usage: three-machines.sh [postgres://user:password@host/name] [PORT PORT PORT]'
data=${DATA_DIR:-three-machines}
mkdir -p "$data"
data=$(cd "$data" && pwd)
export UPLOADS=${UPLOADS:-file://$data/bucket}

pids=()
database=
sockets=
stop() {
  trap - INT TERM EXIT
  [ ${#pids[@]} = 0 ] || kill -TERM "${pids[@]}" 2>/dev/null || true
  [ ${#pids[@]} = 0 ] || wait "${pids[@]}" || true
  [ -z "$database" ] || kill -INT "$database" 2>/dev/null || true
  wait
  [ -z "$sockets" ] || rm -rf "$sockets"
}
trap stop EXIT
trap 'exit 0' INT TERM

# start_database starts a PostgreSQL in the data folder, which this user alone can reach, through a socket.
start_database() {
  local bin='' folder
  for folder in "$(dirname "$(command -v pg_isready || true)")" $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
    [ ! -x "$folder/initdb" ] || [ ! -x "$folder/pg_isready" ] || { bin=$folder; break; } # Debian has some of them elsewhere too
  done
  [ -n "$bin" ] || fail 'PostgreSQL is not installed here (apt-get install postgresql, or brew install postgresql); install it, or name a database'
  [ "$(id -u)" != 0 ] || fail 'PostgreSQL does not run as root; run this as another user, or name a database'
  if [ ! -d "$data/postgres" ]; then
    rm -rf "$data/postgres.new"
    "$bin/initdb" -D "$data/postgres.new" -U podium -A trust -E UTF8 --locale=C >"$data/postgres.log" || fail "PostgreSQL cannot be set up: see $data/postgres.log"
    mv "$data/postgres.new" "$data/postgres"
  fi
  sockets=$(mktemp -d /tmp/podium-three.XXXXXX) # a socket's path must be short
  "$bin/postgres" -D "$data/postgres" -c listen_addresses= -c "unix_socket_directories=$sockets" >>"$data/postgres.log" 2>&1 &
  database=$!
  until "$bin/pg_isready" -q -h "$sockets"; do
    kill -0 "$database" 2>/dev/null || fail "PostgreSQL does not start: see $data/postgres.log"
    sleep 0.1
  done
  "$bin/createdb" -h "$sockets" -U podium podium 2>/dev/null || true # since the first time it is there
  export DATABASE_URL="postgres://podium@/podium?host=$sockets"
}

podium=${PODIUM:-}
if [ -z "$podium" ]; then
  podium=$data/podium
  (cd "$(dirname "$0")/.." && go build -o "$podium" .)
fi
[ -n "${DATABASE_URL:-}" ] || start_database
for i in 0 1 2; do
  "$podium" serve --host 127.0.0.1 --port "${ports[i]}" --data "$data/machine-$((i + 1))" \
    --node-id "machine-$((i + 1))" --node-address "http://127.0.0.1:${ports[i]}" &
  pids+=($!)
done
echo "three machines: http://127.0.0.1:${ports[0]} http://127.0.0.1:${ports[1]} http://127.0.0.1:${ports[2]}"
wait -n || true # where one ends, none goes on alone and unnoticed
echo 'three-machines: a machine ended; the others are stopped' >&2
exit 1
