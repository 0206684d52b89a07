#!/bin/sh
# Proves that the simulator bites: builds it with one deliberate fault at a time in the production code, and runs seeds
# until it is caught.
#
#   mutations.sh [--preset PRESET] [--jobs N] [NAME...]     default: release, as many jobs as cores, all faults
#
# A fault is mutations/NAME.diff: a unified diff, and on top of it "Rule:", the sentence that it breaks, and perhaps
# "Run:", the simulator's arguments in place of the usual ones ($usual). It is applied to copies of the files that it changes,
# never to the checkout; what includes them is compiled anew and linked in front of the libraries that are there.
# Exit status: 0 every fault was caught and the program without one holds, 1 not so, 2 usage.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
mutations=$root/tests/sim/mutations
usual='--nodes 3 --steps 200'
seeds_max=2000
seconds_max=600

preset=release
jobs=$(getconf _NPROCESSORS_ONLN)
one=
while [ $# -gt 0 ]; do
  case $1 in
    --preset) preset=$2 && shift 2 ;;
    --jobs) jobs=$2 && shift 2 ;;
    --one) one=$2 && shift 2 ;; # by this script: one fault, built and run
    -*)
      echo "mutations.sh: unknown argument '$1': use --preset, --jobs or names of faults" >&2
      exit 2
      ;;
    *) break ;;
  esac
done
build=$root/build/$preset
work=$build/mutations

arguments_of() {
  arguments=$(sed -n 's/^Run: //p' "$1")
  echo "${arguments:-$usual}"
}

# say WORD TEXT: the line of the fault at hand, and how it went.
say() { printf '%-9s %-44s %4s s  %s\n' "$1" "$one" "$(($(date +%s) - from))" "$2"; }

# Compiles FILE of the checkout with the fault, to FILE.o.
compile() {
  line=$(grep -F -e " -c $root/$1" "$work/commands" | sed -e 's/ -MD -MT [^ ]* -MF [^ ]*//' -e "s# -o [^ ]*# -o $dir/$1.o#" \
    -e "s# -I$root# -w -I$dir&#" -e 's/ -Werror//' -e 's/ -O2 / -O0 /')
  if [ -f "$dir/$1" ]; then line=$(echo "$line" | sed "s# -c $root/# -c $dir/#"); fi
  mkdir -p "$dir/$(dirname "$1")"
  (cd "$build" && eval "$line")
}

# The sources of the simulator that include HEADER, by way of other headers as well.
includers_of() {
  headers=$1
  queue=$1
  while [ -n "$queue" ]; do
    users=
    for header in $queue; do
      for user in $(cd "$root" && grep -rlF --include='*.hpp' "#include \"$header\"" daemon sync tests); do
        case " $headers " in
          *" $user "*) ;;
          *)
            headers="$headers $user"
            users="$users $user"
            ;;
        esac
      done
    done
    queue=$users
  done
  patterns=$(printf '#include "%s"\n' $headers)
  grep -F " -c $root/" "$work/commands" | sed "s#.* -c $root/##" | (cd "$root" && xargs grep -lF "$patterns")
}

run_one() {
  from=$(date +%s)
  fault=$mutations/$one.diff
  dir=$work/$one
  rm -rf "$dir"
  sources=
  # shellcheck disable=SC2013 # names are words
  for file in $(sed -n 's/^+++ b\///p' "$fault"); do
    mkdir -p "$dir/$(dirname "$file")"
    cp "$root/$file" "$dir/$file"
    case $file in
      *.cpp) sources="$sources $file" ;;
      *) sources="$sources $(includers_of "$file" | tr '\n' ' ')" ;;
    esac
  done
  if ! patch -d "$dir" -p1 -s -f -F0 --no-backup-if-mismatch <"$fault" >"$dir/log" 2>&1; then
    say STALE "it no longer applies: $(head -n 1 "$dir/log")"
    return 1
  fi
  objects=
  # shellcheck disable=SC2086 # names are words
  for file in $(printf '%s\n' $sources | sort -u); do
    if ! compile "$file" >"$dir/log" 2>&1; then
      say STALE "it no longer compiles: $(grep -m 1 error "$dir/log")"
      return 1
    fi
    objects="$objects $dir/$file.o"
  done
  line=$(tail -n 1 "$work/commands" | sed "s# [^ ]*\.o -o bin/hedgerow-sim#$objects& #" | sed "s# -o bin/hedgerow-sim# -o $dir/hedgerow-sim#")
  if ! (cd "$build" && eval "$line") >"$dir/log" 2>&1; then
    say STALE "it no longer links: $(grep -m 1 error "$dir/log")"
    return 1
  fi
  status=0
  # shellcheck disable=SC2046 # arguments are words
  timeout $seconds_max "$dir/hedgerow-sim" $(arguments_of "$fault") --seeds $seeds_max >"$dir/log" 2>&1 || status=$?
  # shellcheck disable=SC2086 # names are words
  rm -f "$dir/hedgerow-sim" $objects
  case $status in
    0) say SURVIVED "$(arguments_of "$fault") --seeds $seeds_max" && return 1 ;;
    1)
      sed -n 's/^VIOLATION after \([0-9]*\) seeds: .*/\1/p' "$dir/log" >"$dir/seed"
      say caught "$(sed -n 's/^VIOLATION after \([0-9]*\) seeds: /seed \1: /p' "$dir/log" | cut -c 1-200)"
      ;;
    2 | 124) say SURVIVED "no verdict: $(tail -n 1 "$dir/log")" && return 1 ;;
    *) say caught "the program ended itself with status $status: $(tail -n 1 "$dir/log" | cut -c 1-160)" ;;
  esac
}

if [ -n "$one" ]; then
  run_one
  exit
fi

cd "$root"
if [ $# -eq 0 ]; then
  for fault in "$mutations"/*.diff; do set -- "$@" "$(basename "$fault" .diff)"; done
fi
for name in "$@"; do
  if [ ! -f "$mutations/$name.diff" ]; then
    echo "mutations.sh: there is no tests/sim/mutations/$name.diff" >&2
    exit 2
  fi
done
cmake --build --preset "$preset" --target hedgerow-sim >/dev/null
mkdir -p "$work"
ninja -C "$build" -t commands hedgerow-sim >"$work/commands"
CCACHE_BASEDIR=$root
CCACHE_NOHASHDIR=1
export CCACHE_BASEDIR CCACHE_NOHASHDIR

failed=no
printf '%s\n' "$@" | xargs -n 1 -P "$jobs" sh "$0" --preset "$preset" --one || failed=yes

# The program without a fault holds for every seed that it took.
for name in "$@"; do
  if [ -f "$work/$name/seed" ]; then echo "$(cat "$work/$name/seed") $(arguments_of "$mutations/$name.diff")"; fi
done | sort -rn | awk '{ seeds = $1; $1 = "" } !($0 in seen) { seen[$0]; print $0 " --seeds " seeds }' >"$work/runs"
one='(none)'
while read -r arguments; do
  from=$(date +%s)
  # shellcheck disable=SC2086 # arguments are words
  if said=$("$build/bin/hedgerow-sim" $arguments </dev/null); then
    say holds "$arguments"
  else
    say FAILED "$said"
    failed=yes
  fi
done <"$work/runs"
[ $failed = no ]
