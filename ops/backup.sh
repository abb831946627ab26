#!/bin/sh
# Back up the embedded PostgreSQL while it is running, and restore it.
#
#   ops/backup.sh archive DIRECTORY    stream the write-ahead log into DIRECTORY until stopped: run it as a service
#   ops/backup.sh base DIRECTORY       write a base backup into a new directory: run it once a day
#   ops/backup.sh restore BASE ARCHIVE DATA_DIR [TIME]
#                                      create a data directory from a base backup and the archive, as of TIME
#                                      (RFC 3339) or, without it, up to the end of the archive
#
# PALIMPSEST_DATA_DIR and PYTHON mean the same as for the service. Store backups on another disk than the data.
set -eu

data=${PALIMPSEST_DATA_DIR:-.palimpsest}
python=${PYTHON:-.venv/bin/python}
programs=$("$python" -c 'from service.postgres.server import programs; print(programs())')

server() { # the program, connected to the running server
    program=$1
    shift
    socket=$(sed -n 5p "$data/postgres/postmaster.pid")
    port=$(sed -n 4p "$data/postgres/postmaster.pid")
    exec "$programs/$program" --host="$socket" --port="$port" --username=palimpsest --no-password "$@"
}

case ${1:-} in
archive)
    mkdir -p "$2"
    server pg_receivewal --directory="$2" --synchronous
    ;;
base)
    server pg_basebackup --pgdata="$2" --checkpoint=fast --wal-method=stream
    ;;
restore)
    base=$2 archive=$(cd "$3" && pwd) restored=$4 time=${5:-}
    case $time in
    *Z) time=${time%Z}+00:00 ;; # PostgreSQL reads this before it knows names of time zones
    esac
    mkdir -m 711 "$restored"
    cp -a "$base" "$restored/postgres"
    chmod 700 "$restored/postgres"
    # The last segment is incomplete, because it was still being written: use what there is.
    find "$archive" -name '*.partial' | while read -r partial; do cp -p "$partial" "${partial%.partial}"; done
    cat >>"$restored/postgres/postgresql.auto.conf" <<EOC
restore_command = 'cp "$archive/%f" "%p"'
recovery_target_action = 'promote'
EOC
    if [ -n "$time" ]; then
        echo "recovery_target_time = '$time'" >>"$restored/postgres/postgresql.auto.conf"
    fi
    touch "$restored/postgres/recovery.signal"
    if [ "$(id -u)" = 0 ]; then # the server runs under another account, which must be able to read the archive
        owner=$(stat -c %u:%g "$data/postgres")
        chown -R "$owner" "$restored/postgres" "$archive"
        chmod 711 "$archive"
    fi
    ;;
*)
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
