#!/bin/sh
# Shows a mesh on one machine: three nodes on loopback, fed with this machine's own readings by mosquitto_pub. One node
# is cut off, another is killed, feeding goes on, both come back, and in the end all three must hold the same.
#
#   sh daemon/demo.sh           builds, tells the story, then goes on feeding until Ctrl-C
#   sh daemon/demo.sh --once    ends after the story: status 0 only if all nodes agree and no acknowledged reading is
#                               missing on any of them
#   sh daemon/demo.sh --compare   the same, then tells the story to three bridged Mosquittos (demo_mosquitto.sh), and
#                               prints what each lost
#
# A reading counts as acknowledged when its mosquitto_pub exited with 0. HEDGEROW_BIN_DIR names a directory with the
# programs already built; nothing is installed or built then.
# Exit status: 0 done, 1 failed, 2 usage or a package that could not be installed.
set -eu

usage() {
  sed -n '2,14s/^# \{0,1\}//p' "$0"
}

once=false
compare=false
case ${1:-} in
  '') ;;
  --once) once=true ;;
  --compare) compare=true once=true ;;
  -h | --help) usage && exit 0 ;;
  *) usage >&2 && exit 2 ;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
nodes='barn house shed'
act_rounds=10 # of feeding, in each part of the story
catch_up_seconds=60

# --- the programs --------------------------------------------------------------------------------------------------

if [ -n "${HEDGEROW_BIN_DIR:-}" ]; then
  bin=$HEDGEROW_BIN_DIR
else
  if $compare; then group=compare; else group=demo; fi
  sh "$root/cross-toolchains/install-packages.sh" $group
  sh "$root/cross-toolchains/build.sh" release hedgerowd hedgerow hedgerow-relay
  bin=$root/build/release/bin
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/hedgerow-demo.XXXXXX")
system=Hedgerow
is_terminal=false
if [ -t 1 ]; then is_terminal=true; fi

# --- processes -----------------------------------------------------------------------------------------------------

# start NAME COMMAND...: runs it in the background; its output goes to NAME.out and NAME.log.
start() {
  name=$1
  shift
  "$@" >>"$work/$name.out" 2>>"$work/$name.log" &
  echo $! >"$work/$name.pid"
}

# stop NAME SIGNAL: ends it and waits until it has ended.
stop() {
  pid=$(cat "$work/$1.pid")
  kill "-$2" "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  rm -f "$work/$1.pid"
}

is_running() { [ -f "$work/$1.pid" ]; }

clean_up() {
  trap - EXIT HUP INT TERM
  for file in "$work"/*.pid; do
    if [ -f "$file" ]; then kill -KILL "$(cat "$file")" 2>/dev/null || true; fi
  done
  wait 2>/dev/null || true
  rm -rf "$work"
  if $is_terminal; then printf '\033[?25h'; fi
}
trap clean_up EXIT
trap 'clean_up; exit 129' HUP
trap 'clean_up; exit 130' INT
trap 'clean_up; exit 143' TERM

fail() {
  say "$1"
  for name in $nodes; do
    if [ -s "$work/$name.log" ]; then
      say "  the last lines of $name:"
      tail -n 5 "$work/$name.log" | sed 's/^/    /'
    fi
  done
  exit 1
}

say() { printf '%s\n' "$*"; }

# wait_for FILE PATTERN [SECONDS]: prints the first matching line of the file once it is there.
wait_for() {
  tries=$((${3:-20} * 20))
  while [ $tries -gt 0 ]; do
    if line=$(grep -m 1 "$2" "$1" 2>/dev/null); then
      say "$line"
      return 0
    fi
    tries=$((tries - 1))
    sleep 0.05
  done
  return 1
}

# --- the mesh ------------------------------------------------------------------------------------------------------

value() { cat "$work/$1"; }
port_of() { sed -n "s/^listening $2 .*:\([0-9]*\)\$/\1/p" "$work/$1.log" | tail -n 1; }

# write_config NODE PEER...: on the ports that it had before, if any.
write_config() {
  name=$1
  shift
  peers=
  for peer in "$@"; do peers="$peers\"$peer\", "; done
  cat >"$work/$name.json" <<EOF
{
  "mesh": "demo", "node": "$name", "data": "$work/$name",
  "listeners": [
    { "name": "local", "address": "127.0.0.1:$(port_of "$name" local || true)", "tls": false },
    { "name": "mesh", "address": "127.0.0.1:$(port_of "$name" mesh || true)" },
  ],
  "peers": [$peers],
}
EOF
  # No port yet: any.
  sed 's/"127\.0\.0\.1:"/"127.0.0.1:0"/' "$work/$name.json" >"$work/$name.tmp"
  mv "$work/$name.tmp" "$work/$name.json"
}

start_node() {
  name=$1
  write_config "$@"
  mv "$work/$name.log" "$work/$name.past" 2>/dev/null || true
  : >"$work/$name.log"
  start "$name" "$bin/hedgerowd" --config "$work/$name.json"
  wait_for "$work/$name.log" '^listening mesh ' >/dev/null || fail "$name does not start"
}

# start_relay NAME TO_PORT
start_relay() {
  start "$1" "$bin/hedgerow-relay" --to "$2" ${3:+--listen "$3"}
  wait_for "$work/$1.out" '^listening ' >/dev/null || fail "the relay $1 does not start"
}
relay_port() { sed -n 's/^listening .*:\([0-9]*\)$/\1/p' "$work/$1.out" | tail -n 1; }

# The subscriber that counts what a node holds. Its session is persistent: it misses nothing while its node is down.
start_subscriber() {
  start "sub-$1" stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$(port_of "$1" local)" -i "ledger-$1" -c -q 1 \
    -t 'readings/#' -F '%p'
}

make_mesh() {
  "$bin/hedgerow" --data "$work/authority" mesh init demo >/dev/null
  for name in $nodes; do
    "$bin/hedgerow" --data "$work/authority" node add "$name" --out "$work/$name" >/dev/null
    : >"$work/$name.log"
  done
  start_node barn
  start_node house "127.0.0.1:$(port_of barn mesh)"
  start_relay relay-barn "$(port_of barn mesh)"
  start_relay relay-house "$(port_of house mesh)"
  relay_to_barn=$(relay_port relay-barn)
  relay_to_house=$(relay_port relay-house)
  start_node shed "127.0.0.1:$relay_to_barn" "127.0.0.1:$relay_to_house"
  for name in $nodes; do
    timeout 10 mosquitto_sub -h 127.0.0.1 -p "$(port_of "$name" local)" -i "ledger-$name" -c -q 1 -t 'readings/#' -E ||
      fail "$name accepts no subscriber"
    start_subscriber "$name"
  done
}

# --- readings ------------------------------------------------------------------------------------------------------

# Prints "KIND VALUE" lines: what this machine can tell about itself.
readings() {
  cut -d ' ' -f 1 /proc/loadavg | sed 's/^/load /'
  awk '/^MemAvailable:/ { print "memory_available_kib", $2 }' /proc/meminfo
  awk -F '[: ]+' 'NR > 2 { sub(/^ +/, ""); if ($1 != "lo") { received += $2; sent += $10 } }
    END { printf "network_received_bytes %.0f\nnetwork_sent_bytes %.0f\n", received, sent }' /proc/net/dev
  for sensor in /sys/class/thermal/thermal_zone*/temp; do
    [ -r "$sensor" ] || continue
    zone=${sensor%/temp}
    awk -v zone="${zone##*thermal_zone}" '{ printf "temperature_%s_celsius %.1f\n", zone, $1 / 1000 }' "$sensor" || true
  done
}

# feed NODE: publishes one of each kind there. What is a state is retained, what is a count is not.
feed() {
  port=$(port_of "$1" local)
  readings | while read -r kind reading; do
    number=$(($(value number) + 1))
    echo $number >"$work/number"
    retain=
    case $kind in
      load | memory* | temperature*) retain=-r ;;
    esac
    if timeout 10 mosquitto_pub -h 127.0.0.1 -p "$port" -q 1 $retain -t "readings/$1/$kind" \
      -m "{\"number\":$number,\"value\":$reading}" 2>>"$work/pub.log"; then
      echo $number >>"$work/acknowledged"
    fi
  done
}

# --- what the nodes hold -------------------------------------------------------------------------------------------

# held NODE: the numbers of the readings that its subscriber has seen, each once.
held() {
  sed -n 's/.*"number":\([0-9]*\).*/\1/p' "$work/sub-$1.out" | sort -u
}

# missing NODE: how many acknowledged readings it has not shown.
missing() {
  held "$1" >"$work/held"
  sort -u "$work/acknowledged" | comm -23 - "$work/held" | wc -l
}

# channels NODE: "NAME DIGEST BEHIND" of each of its channels; nothing when it does not answer.
channels() {
  "$bin/hedgerow" --data "$work/$1" status --json 2>/dev/null | sed 's/.*"channels":\[//' | sed 's/},{/}\
{/g' | sed -n 's/.*"name":"\([^"]*\)".*"digest":"\([^"]*\)".*"behind":\([0-9]*\).*/\1 \2 \3/p' || true
}

links_up() {
  "$bin/hedgerow" --data "$work/$1" status --json 2>/dev/null | sed 's/"channels".*//' | grep -o '"state":"up"' | wc -l
}

state_of() {
  if ! is_running "$1"; then
    echo 'killed'
  elif [ "$1" = shed ] && ! is_running relay-barn; then
    echo 'cut off'
  else
    echo 'in the mesh'
  fi
}

# show TITLE: the live table. On a terminal it stays in place.
show() {
  {
    say "$system: three nodes, one truth"
    say ""
    say "$1"
    say ""
    printf '%-7s %-12s %-6s %9s %8s %7s  %s\n' NODE STATE LINKS READINGS LACKING BEHIND DIGEST
    for name in $nodes; do
      if is_running "$name"; then
        channels "$name" >"$work/channels"
        behind=$(awk '{ sum += $3 } END { print sum + 0 }' "$work/channels")
        digest=$(awk '$1 == "default" { print substr($2, 1, 16) }' "$work/channels")
        links=$(links_up "$name")
      else
        behind=- digest=- links=-
      fi
      printf '%-7s %-12s %-6s %9d %8d %7s  %s\n' "$name" "$(state_of "$name")" "$links" "$(held "$name" | wc -l)" \
        "$(missing "$name")" "$behind" "$digest"
    done
    say ""
    say "acknowledged readings: $(wc -l <"$work/acknowledged")"
  } >"$work/table"
  if $is_terminal; then
    printf '\033[?25l\033[H'
    sed "s/\$/$(printf '\033[K')/" "$work/table"
    printf '\033[J'
  else
    sed -n '3,$p' "$work/table"
    say ""
  fi
}

# act TITLE NODE...: feeds these nodes for a part of the story. On a terminal slowly enough to be watched; elsewhere the
# table is shown once, at its end.
act() {
  title=$1
  shift
  round=0
  while [ $round -lt $act_rounds ]; do
    for name in "$@"; do feed "$name"; done
    round=$((round + 1))
    if $is_terminal; then
      show "$title"
      sleep 0.3
    elif [ $round -eq $act_rounds ]; then
      show "$title"
    fi
  done
}

# True iff every node shows the same digest for every channel. Leaves what it compared in digests-NODE.
agree() {
  for name in $nodes; do channels "$name" | cut -d ' ' -f 1,2 >"$work/digests-$name"; done
  [ -s "$work/digests-barn" ] || return 1
  for name in $nodes; do cmp -s "$work/digests-barn" "$work/digests-$name" || return 1; done
}

nothing_missing() {
  for name in $nodes; do
    [ "$(missing "$name")" -eq 0 ] || return 1
  done
}

wait_until_equal() {
  end=$(($(date +%s) + catch_up_seconds))
  until agree && nothing_missing; do
    if [ "$(date +%s)" -ge $end ]; then return 1; fi
    if $is_terminal; then show "$1"; fi
    sleep 0.2
  done
}

# --- the story -----------------------------------------------------------------------------------------------------

# Leaves verdict: 0 when all nodes agree and none lacks an acknowledged reading.
tell_story() {
  : >"$work/acknowledged"
  echo 0 >"$work/number"
  if $is_terminal; then printf '\033[2J'; fi
  say "making three nodes in $work"
  make_mesh
  wait_until_equal "1. The mesh forms." || fail "The nodes do not find each other."

  act "1. Each node is fed locally; each shows what all were given." barn house shed

  cut_shed_off
  act "2. The shed is cut off. It goes on working by itself." barn house shed

  stop house KILL
  act "3. The house is killed with SIGKILL. Barn and shed are fed." barn shed

  mend
  title="4. The wire is mended, the house is back. They catch up."
  act "$title" barn
  verdict=0
  wait_until_equal "$title" || verdict=1
  show "5. The end of the story."
}

cut_shed_off() {
  stop relay-barn TERM
  stop relay-house TERM
}

mend() {
  start_relay relay-barn "$(port_of barn mesh)" "$relay_to_barn"
  start_relay relay-house "$(port_of house mesh)" "$relay_to_house"
  start_node house "127.0.0.1:$(port_of barn mesh)"
}

# "BARN + HOUSE + SHED" readings that were acknowledged and that a node's subscriber never showed.
lost() { say "$(missing barn) + $(missing house) + $(missing shed)"; }

tell_story
say ""
say "CHANNEL    DIGEST ON EACH NODE"
for name in $nodes; do sed "s/^/$name /" "$work/digests-$name"; done | sort -k 2,2 -s |
  awk '{ printf "%-10s %-6s %s\n", ($2 == last ? "" : $2), $1, substr($3, 1, 56); last = $2 }'
say ""
if [ $verdict -ne 0 ]; then
  fail "FAILED: the nodes do not agree, or an acknowledged reading is missing, after $catch_up_seconds s."
fi
say "PASSED: all digests agree, and no node lacks one of $(wc -l <"$work/acknowledged") acknowledged readings."

if $compare; then
  # shellcheck source=daemon/demo_mosquitto.sh
  . "$root/daemon/demo_mosquitto.sh"
  exit 0
fi
if $once; then exit 0; fi
say "Feeding goes on until Ctrl-C."
sleep 5
while :; do
  act "Each node is fed locally; each shows what all were given. Ctrl-C ends." barn house shed
done
