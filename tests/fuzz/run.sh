#!/bin/sh
# Builds the fuzz targets with clang's libFuzzer, under address and undefined behaviour sanitizers, and runs them.
#
#   run.sh [--seconds N] [--keep] [TARGET...]      N: for each target, 60 unless given; without TARGET all of them
#
# What is found grows in build/fuzz/corpus and is used again; an input that breaks a target is left in
# build/fuzz/broken, and named. --keep adds to the committed corpus (tests/fuzz/corpus) a few inputs that reach
# what it does not reach yet, none above 1 KiB; what is committed is replayed by the normal tests.
# Memory is bounded to 2 GiB and an input to 10 s. Exit status: 0 clean, 1 broken, 2 usage or a missing package.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
committed=$root/tests/fuzz/corpus
grown=$root/build/fuzz/corpus
broken=$root/build/fuzz/broken
bin=$root/build/fuzz/bin

seconds=60
keep=no
targets=
while [ $# -gt 0 ]; do
  case $1 in
    --seconds)
      seconds=${2:-}
      case $seconds in '' | *[!0-9]* | ??????*)
        echo "run.sh: --seconds is '$seconds': give a number below 100000" >&2
        exit 2
        ;;
      esac
      shift
      ;;
    --keep) keep=yes ;;
    fuzz_*) targets="$targets $1" ;;
    *)
      echo "run.sh: unknown argument '$1': use --seconds N, --keep or names of targets (fuzz_...)" >&2
      exit 2
      ;;
  esac
  shift
done

known=$(sed -n 's/^hedgerow_fuzz(\([a-z_]*\).*/\1/p' "$root/tests/fuzz/CMakeLists.txt")
for target in $targets; do
  echo "$known" | grep -qx "$target" || {
    echo "run.sh: no target '$target'; there are: $(echo $known)" >&2
    exit 2
  }
done
targets=${targets:-$known}

# shellcheck disable=SC2086 # targets are words
sh "$root/cross-toolchains/build.sh" fuzz $targets

ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export ASAN_OPTIONS UBSAN_OPTIONS
status=0
for target in $targets; do
  mkdir -p "$grown/$target" "$broken" "$committed/$target"
  printf '\n--- %s, %s s\n' "$target" "$seconds"
  if "$bin/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix="$broken/$target-" "$grown/$target" "$committed/$target" >"$broken/$target.log" 2>&1; then
    grep -E '^(Done|stat::(number_of_executed_units|peak_rss_mb))' "$broken/$target.log"
  else
    status=1
    tail -n 40 "$broken/$target.log" >&2
    echo "run.sh: $target is broken; its inputs: $(ls "$broken" | grep "^$target-" | tr '\n' ' ')in $broken" >&2
  fi
  if [ $keep = yes ]; then
    "$bin/$target" -set_cover_merge=1 -use_counters=0 -max_len=1024 -timeout=10 "$committed/$target" "$grown/$target" >"$broken/$target.merge.log" 2>&1
    echo "corpus: $(ls "$committed/$target" | wc -l) files, $(du -sk "$committed/$target" | cut -f 1) KiB"
  fi
done
exit $status
