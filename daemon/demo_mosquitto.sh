# Tells demo.sh's story to three Mosquittos that are joined by bridges, and prints what both lost. Sourced by demo.sh,
# whose functions it replaces where the two systems differ.
#
# The bridges are as mosquitto.conf(5) describes them for a store and forward: QoS 1 both ways, cleansession false,
# persistence on. They form a star around the barn, since bridged brokers in a ring send messages round for ever. All
# else is Mosquitto's default.
# shellcheck shell=sh

hedgerow_lost=$(lost)
hedgerow_acknowledged=$(wc -l <"$work/acknowledged")
for file in "$work"/*.pid; do
  name=${file##*/}
  stop "${name%.pid}" TERM
done
rm -rf "${work:?}"/*

system=Mosquitto
mosquitto=$(command -v mosquitto || echo /usr/sbin/mosquitto)
# It never gets equal again where something is lost; what comes, comes within seconds of the bridge's return.
catch_up_seconds=40

# Mosquitto cannot choose a port by itself. The relay can, and leaves it again.
free_port() {
  : >"$work/probe.out"
  start_relay probe 1
  relay_port probe
  stop probe TERM
}

port_of() { value "port-$1"; }

# start_node NAME [PORT-OF-BARN]
start_node() {
  name=$1
  mkdir -p "$work/$name"
  [ -f "$work/port-$name" ] || (free_port) >"$work/port-$name"
  {
    echo "listener $(value "port-$name") 127.0.0.1"
    echo 'allow_anonymous true'
    echo 'persistence true'
    echo "persistence_location $work/$name/"
    echo "user $(id -un)"
    if [ -n "${2:-}" ]; then
      echo "connection $name"
      echo "address 127.0.0.1:$2"
      echo 'topic readings/# both 1'
      echo 'cleansession false'
      echo 'restart_timeout 1'
    fi
  } >"$work/$name.conf"
  start "$name" "$mosquitto" -c "$work/$name.conf"
  tries=100
  until mosquitto_pub -h 127.0.0.1 -p "$(value "port-$name")" -t up -n 2>/dev/null; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fail "mosquitto of the $name does not start"
    sleep 0.05
  done
}

make_mesh() {
  start_node barn
  start_relay relay-barn "$(port_of barn)"
  relay_to_barn=$(relay_port relay-barn)
  start_node house "$(port_of barn)"
  start_node shed "$relay_to_barn"
  for name in $nodes; do
    timeout 10 mosquitto_sub -h 127.0.0.1 -p "$(port_of "$name")" -i "ledger-$name" -c -q 1 -t 'readings/#' -E ||
      fail "$name accepts no subscriber"
    start_subscriber "$name"
  done
}

cut_shed_off() { stop relay-barn TERM; }

mend() {
  start_relay relay-barn "$(port_of barn)" "$relay_to_barn"
  start_node house "$(port_of barn)"
}

# "default DIGEST 0": over the retained messages, which is all that can be compared.
channels() {
  digest=$(timeout 5 mosquitto_sub -h 127.0.0.1 -p "$(port_of "$1")" -t 'readings/#' --retained-only -W 1 \
    -F '%t %p' 2>/dev/null | sort | sha256sum | cut -d ' ' -f 1)
  say "default $digest 0"
}

links_up() { say -; }

tell_story
say ""
say "The same story: Hedgerow acknowledged $hedgerow_acknowledged readings, Mosquitto $(wc -l <"$work/acknowledged")."
say "Of these were never shown, on barn + house + shed:"
say ""
printf '%-10s %s\n' Hedgerow "$hedgerow_lost" Mosquitto "$(lost)"
if agree; then retained='the same'; else retained=different; fi
say ""
say "Retained messages on the three Mosquittos in the end: $retained."
