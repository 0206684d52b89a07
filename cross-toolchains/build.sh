#!/bin/sh
# Builds targets from a checkout on a machine that may lack everything but apt: what demo and tests have in common.
#
#   build.sh PRESET [TARGET...]      presets: dev release asan tsan fuzz arm64 armhf; without targets everything
#
# Installs missing packages, fetches the dependencies, configures, builds. The result lies in build/PRESET/bin.
# Exit status: 0 built, 1 failed, 2 usage or a package that could not be installed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
preset=${1:-}
case $preset in
  dev | release | asan | tsan) groups=build ;;
  fuzz | arm64 | armhf) groups=$preset ;;
  *)
    echo "build.sh: unknown preset '$preset': use dev, release, asan, tsan, fuzz, arm64 or armhf" >&2
    exit 2
    ;;
esac
shift

# shellcheck disable=SC2086 # groups are words
sh "$root/cross-toolchains/install-packages.sh" $groups

# One compilation serves every checkout on the machine.
CCACHE_BASEDIR=$root
CCACHE_NOHASHDIR=1
export CCACHE_BASEDIR CCACHE_NOHASHDIR

cd "$root"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cmake --preset "$preset" >"$log"; then
  cat "$log" >&2
  exit 1
fi
if [ $# -eq 0 ]; then set -- all; fi
cmake --build --preset "$preset" --target "$@"
