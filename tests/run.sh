#!/bin/sh
# Installs what is missing, builds, and runs Hedgerow's tests. What CI runs is this, without an argument.
#
#   run.sh             the whole matrix
#   run.sh --quick     release only: unit, contract, simulation
#   run.sh --long      the whole matrix with the slow cases everywhere, the kill loop for 500 kills (HEDGEROW_KILLS=N: for N),
#                      200 simulated years of a mesh of 7 nodes, 15,000 simulated power cuts, and 1,000 simulated nodes:
#                      a night, not a coffee
#
#   release        unit contract sim fuzz e2e, the kill loop and an arm64 daemon among amd64 ones included; and the
#                  simulator against deliberate faults
#   asan           unit contract sim fuzz and short e2e, under address and undefined behaviour sanitizers
#   tsan           contract and short e2e, under the thread sanitizer
#   arm64 armhf    all programs are built; unit runs under qemu
#   firmware       built for an emulated Cortex-M; runs in release's e2e
#
# Every stage is reported with its time; the status is 0 only if all passed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

mode=normal
case ${1:-} in
  '') ;;
  --quick) mode=quick ;;
  --long) mode=long ;;
  *)
    echo "run.sh: unknown argument '$1': use --quick, --long or nothing" >&2
    exit 2
    ;;
esac

jobs=$(getconf _NPROCESSORS_ONLN)
begin=$(date +%s)
report=
failed=no

# "slow" cases run in release; elsewhere only in a long run.
short='-LE slow'
if [ "$mode" = long ]; then
  short=
  HEDGEROW_LONG=1
  export HEDGEROW_LONG
fi

minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# Runs one stage, notes its result and time, and returns its result: stage NAME COMMAND...
stage() {
  name=$1
  shift
  printf '\n--- %s\n' "$name"
  from=$(date +%s)
  if "$@"; then result=passed; else result=FAILED; fi
  took=$(($(date +%s) - from))
  report="$report$(printf '%-44s %-7s %6s' "$name" "$result" "$(minutes $took)")
"
  printf -- '--- %s: %s in %s\n' "$name" "$result" "$(minutes $took)"
  if [ "$result" = FAILED ]; then
    failed=yes
    return 1
  fi
}

build() { stage "$1: build" sh cross-toolchains/build.sh "$@"; }

# check PRESET WHAT CTEST-OPTION...
check() {
  preset=$1
  what=$2
  shift 2
  if ! stage "$preset: $what" ctest --preset "$preset" "$@"; then
    # ctest writes its list as "number:name", and none when it could not begin.
    failures="build/$preset/Testing/Temporary/LastTestsFailed.log"
    if [ -f "$failures" ]; then
      report="$report$(sed 's/^[0-9]*:/  failed: /' "$failures")
"
    fi
  fi
}

finish() {
  printf '\n%s' "$report"
  printf '%-44s %-7s %6s\n' total "$(if [ $failed = yes ]; then echo FAILED; else echo passed; fi)" \
    "$(minutes $(($(date +%s) - begin)))"
  [ $failed = no ]
  exit
}

ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
LSAN_OPTIONS=suppressions=$root/tests/support/leaks.supp:print_suppressions=0
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
export ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

if [ "$mode" = quick ]; then
  if build release; then
    check release 'unit, contract, sim' -j "$jobs" -L '^(unit|contract|sim)$'
  fi
  finish
fi

stage 'packages' sh cross-toolchains/install-packages.sh tests arm64 armhf firmware || finish
stage 'foreign clients' sh tests/e2e/install-clients.sh || finish
HEDGEROW_NODE_MODULES=$(sh tests/e2e/install-clients.sh)
export HEDGEROW_NODE_MODULES

# For an emulated Cortex-M; what it prints are the sizes on others.
build_firmware() {
  cmake -S firmware-shim/examples/mps2_an385 -B build/firmware --toolchain "$root/cross-toolchains/arm-none-eabi.cmake" \
    >/dev/null && cmake --build build/firmware
}
firmware=no
if stage 'firmware: build' build_firmware; then firmware=yes; fi

arm64=no
for preset in arm64 armhf; do
  if build $preset; then
    if [ $preset = arm64 ]; then arm64=yes; fi
    check $preset 'unit' -j "$jobs" -L unit
  fi
done

if build release; then
  check release 'unit, contract, sim, fuzz' -j "$jobs" -LE e2e
  stage 'release: deliberate faults are caught' sh tests/sim/mutations.sh || true
  if [ "$mode" = long ]; then
    stage 'release: 200 simulated years' timeout 7200 build/release/bin/hedgerow-sim --nodes 7 --hours 8760 --seeds 200 || true
    stage 'release: 15,000 simulated power cuts' timeout 7200 build/release/bin/hedgerow-sim --nodes 2 --power-cuts 15000 || true
    stage 'release: 1,000 simulated nodes' timeout 7200 build/release/bin/hedgerow-sim --scale --nodes 1000 || true
  fi
  if [ $arm64 = yes ]; then
    HEDGEROW_ARM64_BIN_DIR=$root/build/arm64/bin
    HEDGEROW_QEMU_ARM64="$(command -v qemu-aarch64-static || command -v qemu-aarch64) -L /usr/aarch64-linux-gnu"
    export HEDGEROW_ARM64_BIN_DIR HEDGEROW_QEMU_ARM64
  fi
  if [ $firmware = yes ]; then
    HEDGEROW_FIRMWARE=$root/build/firmware/thing.elf
    export HEDGEROW_FIRMWARE
  fi
  check release 'e2e' -L e2e
  unset HEDGEROW_ARM64_BIN_DIR HEDGEROW_QEMU_ARM64 HEDGEROW_FIRMWARE
fi

if build asan; then
  # shellcheck disable=SC2086 # options are words
  check asan 'unit, contract, sim, fuzz' -j "$jobs" -LE "e2e${short:+|slow}"
  # shellcheck disable=SC2086
  check asan 'short e2e' -L e2e $short
fi

if build tsan hedgerowd hedgerow tests-contract tests-e2e; then
  # shellcheck disable=SC2086
  check tsan 'contract' -j "$jobs" -L contract $short
  # shellcheck disable=SC2086
  check tsan 'short e2e' -L e2e $short
fi

finish
