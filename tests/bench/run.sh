#!/bin/sh
# Measures Hedgerow and Mosquitto side by side: the same machine, the same client, in turns; prints medians, ratios and
# targets. What each figure means, and the last ones, are in daemon/docs/performance.md.
#
#   run.sh [--only NAME] [--rounds N] [--records N]
#
#   acked      QoS 1 publishes acknowledged a second, 1 and 10 clients, and what a sync of this disk costs
#   catchup    an outage of the link between two nodes, --records (200,000 unless given, at most 2,000,000) of JSON telemetry
#              published meanwhile: how fast the other node has them, and a subscriber there; bytes on the wire; memory
#   flow       publishers to subscribers on one node, as fast as it goes: QoS 0 and 1, 64 B and 16 KiB, 1 and 10 publishers,
#              50 subscribers, plain and over TLS
#   idle       resident memory for each of 10,000 idle connections, and of 1,000 over TLS
#   latency    publisher to subscriber on one node
#   mesh       publisher on one node to subscriber on another, over TLS, both ways
#   memory     resident memory: idle without and with peers, and after load
#   size       the programs on disk
#   wear       bytes written for each record: at a block device of its own (as root), and by the process
#   coldstart  from the start of hedgerowd with a database of 1 GiB, not in the kernel's memory, until it serves; only when
#              named: it writes 1 GiB and removes it
#
# Everything runs on the loopback interface, each measurement with brokers started for it. Data lies below
# ${TMPDIR:-/var/tmp} and is removed; N is 3 unless given. HEDGEROW_BIN_DIR takes the programs from there instead of
# building them. A whole run takes about 25 minutes. Exit status: 0 measured, 1 failed, 2 usage or a missing package.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
bench=$root/tests/bench
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }
die() {
  status=$1
  shift
  say "run.sh: $*"
  exit "$status"
}

only=
rounds=3
records=200000
while [ $# -gt 0 ]; do
  case $1 in
    --only) only=${2:-} ;;
    --rounds) rounds=${2:-} ;;
    --records) records=${2:-} ;;
    *) die 2 "unknown argument '$1': use --only NAME, --rounds N or --records N" ;;
  esac
  [ $# -ge 2 ] || die 2 "$1 needs a value"
  shift 2
done
case $only in
  '' | acked | catchup | flow | idle | latency | mesh | memory | size | wear | coldstart) ;;
  *) die 2 "nothing is called '$only': use acked, catchup, flow, idle, latency, mesh, memory, size, wear or coldstart" ;;
esac
case $rounds in
  [1-9] | 1[0-9] | 20) ;;
  *) die 2 "--rounds is '$rounds': give a number from 1 to 20" ;;
esac

case $records in
  '' | *[!0-9]* | ????????*) die 2 "--records is '$records': give a number from 1,000 to 2,000,000" ;;
esac
if [ "$records" -lt 1000 ] || [ "$records" -gt 2000000 ]; then
  die 2 "--records is '$records': give a number from 1,000 to 2,000,000"
fi

sh "$root/cross-toolchains/install-packages.sh" bench
if [ -z "${HEDGEROW_BIN_DIR:-}" ]; then
  sh "$root/cross-toolchains/build.sh" release hedgerowd hedgerow hedgerow-bench >&2
  HEDGEROW_BIN_DIR=$root/build/release/bin
fi
bin=$(cd "$HEDGEROW_BIN_DIR" && pwd)
mosquitto=$(command -v mosquitto)

# Ten thousand connections, on both ends.
ulimit -n "$(ulimit -H -n)"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/hedgerow-bench-XXXXXX")
results=$work/results
: >"$results"
running=

finish() {
  status=$?
  trap - EXIT
  trap '' HUP INT TERM
  stop_all
  release_disk
  if [ $status -ne 0 ]; then tail -n 20 "$work"/now/*.log >&2 2>/dev/null || true; fi
  rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- processes -----------------------------------------------------------------------------------------------------

# True while that child of ours runs; an ended one that was not waited for is not running.
alive() {
  state=$(sed -n 's/^State:[[:space:]]*\([A-Z]\).*/\1/p' "/proc/$1/status" 2>/dev/null || true)
  [ -n "$state" ] && [ "$state" != Z ]
}

stop() {
  kill -TERM "$1" 2>/dev/null || true
  tries=100
  while alive "$1" && [ $tries -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
  done
  if alive "$1"; then
    say "run.sh: process $1 did not end on SIGTERM within 10 s"
    kill -KILL "$1" 2>/dev/null || true
  fi
  wait "$1" 2>/dev/null || true
}

stop_all() {
  for pid in $running; do stop "$pid"; done
  running=
}

# Waits until FILE has COUNT lines "listening ...": wait_listening PID FILE COUNT
wait_listening() {
  tries=100
  while [ "$(grep -c '^listening ' "$2" || true)" -lt "$3" ]; do
    alive "$1" || return 1
    [ $tries -gt 0 ] || return 1
    sleep 0.1
    tries=$((tries - 1))
  done
}

# The client never runs for longer than this, whatever a broker does.
client() { timeout 120 "$bin/hedgerow-bench" "$@"; }

# --- brokers -------------------------------------------------------------------------------------------------------
# start_SYSTEM NAME [PEER-TLS-PORT...] sets pid, port and, with an identity, tls_port, and device_port: a TLS listener
# that asks for no certificate. NAME's files lie below $work/now. A node has an identity, and TLS listeners, when
# $work/mesh has one for it.

disk_root= # where nodes keep their data, if not below $work/now
channels= # of a node's configuration, where its defaults will not do
inflight=0
fresh_place() {
  stop_all
  rm -rf "$work/now"
  mkdir "$work/now"
}

make_identities() {
  [ ! -d "$work/mesh" ] || return 0
  "$bin/hedgerow" --data "$work/mesh" mesh init bench >/dev/null
  for number in 0 1 2 3 4 5 6 7 8 9 10; do
    "$bin/hedgerow" --data "$work/mesh" node add "gw-$number" --address 127.0.0.1 \
      --out "$work/mesh/gw-$number" >/dev/null
  done
}

start_hedgerow() {
  name=$1
  shift
  mkdir "$work/now/$name"
  data=${disk_root:-$work/now}/$name
  mkdir -p "$data"
  listeners='{ "name": "local", "address": "127.0.0.1:0", "tls": false }'
  count=1
  if [ -d "$work/mesh/$name" ]; then
    cp -R "$work/mesh/$name/identity" "$data/identity"
    listeners="$listeners, { \"name\": \"mesh\", \"address\": \"127.0.0.1:0\" }"
    listeners="$listeners, { \"name\": \"devices\", \"address\": \"127.0.0.1:0\", \"auth\": \"anonymous\" }"
    count=3
  fi
  peers=
  for peer in "$@"; do peers="$peers\"127.0.0.1:$peer\", "; done
  cat >"$work/now/$name.json" <<END
{ "mesh": "bench", "node": "$name", "data": "$data", "listeners": [$listeners], "peers": [$peers], $channels
  "limits": { "connections": 12000, "connections_per_address": 12000 } }
END
  : >"$work/now/$name.log"
  "$bin/hedgerowd" --config "$work/now/$name.json" >"$work/now/$name.log" 2>&1 &
  pid=$!
  running="$running $pid"
  wait_listening $pid "$work/now/$name.log" $count || die 1 "hedgerowd does not serve"
  port=$(sed -n 's/^listening local .*://p' "$work/now/$name.log")
  tls_port=$(sed -n 's/^listening mesh .*://p' "$work/now/$name.log")
  device_port=$(sed -n 's/^listening devices .*://p' "$work/now/$name.log")
}

# What a user would run who wants no message lost while the process lives: a persistence file, no limit on queues. Its
# default of 1,000 queued and 20 unacknowledged messages would slow it down or lose messages; TCP_NODELAY helps it.
start_mosquitto() {
  name=$1
  shift
  mkdir "$work/now/$name"
  identity=$work/mesh/$name/identity
  start_tries=5
  while [ $start_tries -gt 0 ]; do
    start_tries=$((start_tries - 1))
    port=$(client free-port)
    tls_port=
    device_port=
    {
      echo "user $(id -un)"
      echo "persistence true"
      echo "persistence_location $work/now/$name/"
      echo "max_queued_messages 0"
      echo "max_inflight_messages $inflight"
      echo "set_tcp_nodelay true"
      echo "listener $port 127.0.0.1"
      echo "allow_anonymous true"
      if [ -d "$identity" ]; then
        tls_port=$(client free-port)
        echo "listener $tls_port 127.0.0.1"
        echo "cafile $identity/authority.crt"
        echo "certfile $identity/node.crt"
        echo "keyfile $identity/node.key"
        echo "require_certificate true"
        device_port=$(client free-port)
        echo "listener $device_port 127.0.0.1"
        echo "certfile $identity/node.crt"
        echo "keyfile $identity/node.key"
      fi
      for peer in "$@"; do
        echo "connection $name-to-$peer"
        echo "address 127.0.0.1:$peer"
        echo "topic # both 1"
        echo "bridge_cafile $identity/authority.crt"
        echo "bridge_certfile $identity/node.crt"
        echo "bridge_keyfile $identity/node.key"
      done
    } >"$work/now/$name.conf"
    "$mosquitto" -c "$work/now/$name.conf" >"$work/now/$name.log" 2>&1 &
    pid=$!
    # It cannot choose a free port itself; another program may have taken the one that was free, and then it ends.
    running="$running $pid"
    if client wait --port "$port" && alive "$pid"; then return; fi
  done
  die 1 "mosquitto does not serve"
}

start_reflector() {
  : >"$work/now/$1.log"
  client reflector --seconds 100 >"$work/now/$1.log" 2>&1 &
  pid=$!
  running="$running $pid"
  wait_listening $pid "$work/now/$1.log" 1 || die 1 "the reflector does not serve"
  port=$(sed -n 's/^listening //p' "$work/now/$1.log")
}

# Two nodes with a link: sets their ports dialler and dialled, and dialler_pid.
start_pair() {
  make_identities
  fresh_place
  "start_$1" gw-0
  dialled=$port
  "start_$1" gw-1 "$tls_port"
  dialler=$port
  dialler_pid=$pid
  client probe --from "$dialler" --to "$dialled" --qos 1 >/dev/null
}

# The same through a relay that can be cut: relay_pid.
start_relayed_pair() {
  make_identities
  fresh_place
  "start_$1" gw-0
  dialled=$port
  : >"$work/now/relay.log"
  "$bin/hedgerow-bench" relay --to "$tls_port" --seconds 600 >"$work/now/relay.log" 2>&1 &
  relay_pid=$!
  running="$running $relay_pid"
  wait_listening $relay_pid "$work/now/relay.log" 1 || die 1 "the relay does not serve"
  "start_$1" gw-1 "$(sed -n 's/^listening //p' "$work/now/relay.log")"
  dialler=$port
  dialler_pid=$pid
  client probe --from "$dialler" --to "$dialled" --qos 1 >/dev/null
}

# --- figures -------------------------------------------------------------------------------------------------------

record() { echo "$1 $2 $3" >>"$results"; }

# value NAME: that figure of the line in $line
value() { printf '%s\n' "$line" | tr ' ' '\n' | sed -n "s/^$1=//p"; }

# Runs the client and shows its line: run_client SYSTEM WHAT ARGUMENT...
run_client() {
  shown="$1 $2"
  shift 2
  line=$(client "$@") || die 1 "$shown failed"
  say "  round $round  $(printf '%-32s' "$shown") $line"
}

# Processor time of a process so far, in clock ticks.
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

# KiB of Rss or Pss: memory_kib PID KIND
memory_kib() { sed -n "s/^$2:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$1/smaps_rollup"; }

# Waits until a process's memory has been the same for a second, so that what it gives back by itself is given back.
settle() {
  tries=60
  same=0
  held=
  while [ $same -lt 5 ] && [ $tries -gt 0 ]; do
    now=$(memory_kib "$1" Rss)
    if [ "$now" = "$held" ]; then same=$((same + 1)); else same=0; fi
    held=$now
    sleep 0.2
    tries=$((tries - 1))
  done
}

record_memory() {
  settle "$2"
  for kind in Rss Pss; do record "${kind}_$3" "$1" "$(memory_kib "$2" $kind)"; done
  say "  round $round  $(printf '%-32s' "$1 memory, $3") Rss=$(memory_kib "$2" Rss) Pss=$(memory_kib "$2" Pss) KiB"
}

# run_acked SYSTEM WHAT CLIENTS: to the broker on $port
run_acked() {
  run_client "$1" "$2" acked --port "$port" --clients "$3" --window 100 --count 500000 --seconds 10
}

acked_once() {
  for clients in 1 10; do
    fresh_place
    "start_$1" gw
    before=$(ticks "$pid")
    run_acked "$1" "acked, $clients clients" $clients
    record "acked_$clients" "$1" "$(value rate)"
    spent=$(($(ticks "$pid") - before))
    record "cpu_$clients" "$1" "$(awk "BEGIN { print $spent * 1e6 / $(getconf CLK_TCK) / $(value acked) }")"
  done
}

# latency_figures SYSTEM NAME FROM TO QOS
latency_figures() {
  run_client "$1" "$2" latency --from "$3" --to "$4" --qos "$5" --rate 500 --seconds 4
  record "$2_p50" "$1" "$(value p50_us)"
  record "$2_p99" "$1" "$(value p99_us)"
  record "$2_lost" "$1" "$(value lost)"
}

# flow_figures SYSTEM PUBLISHERS SUBSCRIBERS QOS BYTES WAY: plain or tls
flow_figures() {
  authority=no
  at=$port
  if [ "$6" = tls ]; then
    authority=$work/mesh/gw-0/identity/authority.crt
    at=$device_port
  fi
  run_client "$1" "QoS $4, $2 to $3, $5 B, $6" flow --port "$at" --tls "$authority" --publishers "$2" --subscribers "$3" \
    --qos "$4" --bytes "$5" --seconds 2
  record "flow_$2_$3_$4_$5_$6" "$1" "$(value rate)"
  record "flow_$2_$3_$4_$5_$6_lost" "$1" "$(value lost)"
}

flow_once() {
  make_identities
  for way in plain tls; do
    for load in '1 1' '10 1' '1 50'; do
      fresh_place
      "start_$1" gw-0
      for qos in 0 1; do
        # shellcheck disable=SC2086 # a load is two words
        for bytes in 64 16384; do flow_figures "$1" $load $qos $bytes $way; done
      done
    done
  done
}

# idle_figures SYSTEM COUNT WAY
idle_figures() {
  authority=no
  at=$port
  if [ "$3" = tls ]; then
    authority=$work/mesh/gw-0/identity/authority.crt
    at=$device_port
  fi
  settle "$pid"
  before=$(memory_kib "$pid" Rss)
  : >"$work/now/idle.log"
  client idle --port "$at" --tls "$authority" --count "$2" --seconds 100 >"$work/now/idle.log" 2>&1 &
  idle_pid=$!
  running="$running $idle_pid"
  tries=600
  while ! grep -q '^idle ' "$work/now/idle.log"; do
    alive "$idle_pid" && [ $tries -gt 0 ] || die 1 "$1: the idle clients did not all connect: $(cat "$work/now/idle.log")"
    sleep 0.1
    tries=$((tries - 1))
  done
  settle "$pid"
  after=$(memory_kib "$pid" Rss)
  record "idle_$3" "$1" "$(awk "BEGIN { print ($after - $before) * 1024 / $2 }")"
  say "  round $round  $(printf '%-32s' "$1, $2 idle, $3") Rss=$before to $after KiB"
}

idle_once() {
  make_identities
  fresh_place
  "start_$1" gw-0
  idle_figures "$1" 10000 plain
  fresh_place
  "start_$1" gw-0
  idle_figures "$1" 1000 tls
}

# What the relay carried so far.
relay_bytes() {
  lines=$(grep -c '^bytes=' "$work/now/relay.log" || true)
  kill -HUP "$relay_pid"
  tries=100
  while [ "$(grep -c '^bytes=' "$work/now/relay.log" || true)" -eq "$lines" ] && [ $tries -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
  done
  sed -n 's/^bytes=//p' "$work/now/relay.log" | tail -n 1
}

# An outage, and what the node behind it makes of it: one_outage SYSTEM WHAT FILTER COUNT. Sets seconds.
one_outage() {
  kill -USR1 "$relay_pid"
  settle "$dialler_pid"
  idle_kib=$(memory_kib "$dialler_pid" Rss)
  run_client "$1" "outage" fill --port "$dialler" --count "$records" --window 100
  payload_bytes=$(value payload_bytes)
  settle "$dialler_pid"
  waiting_kib=$(memory_kib "$dialler_pid" Rss)
  : >"$work/now/collect.log"
  timeout 400 "$bin/hedgerow-bench" collect --port "$dialled" --filter "$3" --count "$4" --seconds 390 \
    >"$work/now/collect.log" 2>&1 &
  collect_pid=$!
  running="$running $collect_pid"
  tries=100
  while ! grep -q '^subscribed' "$work/now/collect.log" && [ $tries -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
  done
  bytes_before=$(relay_bytes)
  kill -USR2 "$relay_pid"
  wait "$collect_pid" || die 1 "$1: the other node did not get everything: $(cat "$work/now/collect.log")"
  line=$(tail -n 1 "$work/now/collect.log")
  seconds=$(value seconds)
  wire_bytes=$(($(relay_bytes) - bytes_before))
  say "  round $round  $(printf '%-32s' "$1 $2") seconds=$seconds wire_bytes=$wire_bytes Rss=$idle_kib to $waiting_kib KiB"
}

catchup_once() {
  # The other node keeps them as well: more than the default of 64 MiB.
  channels='"channels": [{ "name": "default", "filter": "#", "keep": { "age": "7d", "size": "2GiB" } }],'
    # Unlimited, its bridge stops for good with more messages waiting than there are identifiers.
  inflight=1000
  start_relayed_pair "$1"
  one_outage "$1" "has them" bench/marker 2
  record catchup_rate "$1" "$(awk "BEGIN { print $records / $seconds }")"
  record catchup_wire "$1" "$(awk "BEGIN { print $wire_bytes / $payload_bytes }")"
  record catchup_memory "$1" "$((waiting_kib - idle_kib))"
  start_relayed_pair "$1"
  one_outage "$1" "subscriber has them" 'bench/#' $((records + 2))
  record catchup_subscriber_rate "$1" "$(awk "BEGIN { print $records / $seconds }")"
  channels=
  inflight=0
}

# A block device of our own, whose writes nobody else's are mixed with: as root, where loop devices work. Else the
# figure is what the process made the kernel write, whole pages of 4 KiB. Sets written_by: block or process.
take_disk() {
  written_by=process
  [ "$(id -u)" = 0 ] && command -v losetup >/dev/null && command -v mkfs.ext4 >/dev/null || return 0
  truncate -s 512M "$work/disk.image"
  mkfs.ext4 -q -b 4096 -O ^has_journal -E lazy_itable_init=0 "$work/disk.image" || return 0
  loop=$(losetup --find --show "$work/disk.image" 2>/dev/null) || return 0
  mkdir -p "$work/disk"
  if mount "$loop" "$work/disk"; then
    disk_root=$work/disk
    written_by=block
  else
    losetup -d "$loop"
  fi
}
release_disk() {
  [ -n "$disk_root" ] || return 0
  umount "$disk_root" && losetup -d "$loop"
  disk_root=
}
# Bytes written so far for the node whose process is given.
written_bytes() {
  if [ "$written_by" = block ]; then
    sync -f "$disk_root"
    awk '{ print $7 * 512 }' "/sys/block/${loop##*/}/stat"
  else
    sed -n 's/^write_bytes: //p' "/proc/$1/io"
  fi
}

# wear_figures NAME COUNT WINDOW
wear_figures() {
  before=$(written_bytes "$pid")
  run_client hedgerow "$1" fill --port "$port" --count "$2" --window "$3"
  figure=$(awk "BEGIN { print ($(written_bytes "$pid") - $before) / $2 }")
  record "$1" hedgerow "$figure"
  say "  round $round  $(printf '%-32s' "$1") $figure bytes a record"
}

wear_once() {
  take_disk
  say "  written: by the ${written_by}"
  fresh_place
  "start_$1" gw
  # First until the log of the database has been through once: it is overwritten from then on, and grows no more.
  run_client "$1" "until the log goes round" fill --port "$port" --count 50000 --window 100
  wear_figures wear_100 20000 100
  # What is in the log now comes to the file with what follows: as much again of the kind that is measured.
  run_client "$1" "one at a time, before" fill --port "$port" --count 1000 --window 1
  wear_figures wear_1 4000 1
  stop_all
  release_disk
  # One node on that disk receives four records a second from another.
  make_identities
  fresh_place
  take_disk
  "start_$1" gw-0
  dialled=$port
  dialled_pid=$pid
  if [ -n "$disk_root" ]; then
    disk_held=$disk_root
    disk_root=
  fi
  "start_$1" gw-1 "$tls_port"
  dialler=$port
  disk_root=${disk_held:-}
  client probe --from "$dialler" --to "$dialled" --qos 1 >/dev/null
  run_client "$1" "until the log goes round" fill --port "$dialled" --count 50000 --window 100
  before=$(written_bytes "$dialled_pid")
  run_client "$1" "4 records a second" latency --from "$dialler" --to "$dialled" --qos 1 --rate 4 --seconds 30
  record wear_receiving "$1" "$(awk "BEGIN { print ($(written_bytes "$dialled_pid") - $before) * 86400 / 31 / 1e6 }")"
  stop_all
  release_disk
}

latency_once() {
  for qos in 0 1; do
    fresh_place
    "start_$1" gw
    latency_figures "$1" "one_qos$qos" "$port" "$port" $qos
  done
}

mesh_once() {
  for qos in 0 1; do
    start_pair "$1"
    latency_figures "$1" "out_qos$qos" "$dialler" "$dialled" $qos
    latency_figures "$1" "in_qos$qos" "$dialled" "$dialler" $qos
  done
}

memory_once() {
  rm -rf "$work/mesh"
  fresh_place
  "start_$1" gw
  record_memory "$1" "$pid" alone
  run_acked "$1" "load for memory" 10
  record_memory "$1" "$pid" loaded
  start_pair "$1"
  record_memory "$1" "$dialler_pid" one_peer
  fresh_place
  peer_ports=
  peer_locals=
  for number in 1 2 3 4 5 6 7 8 9 10; do
    "start_$1" "gw-$number"
    peer_ports="$peer_ports $tls_port"
    peer_locals="$peer_locals $port"
  done
  # shellcheck disable=SC2086 # ports are words
  "start_$1" gw-0 $peer_ports
  for peer in $peer_locals; do client probe --from "$port" --to "$peer" --qos 1 >/dev/null; done
  record_memory "$1" "$pid" ten_peers
}

# Calls acked_once, catchup_once, flow_once, idle_once, latency_once, mesh_once, memory_once or wear_once for the systems in turns: measure NAME SYSTEM...
measure() {
  what=$1
  shift
  say "$what:"
  round=1
  while [ $round -le "$rounds" ]; do
    for system in "$@"; do "${what}_once" "$system"; done
    case $what in acked | mesh) sync_once ;; esac
    round=$((round + 1))
  done
  fresh_place
}

sync_once() {
  run_client disk "sync of this disk" sync --dir "$work"
  for figure in append_p50_us append_p99_us overwrite_p50_us; do record "sync_$figure" disk "$(value $figure)"; done
}

stripped_bytes() {
  strip -o "$work/stripped" "$1"
  wc -c <"$work/stripped"
}

# The libraries that a program loads, without what belongs to libc.
libraries() {
  ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' |
    grep -v -E '/(libc|libm|libpthread|libdl|librt|libresolv|ld-linux[^/]*)\.so' || true
}

size_once() {
  say "size:"
  for pair in "hedgerow $bin/hedgerowd" "mosquitto $mosquitto"; do
    system=${pair%% *}
    program=${pair#* }
    total=$(stripped_bytes "$program")
    record program_bytes "$system" "$total"
    for library in $(libraries "$program"); do
      bytes=$(wc -c <"$(readlink -f "$library")")
      say "  $system loads $library: $bytes bytes"
      total=$((total + bytes))
    done
    record all_bytes "$system" "$total"
    say "  $system: program $(stripped_bytes "$program"), with libraries other than libc $total bytes"
  done
}

# Milliseconds since some moment.
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

coldstart_once() {
  say "coldstart:"
  [ -x "$bin/hedgerow_store_bench" ] || sh "$root/cross-toolchains/build.sh" release hedgerow_store_bench >&2
  fresh_place
  mkdir "$work/now/gw"
  "$bin/hedgerow_store_bench" --fill "$work/now/gw" 1024 || die 1 "the database cannot be made: is there room for 1 GiB?"
  cat >"$work/now/gw.json" <<END
{ "mesh": "bench", "node": "gw", "data": "$work/now/gw",
  "listeners": [{ "name": "local", "address": "127.0.0.1:0", "tls": false }],
  "channels": [{ "name": "default", "filter": "#", "keep": { "age": "3650d", "size": "4GiB" } }] }
END
  round=1
  while [ $round -le "$rounds" ]; do
    sync "$work/now/gw/hedgerow.db"
    dd if="$work/now/gw/hedgerow.db" iflag=nocache count=0 2>/dev/null
    : >"$work/now/gw.log"
    begin=$(milliseconds)
    "$bin/hedgerowd" --config "$work/now/gw.json" >"$work/now/gw.log" 2>&1 &
    pid=$!
    running="$running $pid"
    until grep -q '^listening ' "$work/now/gw.log"; do
      alive $pid || die 1 "hedgerowd does not serve"
      sleep 0.01
    done
    took=$(($(milliseconds) - begin))
    record coldstart hedgerow "$((took * 1000))"
    say "  round $round  start with $(wc -c <"$work/now/gw/hedgerow.db") bytes: $took ms"
    stop_all
    round=$((round + 1))
  done
}

# --- the run -------------------------------------------------------------------------------------------------------

wanted() { [ -z "$only" ] || [ "$only" = "$1" ]; }
load_before=$(cut -d ' ' -f 1-3 /proc/loadavg)
disk=$(df -T "$work" | awk 'NR == 2 { print $2 }')
if [ "$disk" = tmpfs ]; then say "run.sh: $work is in memory, where a sync costs nothing: set TMPDIR to a disk"; fi

if wanted acked; then measure acked hedgerow mosquitto reflector; fi
if wanted catchup; then measure catchup hedgerow mosquitto; fi
if wanted flow; then measure flow hedgerow mosquitto; fi
if wanted idle; then measure idle hedgerow mosquitto; fi
if wanted latency; then measure latency hedgerow mosquitto reflector; fi
if wanted mesh; then measure mesh hedgerow mosquitto; fi
if wanted memory; then measure memory hedgerow mosquitto; fi
if wanted size; then size_once; fi
if wanted wear; then measure wear hedgerow; fi
if [ "$only" = coldstart ]; then coldstart_once; fi

processor=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
cores=$(getconf _NPROCESSORS_ONLN)
virtual=
if grep -q '^flags.* hypervisor' /proc/cpuinfo; then virtual=', a virtual machine that shares its host'; fi
cat <<END

$cores cores (${processor:-unknown processor}), Linux $(uname -r)$virtual. Load before $load_before,
after $(cut -d ' ' -f 1-3 /proc/loadavg). Data on $disk. Medians of $rounds rounds in turns; only ratios count.

Hedgerow: $("$bin/hedgerowd" --version | head -n 1), its defaults: every acknowledged publish is synced to the disk.
Mosquitto: $("$mosquitto" -h | head -n 1), persistence true (written at its end: it syncs nothing before it
acknowledges), max_queued_messages 0, max_inflight_messages 0, set_tcp_nodelay true; bridge: topic # both 1, TLS.
Client: MQTT 3.1.1, clean sessions, 64 B payloads unless another size is named.

END
awk -f "$bench/report.awk" "$results"
