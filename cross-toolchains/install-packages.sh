#!/bin/sh
# Installs the Debian packages that a step needs and that are missing.
#
#   install-packages.sh GROUP...     groups: build demo compare bench tests fuzz arm64 armhf firmware fresh
#
# Root runs apt-get; anybody else goes through sudo; without either the exact line is printed and the status is 2.
# Nothing is done, and no right is needed, when everything is there. What counts is the command, not the package that
# brought it: a node or compiler from elsewhere is as good.
set -eu

say() { printf '%s\n' "hedgerow packages: $*" >&2; }

# Prints "COMMAND[|COMMAND...] PACKAGE" lines for a group; python:MODULE stands for a module of Debian's
# python3, file:PATH for a file.
needs() {
  case $1 in
    build)
      echo 'g++ g++'
      echo 'gcc gcc'
      echo 'make make'
      echo 'cmake cmake'
      echo 'ninja ninja-build'
      echo 'ccache ccache'
      echo 'dpkg-source dpkg-dev'
      echo 'patch patch'
      echo 'xz xz-utils'
      echo 'bzip2 bzip2'
      echo 'tclsh tcl'
      echo 'flock util-linux'
      ;;
    demo)
      needs build
      echo 'mosquitto_pub mosquitto-clients'
      ;;
    compare)
      needs demo
      echo 'mosquitto mosquitto'
      ;;
    bench)
      needs build
      echo 'mosquitto mosquitto'
      ;;
    tests)
      needs demo
      echo 'mosquitto mosquitto'
      echo 'node nodejs'
      echo 'npm npm'
      echo 'openssl openssl'
      echo 'python:paho.mqtt python3-paho-mqtt'
      echo 'update-ca-certificates ca-certificates'
      ;;
    fuzz)
      needs build
      echo 'clang++ clang'
      echo 'llvm-symbolizer llvm'
      ;;
    arm64)
      needs build
      echo 'aarch64-linux-gnu-g++ g++-aarch64-linux-gnu'
      echo 'ld.lld-19 lld-19'
      echo 'qemu-aarch64-static|qemu-aarch64 qemu-user-static'
      ;;
    armhf)
      needs build
      echo 'arm-linux-gnueabihf-g++ g++-arm-linux-gnueabihf'
      echo 'qemu-arm-static|qemu-arm qemu-user-static'
      ;;
    firmware)
      needs build
      echo 'arm-none-eabi-gcc gcc-arm-none-eabi'
      echo 'file:/usr/lib/arm-none-eabi/newlib/libc_nano.a|/usr/lib/arm-none-eabi/lib/libc_nano.a libnewlib-arm-none-eabi'
      echo 'qemu-system-arm qemu-system-arm'
      ;;
    fresh)
      echo 'mmdebstrap mmdebstrap'
      echo 'git git'
      ;;
    *)
      say "unknown group '$1': use build, demo, compare, bench, tests, fuzz, arm64, armhf, firmware or fresh"
      exit 2
      ;;
  esac
}

# True iff one of the commands in "a|b" exists. /usr/sbin is not on every user's path.
present() {
  case $1 in
    python:*)
      /usr/bin/python3 -c "import ${1#python:}" 2>/dev/null
      return
      ;;
    file:*)
      for path in $(echo "${1#file:}" | tr '|' ' '); do
        if [ -e "$path" ]; then return 0; fi
      done
      return 1
      ;;
  esac
  for command in $(echo "$1" | tr '|' ' '); do
    if PATH=$PATH:/usr/sbin:/sbin command -v "$command" >/dev/null 2>&1; then return 0; fi
  done
  return 1
}

# Prints the missing packages of the groups, each once.
missing() {
  for group in "$@"; do needs "$group"; done | sort -u | while read -r commands package; do
    present "$commands" || echo "$package"
  done | sort -u | tr '\n' ' '
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    say "root is needed for the following line. Run it yourself, then try again:"
    say "  $*"
    exit 2
  fi
}

[ $# -gt 0 ] || {
  say "name a group: build, demo, compare, bench, tests, fuzz, arm64, armhf, firmware or fresh"
  exit 2
}
for group in "$@"; do needs "$group" >/dev/null; done

packages=$(missing "$@")
# Without apt's indexes the mirror cannot be derived, so they are read even when no package is missing.
if [ -z "$packages" ] && [ -n "$(apt-get indextargets 'Created-By: Packages')" ]; then exit 0; fi

say "reading the package indexes"
as_root apt-get -qq update
[ -n "$packages" ] || exit 0

say "installing: $packages"
# shellcheck disable=SC2086 # packages are words
as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $packages >&2
left=$(missing "$@")
[ -z "$left" ] || {
  say "error: still missing after the installation: $left"
  exit 1
}
