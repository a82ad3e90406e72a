#!/bin/sh
# The service's tests on another database and another storage than by default: a PostgreSQL server
# of the system (as Debian installs it), and a local server that speaks S3.
#
#   scripts/service_tests.sh [PYTEST ARGUMENTS]
#
# POSTGRES names the folder of initdb and pg_ctl, PYTHON the interpreter.
set -eu

postgres=${POSTGRES:-$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)}
python=${PYTHON:-python3}
folder=$(mktemp -d /tmp/gypsum-postgres-XXXXXX)

# The server refuses to run as root.
as_server() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
    else
        "$@"
    fi
}

finish() {
    as_server "$postgres/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

if [ "$(id -u)" = 0 ]; then
    chown nobody:nogroup "$folder"
fi
cd /tmp
as_server "$postgres/initdb" -D "$folder/data" -U postgres --auth=trust --no-sync >/dev/null
as_server "$postgres/pg_ctl" -w -D "$folder/data" -l "$folder/log" \
    -o "-c listen_addresses='' -c fsync=off -k $folder" start >/dev/null
cd - >/dev/null

export GYPSUM_TEST_DATABASE_URL="postgresql://postgres@/postgres?host=$folder"
export GYPSUM_TEST_STORAGE=s3
"$python" -m pytest "${@:-tests/service}"
