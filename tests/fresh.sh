#!/bin/sh
# Runs both commands of the README as a stranger would: in a fresh minimal Debian, as an ordinary user with sudo, in a
# clone of this checkout's HEAD. Needs root (for the root file system), about 10 GB under $TMPDIR, and time.
#
#   sudo sh tests/fresh.sh bookworm|trixie [--only demo|tests]
#
# The mirror, proxies and local certificate authorities are those of this machine. Nothing stays: mounts and processes
# live in namespaces of their own, which end with the run. The last lines tell the results; status 0 only if all passed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)

die() {
  status=$1
  shift
  echo "fresh.sh: $*" >&2
  exit "$status"
}

suite=${1:-}
case $suite in
  bookworm | trixie) ;;
  *) die 2 "name a suite: bookworm or trixie" ;;
esac
case ${2:-}${2:+ }${3:-} in
  '') commands='demo tests' ;;
  '--only demo') commands=demo ;;
  '--only tests') commands=tests ;;
  *) die 2 "after the suite comes nothing, '--only demo' or '--only tests'" ;;
esac
[ "$(id -u)" = 0 ] || die 2 "root is needed to make a root file system: sudo sh tests/fresh.sh $*"
sh "$root/cross-toolchains/install-packages.sh" fresh

mirror_of() {
  # shellcheck disable=SC2016 # apt expands it
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Label: $1" | head -n 1
}
mirror=${HEDGEROW_MIRROR:-$(mirror_of Debian)}
security=$(mirror_of Debian-Security)
[ -n "$mirror" ] || die 1 "apt knows no Debian mirror; run 'apt-get update' first or set HEDGEROW_MIRROR"

place=$(mktemp -d "${TMPDIR:-/tmp}/hedgerow-fresh-XXXXXX")
trap 'rm -rf --one-file-system "$place"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
fresh=$place/root
chmod 755 "$place"

# --- the root file system ------------------------------------------------------------------------------------------

echo "fresh.sh: making a minimal $suite"
{
  echo "deb $mirror $suite main"
  echo "deb $mirror $suite-updates main"
  if [ -n "$security" ]; then echo "deb $security $suite-security main"; fi
} >"$place/sources.list"
apt-config dump | grep '^Acquire::.*[Pp]roxy' >"$place/apt-proxy" || true
mmdebstrap --quiet --variant=minbase --mode=root --include=sudo,ca-certificates --aptopt="$place/apt-proxy" \
  "$suite" "$fresh" "$place/sources.list"

cp "$place/apt-proxy" "$fresh/etc/apt/apt.conf.d/90proxy"
cp -L /etc/resolv.conf /etc/hosts "$fresh/etc/"
if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
  cp /usr/local/share/ca-certificates/*.crt "$fresh/usr/local/share/ca-certificates/"
  chroot "$fresh" update-ca-certificates >/dev/null 2>&1
  export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
fi

user=stranger
home=/home/$user
chroot "$fresh" useradd --create-home --shell /bin/sh --uid 1000 $user
echo "$user ALL=(ALL) NOPASSWD: ALL" >"$fresh/etc/sudoers.d/$user"

# The checkout may belong to somebody else than root.
GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
  git clone --quiet --no-local "$root" "$fresh$home/hedgerow"
chroot "$fresh" chown -R $user:$user "$home/hedgerow"

# --- the commands --------------------------------------------------------------------------------------------------

# The stranger's environment: only what reaching the network takes is handed on.
set -- "HOME=$home" "USER=$user" "LOGNAME=$user" "PATH=/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8 TERM=dumb
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY NODE_EXTRA_CA_CERTS npm_config_registry; do
  value=$(printenv "$name" || true)
  if [ -n "$value" ]; then set -- "$@" "$name=$value"; fi
done

# Runs a command line as the stranger in the clone: as_stranger LINE ENVIRONMENT...
as_stranger() {
  line=$1
  shift
  # shellcheck disable=SC2016 # the inner shell expands it
  unshare --mount --pid --fork --kill-child --propagation private sh -eu -c '
    fresh=$1
    line=$2
    directory=$3
    shift 3
    mount -t proc proc "$fresh/proc"
    mount --rbind /sys "$fresh/sys"
    mount --rbind /dev "$fresh/dev"
    mount -t tmpfs tmpfs "$fresh/run"
    exec chroot --userspec=1000:1000 "$fresh" env -i "$@" sh -c "cd $directory && $line"
  ' fresh "$fresh" "$line" "$home/hedgerow" "$@"
}

report=
failed=no
for command in $commands; do
  case $command in
    demo) line='sh daemon/demo.sh --once' ;;
    tests) line='sh tests/run.sh' ;;
  esac
  echo "fresh.sh: $suite: $line"
  from=$(date +%s)
  if as_stranger "$line" "$@"; then
    result=passed
  else
    result=FAILED
    failed=yes
  fi
  took=$(($(date +%s) - from))
  report="$report$(printf 'fresh %s: %-26s %s in %d:%02d' "$suite" "$line" $result $((took / 60)) $((took % 60)))
"
done

printf '\n%s' "$report"
[ $failed = no ]
