#!/bin/bash
# Servers for the tests of the engines that need them, on separate loopback addresses, in a temporary directory.
#
#   eval "$(scripts/engines.sh up [--only etcd,cluster,secure,postgres,redis,…] [--owner PID])"
#   scripts/engines.sh down [DIRECTORY]           stops all of them, and removes the directory
#   scripts/engines.sh start DIRECTORY NODE       restarts a server that has ended, with its data: cluster-2, postgres, …
#
# `up` installs what is missing (as root on Debian); starts one etcd, an etcd cluster of three, PostgreSQL and
# Redis (or those of --only); waits until each is healthy; and prints their addresses, as `export` lines: SLOCKET_ENGINES
# (the directory), SLOCKET_ETCD, SLOCKET_ETCD_CLUSTER, SLOCKET_POSTGRES, SLOCKET_REDIS. The same lines are in DIRECTORY/env,
# the process ids in DIRECTORY/NODE.pid. All other output goes to the standard error.
# `secure`, only if --only names it: an etcd that requires certificates and passwords. SLOCKET_ETCD_SECURE; ca.pem, client.pem
# and client.key are in DIRECTORY/secure; the user `locker` with the password `secret` may use keys below slocket/.
# Also only if --only names them: `redis-aof` writes each command to disk; `redis-pair` is redis-master and redis-replica; `redis-cluster` has three
# masters; `redis-sentinel` is redis-watched-1 with its replica redis-watched-2, and three sentinels that watch them as `locks`; `redis-secure` has TLS, and the user `locker` with the password `secret` may do what docs/engines/redis.md lists.
#
# SLOCKET_REDIS_SERVER is a program to use instead of redis-server: Valkey's, or another version.
#
# An `up` that fails or is killed leaves nothing behind. With --owner, everything ends with that process, however it ends.
# Several can be up at the same time. Data is in memory (/dev/shm) if possible: nothing waits for a disk.
set -euo pipefail
umask 022
PATH="$PATH:/usr/sbin:/sbin"
self=$(realpath "${BASH_SOURCE[0]}")
redis_server=${SLOCKET_REDIS_SERVER:-redis-server}

# Servers must not inherit the caller's descriptors (a lock, a pipe that somebody reads to its end), nor its settings.
for fd in /proc/self/fd/*; do
  fd=${fd##*/}
  ((fd < 3 || fd == 255)) || eval "exec $fd>&-"
done
unset ${!ETCD_@} ${!PG@}
export ETCDCTL_API=3

say() { echo "engines.sh: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# --- what is installed

postgres_bin() { printf '%s\n' /usr/lib/postgresql/*/bin | sort -t/ -k5 -n | tail -n 1; }

missing_packages() {
  local -A package=([etcd]=etcd-server [etcdctl]=etcd-client [redis-server]=redis-server [nft]=nftables [ip]=iproute2 [setpriv]=util-linux [openssl]=openssl [pgbouncer]=pgbouncer)
  local tool
  for tool in "${!package[@]}"; do
    command -v "$tool" >/dev/null || echo "${package[$tool]}"
  done
  [[ -x $(postgres_bin)/postgres ]] || echo postgresql-15
}

install_missing() {
  local missing
  missing=$(missing_packages)
  [[ -n $missing ]] || return 0
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    say "not installed, and only root on Debian can install:" $missing
    return 0
  fi
  exec 9>/run/lock/slocket-engines
  flock 9
  missing=$(missing_packages)
  if [[ -n $missing ]]; then
    say "installing" $missing
    # shellcheck disable=SC2086
    "${self%/*}/apt-install.sh" $missing
  fi
  exec 9>&-
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || fail "$tool is not installed. On Debian, as root: apt-get install etcd-server etcd-client postgresql-15 redis-server"
  done
}

# --- processes

# Sets `start_time` to the start time of a process, or to nothing if there is no such process. Only with builtins: see guard.
read_start_time() {
  local stat=''
  IFS= read -rd '' stat 2>/dev/null <"/proc/$1/stat" || true
  read -ra stat <<<"${stat##*) }"
  start_time=${stat[19]:-}
}

# The processes that run in the directory, whoever started them: servers, and what they have started.
pids_in() { find /proc -maxdepth 2 -path '/proc/[0-9]*/cwd' -lname "$1/*" -printf '%h\n' 2>/dev/null | sed 's|/proc/||' || true; }

start_node() {
  local dir=$1 node=$2
  [[ -x $dir/$node/run ]] || fail "there is no $node in $dir"
  (cd "$dir/$node" && exec setsid ./run >>"$dir/$node.log" 2>&1 </dev/null) &
  echo $! >"$dir/$node.pid"
  disown
}

# The script that starts a server, for the first time or again.
write_run() {
  local dir=$1 node=$2
  shift 2
  mkdir -p "$dir/$node"
  printf '#!/bin/bash\nexec%s\n' "$(printf ' %q' "$@")" >"$dir/$node/run"
  chmod 755 "$dir/$node/run"
}

await() {
  local dir=$1 node=$2 deadline=$((SECONDS + 60))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$(<"$dir/$node.pid")" 2>/dev/null; then
      say "$node has ended: $(tail -n 3 "$dir/$node.log")"
      return 1
    fi
    if ((SECONDS > deadline)); then
      say "$node is not healthy after 60 s: $(tail -n 3 "$dir/$node.log")"
      return 1
    fi
    sleep 0.05
  done
}

# PostgreSQL has objects in the system's shared memory, which it removes unless it is killed. So has initdb, which ends by itself.
stop_postgres() {
  local dir=$1 pids deadline=$((SECONDS + 10))
  while pids=$(pids_in "$dir/postgres") && [[ -n $pids ]] && ((SECONDS < deadline)); do
    # Immediately, without waiting for clients to disconnect.
    [[ ! -f $dir/postgres.pid ]] || kill -QUIT "$(<"$dir/postgres.pid")" 2>/dev/null || true
    # shellcheck disable=SC2086
    kill -CONT $pids 2>/dev/null || true
    sleep 0.1
  done
}

down() {
  local dir=$1 pids seen='' segment creator deadline=$((SECONDS + 20))
  [[ ${dir##*/} == slocket-engines-* ]] || fail "$dir was not made by up"
  stop_postgres "$dir"
  # Once more, as a process may have been starting another one, or writing.
  while [[ -d $dir ]]; do
    pids=$(pids_in "$dir")
    seen+=" $(pids_in "$dir/postgres")"
    # shellcheck disable=SC2086
    [[ -z $pids ]] || kill -KILL $pids 2>/dev/null || true
    [[ -n $pids ]] || rm -rf "$dir" 2>/dev/null || true
    ((SECONDS < deadline)) || fail "$dir could not be removed"
    [[ -z $pids ]] || sleep 0.02
  done
  # And if it did not end by itself.
  while read -r segment _ creator _; do
    [[ " $(echo $seen) " != *" $creator "* ]] || ipcrm -m "$segment" 2>/dev/null || true
  done < <(ipcs -mp | grep -E '^[0-9]')
}

# Makes the directory, and prints its path. The guard ends with the directory; it removes the directory when its owner ends, or if `up` fails. Whichever process
# is killed meanwhile, there is no directory without a guard.
guard() {
  local owner=$1 is_up=$2 parent=${TMPDIR:-/tmp} start_time started dir pause
  trap '' INT HUP PIPE
  read_start_time "$owner"
  started=$start_time
  [[ ! -w /dev/shm ]] || parent=/dev/shm
  dir=$(mktemp -d "$parent/slocket-engines-XXXXXX")
  # For the user postgres, who must be able to pass.
  chmod 711 "$dir"
  echo "$dir" || true
  exec >/dev/null
  # It starts no process meanwhile: the guards of twenty servers would take a processor for themselves, as each session gets as much of it as all of the tests together
  # (sched(7), autogroup). Nobody writes into this pipe.
  exec {pause}<> <(:)
  while [[ -d $dir && -n $started && $start_time == "$started" ]]; do
    read -rt 0.2 -u "$pause" || true
    read_start_time "$owner"
  done
  exec {pause}>&-
  [[ $is_up == is_owner || ! -f $dir/env ]] && down "$dir"
}

# --- the servers

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    [[ -n $(ss -Hltn "sport = :$port" 2>/dev/null) ]] || break
  done
  echo "$port"
}

# Each has its own ports for peers, data and clients. If two servers choose the same port, the second one ends, and `up` starts again.
etcd_node() {
  local dir=$1 node=$2 address=$3 client=$4 peer=$5 all=$6
  write_run "$dir" "$node" etcd --name "$node" --data-dir "$dir/$node/data" --logger zap --log-level warn \
    --listen-client-urls "http://$address:$client" --advertise-client-urls "http://$address:$client" \
    --listen-peer-urls "http://$address:$peer" --initial-advertise-peer-urls "http://$address:$peer" \
    --initial-cluster "$all" --initial-cluster-token "${dir##*/}" --initial-cluster-state new
}

begin_etcd() {
  local dir=$1 address=$2 client peer
  client=$(free_port) peer=$(free_port)
  etcd_node "$dir" etcd "$address" "$client" "$peer" "etcd=http://$address:$peer"
  start_node "$dir" etcd
  echo "export SLOCKET_ETCD=http://$address:$client" >>"$dir/env.new"
}

finish_etcd() { await "$1" etcd etcdctl --endpoints "$(value "$1" SLOCKET_ETCD)" endpoint health; }

begin_cluster() {
  local dir=$1 address=$2 n all='' clients=() peers=()
  for n in 1 2 3; do
    clients[n]=$(free_port) peers[n]=$(free_port)
    all+=",cluster-$n=http://$address:${peers[n]}"
  done
  for n in 1 2 3; do
    etcd_node "$dir" "cluster-$n" "$address" "${clients[n]}" "${peers[n]}" "${all#,}"
    start_node "$dir" "cluster-$n"
  done
  echo "export SLOCKET_ETCD_CLUSTER=$(printf ",http://$address:%s" "${clients[@]}" | cut -c2-)" >>"$dir/env.new"
}

finish_cluster() {
  local dir=$1 n endpoints
  IFS=, read -ra endpoints <<<"$(value "$dir" SLOCKET_ETCD_CLUSTER)"
  for n in 1 2 3; do
    await "$dir" "cluster-$n" etcdctl --endpoints "${endpoints[n - 1]}" endpoint health || return 1
  done
}

# It refuses to run as root.
as_postgres() { [[ $EUID -ne 0 ]] || echo setpriv --reuid postgres --regid postgres --init-groups; }

openssl_quietly() { openssl "$@" 2>>"$dir/secure.log" >&2 || fail "openssl: $(tail -n 3 "$dir/secure.log")"; }

make_certificates() {
  local dir=$1 address=$2 at=$1/${3:-secure} name
  mkdir "$at"
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  openssl_quietly req -x509 "${key[@]}" -days 2 -subj /CN=authority -keyout "$at/ca.key" -out "$at/ca.pem"
  echo "subjectAltName=IP:$address" >"$at/names"
  for name in server client; do
    openssl_quietly req "${key[@]}" -subj "/CN=$name" -keyout "$at/$name.key" -out "$at/$name.csr"
    openssl_quietly x509 -req -days 2 -in "$at/$name.csr" -CA "$at/ca.pem" -CAkey "$at/ca.key" -CAcreateserial \
      -extfile "$at/names" -out "$at/$name.pem"
  done
}

# Tokens that aren't used for a second expire.
begin_secure() {
  local dir=$1 address=$2 client peer at=$1/secure
  make_certificates "$dir" "$address"
  client=$(free_port) peer=$(free_port)
  write_run "$dir" secure etcd --name secure --data-dir "$at/data" --logger zap --log-level warn \
    --listen-client-urls "https://$address:$client" --advertise-client-urls "https://$address:$client" \
    --listen-peer-urls "http://$address:$peer" --initial-advertise-peer-urls "http://$address:$peer" \
    --initial-cluster "secure=http://$address:$peer" --cert-file "$at/server.pem" --key-file "$at/server.key" \
    --trusted-ca-file "$at/ca.pem" --client-cert-auth --auth-token-ttl 1
  start_node "$dir" secure
  echo "export SLOCKET_ETCD_SECURE=https://$address:$client" >>"$dir/env.new"
}

finish_secure() {
  local dir=$1 at=$1/secure
  local ctl=(etcdctl --endpoints "$(value "$dir" SLOCKET_ETCD_SECURE)" --cacert "$at/ca.pem" --cert "$at/client.pem" --key "$at/client.key")
  await "$dir" secure "${ctl[@]}" endpoint health || return 1
  {
    "${ctl[@]}" user add root:root &&
      "${ctl[@]}" user grant-role root root &&
      "${ctl[@]}" user add locker:secret &&
      "${ctl[@]}" role add locks &&
      "${ctl[@]}" role grant-permission locks --prefix=true readwrite slocket/ &&
      "${ctl[@]}" user grant-role locker locks &&
      "${ctl[@]}" auth enable
  } >&2
}

begin_postgres() {
  local dir=$1 address=$2 bin port
  bin=$(postgres_bin) port=$(free_port)
  mkdir "$dir/postgres" "$dir/postgres/socket"
  [[ $EUID -ne 0 ]] || chown -R postgres:postgres "$dir/postgres"
  (cd "$dir/postgres" && $(as_postgres) "$bin/initdb" -D "$dir/postgres/data" -U postgres -A trust -E UTF8 --locale C -N >"$dir/postgres.log" 2>&1) ||
    fail "initdb: $(tail -n 5 "$dir/postgres.log")"
  # shellcheck disable=SC2046
  write_run "$dir" postgres $(as_postgres) "$bin/postgres" -D "$dir/postgres/data" -p "$port" -c "listen_addresses=$address" \
    -c "unix_socket_directories=$dir/postgres/socket" -c max_connections=300 -c fsync=off -c dynamic_shared_memory_type=mmap
  start_node "$dir" postgres
  echo "export SLOCKET_POSTGRES=postgres://postgres@$address:$port/postgres" >>"$dir/env.new"
}

finish_postgres() { await "$1" postgres "$(postgres_bin)/pg_isready" -q -d "$(value "$1" SLOCKET_POSTGRES)"; }

begin_redis() {
  local dir=$1 address=$2 port
  port=$(free_port)
  mkdir "$dir/redis"
  write_run "$dir" redis "$redis_server" --bind "$address" --port "$port" --dir "$dir/redis" --save '' --appendonly no
  start_node "$dir" redis
  echo "export SLOCKET_REDIS=redis://$address:$port" >>"$dir/env.new"
}

redis_node() {
  local dir=$1 node=$2 address=$3 port=$4
  mkdir "$dir/$node"
  write_run "$dir" "$node" "$redis_server" --bind "$address" --port "$port" --dir "$dir/$node" --save '' "${@:5}"
  start_node "$dir" "$node"
}

begin_redis-aof() {
  local dir=$1 address=$2 port
  port=$(free_port)
  redis_node "$dir" redis-aof "$address" "$port" --appendonly yes --appendfsync always
  echo "export SLOCKET_REDIS_AOF=redis://$address:$port" >>"$dir/env.new"
}

finish_redis-aof() { await "$1" redis-aof answers_ping "$(value "$1" SLOCKET_REDIS_AOF)"; }

begin_redis-pair() {
  local dir=$1 address=$2 master replica
  master=$(free_port) replica=$(free_port)
  redis_node "$dir" redis-master "$address" "$master" --repl-diskless-sync-delay 0
  redis_node "$dir" redis-replica "$address" "$replica" --replicaof "$address $master"
  echo "export SLOCKET_REDIS_PAIR=redis://$address:$master,redis://$address:$replica" >>"$dir/env.new"
}

has_replica() { timeout 5 redis-cli -u "$1" info replication | grep -q 'state=online'; }
finish_redis-pair() {
  local master
  master=$(value "$1" SLOCKET_REDIS_PAIR)
  await "$1" redis-master has_replica "${master%%,*}"
}

# Like a pair, with three sentinels, two of which must agree. They write into their configuration files.
begin_redis-sentinel() {
  local dir=$1 address=$2 master replica n port all=''
  master=$(free_port) replica=$(free_port)
  # Otherwise the nodes assume that the others are at 127.0.0.1.
  redis_node "$dir" redis-watched-1 "$address" "$master" --repl-diskless-sync-delay 0 --replica-announce-ip "$address"
  redis_node "$dir" redis-watched-2 "$address" "$replica" --repl-diskless-sync-delay 0 --replica-announce-ip "$address" --replicaof "$address $master"
  for n in 1 2 3; do
    port=$(free_port)
    mkdir "$dir/sentinel-$n"
    printf '%s\n' "bind $address" "port $port" "dir $dir/sentinel-$n" "sentinel announce-ip $address" "sentinel monitor locks $address $master 2" \
      'sentinel down-after-milliseconds locks 1000' 'sentinel failover-timeout locks 10000' >"$dir/sentinel-$n/sentinel.conf"
    write_run "$dir" "sentinel-$n" "$redis_server" "$dir/sentinel-$n/sentinel.conf" --sentinel
    start_node "$dir" "sentinel-$n"
    all+=",redis://$address:$port"
  done
  {
    echo "export SLOCKET_REDIS_SENTINEL=${all#,}"
    echo "watched=redis://$address:$master"
  } >>"$dir/env.new"
}

# Each knows the replica and the two others: otherwise none can start a failover.
sentinel_knows() { [[ $(timeout 5 redis-cli -u "$1" info sentinel) == *status=ok,*slaves=1,sentinels=3* ]]; }
finish_redis-sentinel() {
  local dir=$1 n urls
  await "$dir" redis-watched-1 has_replica "$(sed -n 's/^watched=//p' "$dir/env.new")" || return 1
  sed -i '/^watched=/d' "$dir/env.new"
  IFS=, read -ra urls <<<"$(value "$dir" SLOCKET_REDIS_SENTINEL)"
  for n in 1 2 3; do await "$dir" "sentinel-$n" sentinel_knows "${urls[n - 1]}" || return 1; done
}

# Nodes talk to each other on ports that are larger by 10,000.
begin_redis-cluster() {
  local dir=$1 address=$2 n port all=''
  for n in 1 2 3; do
    port=$(free_port)
    redis_node "$dir" "redis-$n" "$address" "$port" --cluster-enabled yes --cluster-announce-ip "$address" --cluster-node-timeout 2000
    all+=",redis://$address:$port"
  done
  echo "export SLOCKET_REDIS_CLUSTER=${all#,}" >>"$dir/env.new"
}

cluster_is_ok() { timeout 5 redis-cli -u "$1" cluster info | grep -q 'cluster_state:ok'; }
finish_redis-cluster() {
  local dir=$1 n urls
  IFS=, read -ra urls <<<"$(value "$dir" SLOCKET_REDIS_CLUSTER)"
  for n in 1 2 3; do await "$dir" "redis-$n" answers_ping "${urls[n - 1]}" || return 1; done
  timeout 60 redis-cli --cluster create "${urls[@]#redis://}" --cluster-yes >>"$dir/redis-1.log" 2>&1 || return 1
  for n in 1 2 3; do await "$dir" "redis-$n" cluster_is_ok "${urls[n - 1]}" || return 1; done
}

# See docs/engines/redis.md.
readonly LOCKER='~slocket:* &slocket:* +hello +auth +ping +client|setname +info +select +subscribe +unsubscribe +eval +evalsha
  +time +publish +zadd +zrem +zrange +zrangebyscore +zscore +zcard +hset +hget +hdel +hlen +hkeys +hexists +hincrby +get +set +scan +wait'

begin_redis-secure() {
  local dir=$1 address=$2 port at=$1/redis-secure
  make_certificates "$dir" "$address" redis-secure
  port=$(free_port)
  {
    echo 'user default off'
    echo "user locker on >secret $LOCKER" | tr -d '\n' | tr -s ' '
    echo
    echo 'user other on >secret ~other:* &other:* +@all'
    echo 'user admin on >secret ~* &* +@all'
  } >"$at/users.acl"
  write_run "$dir" redis-secure "$redis_server" --bind "$address" --port 0 --tls-port "$port" --dir "$at" --save '' \
    --tls-cert-file "$at/server.pem" --tls-key-file "$at/server.key" --tls-ca-cert-file "$at/ca.pem" --tls-auth-clients no --aclfile "$at/users.acl"
  start_node "$dir" redis-secure
  echo "export SLOCKET_REDIS_SECURE=rediss://$address:$port" >>"$dir/env.new"
}

answers_securely() { [[ $(timeout 5 redis-cli --tls --cacert "$2/ca.pem" --user admin --pass secret --no-auth-warning -u "${1/rediss/redis}" ping) == PONG ]]; }
finish_redis-secure() { await "$1" redis-secure answers_securely "$(value "$1" SLOCKET_REDIS_SECURE)" "$1/redis-secure"; }

answers_ping() { [[ $(timeout 5 redis-cli -u "$1" ping) == PONG ]]; }
finish_redis() { await "$1" redis answers_ping "$(value "$1" SLOCKET_REDIS)"; }

value() { sed -n "s/^export $2=//p" "$1/env.new"; }

# One attempt. The address is almost certainly used only by this `up`; the ports are free on every address.
bring_up() {
  local dir=$1 server address="127.$((1 + RANDOM % 254)).$((RANDOM % 256)).$((1 + RANDOM % 254))"
  shift
  echo "export SLOCKET_ENGINES=$dir" >"$dir/env.new"
  for server in "$@"; do "begin_$server" "$dir" "$address"; done
  for server in "$@"; do "finish_$server" "$dir" || return 1; done
  mv "$dir/env.new" "$dir/env"
}

make_directory() {
  read -r dir < <(
    if [[ -n $owner ]]; then exec setsid "$self" guard "$owner" is_owner; else exec setsid "$self" guard $$ is_up; fi </dev/null 2>/dev/null
  )
}

up() {
  local only=etcd,cluster,postgres,redis owner='' servers attempt
  while (($# > 0)); do
    case $1 in
      --only) only=$2 ;;
      --owner) owner=$2 ;;
      *) fail "what is $1? See the head of $self" ;;
    esac
    shift 2
  done
  IFS=, read -ra servers <<<"$only"
  install_missing
  need etcd etcdctl ss setpriv
  [[ $only != *redis* ]] || need "$redis_server" redis-cli
  [[ ,$only, != *,postgres,* || -x $(postgres_bin)/postgres ]] || fail 'PostgreSQL is not installed. On Debian, as root: apt-get install postgresql-15'
  dir=''
  trap '[[ -z $dir ]] || down "$dir"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  for attempt in 1 2 3; do
    make_directory
    if bring_up "$dir" "${servers[@]}"; then
      cat "$dir/env"
      dir=''
      return 0
    fi
    say "attempt $attempt has failed"
    down "$dir"
  done
  return 1
}

case ${1:-} in
  up) up "${@:2}" ;;
  down)
    [[ -n ${2:-${SLOCKET_ENGINES:-}} ]] || fail 'down: of which directory? (SLOCKET_ENGINES is not set)'
    down "$(realpath -m "${2:-$SLOCKET_ENGINES}")"
    ;;
  start) start_node "$(realpath "$2")" "$3" ;;
  guard) guard "${@:2}" ;;
  *)
    sed -n '2,20s/^# \{0,1\}//p' "$self" >&2
    exit 2
    ;;
esac
