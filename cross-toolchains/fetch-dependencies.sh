#!/bin/sh
# Fetches, verifies and builds Hedgerow's third-party libraries for one architecture, into a cache outside the checkout.
#
#   fetch-dependencies.sh --arch amd64|arm64|armhf [--cc CC] [--cxx CXX]    prints the directory that holds them
#   fetch-dependencies.sh --update-lock                                     rewrites dependencies.lock from the mirror
#
# Packages come from the Debian mirror that this machine already uses, suite trixie, signatures checked by apt, contents
# checked against dependencies.lock. Nothing is installed system-wide. The result lies in CACHE/deps/ARCH-KEY, where KEY
# covers everything that went in: lock, options, this script and its helpers, the compiler. It appears whole or not at
# all: built beside its final name, then renamed. The cache is $HEDGEROW_CACHE, else $XDG_CACHE_HOME/hedgerow, else
# ~/.cache/hedgerow. HEDGEROW_JOBS (default 2) bounds the parallelism, HEDGEROW_MIRROR overrides the mirror.
# Progress goes to standard error; exit status 0 done, 1 failed, 2 usage or a missing tool.
set -eu
umask 022
LC_ALL=C
export LC_ALL

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
lock=$here/dependencies.lock
mbedtls_config=$root/security/mbedtls_user_config.h
cache=${HEDGEROW_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or HEDGEROW_CACHE}/.cache}/hedgerow}
jobs=${HEDGEROW_JOBS:-2}
suite=trixie

sources="mbedtls sqlite3 cjson libzstd catch2"
binaries="libpaho-mqtt-dev libpaho-mqttpp-dev libboost1.83-dev libexpected-dev libmsgsl-dev"
architectures="amd64 arm64 armhf"

# Optimised for speed, then trimmed by the linker: every function is its own section.
c_flags="-O2 -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"

# The store gives each connection to one thread (THREADSAFE=2), asks for fdatasync, and loads no code from elsewhere.
sqlite_options="-DSQLITE_THREADSAFE=2 -DSQLITE_DQS=0 -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_LIKE_DOESNT_MATCH_BLOBS
  -DSQLITE_TEMP_STORE=2 -DSQLITE_TRUSTED_SCHEMA=0 -DSQLITE_USE_ALLOCA -DSQLITE_STRICT_SUBTYPE=1
  -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OMIT_DEPRECATED -DSQLITE_OMIT_SHARED_CACHE -DSQLITE_OMIT_DECLTYPE
  -DSQLITE_OMIT_JSON -DHAVE_FDATASYNC=1 -DHAVE_POSIX_FALLOCATE=1 -DHAVE_PREAD64=1 -DHAVE_PWRITE64=1
  -DHAVE_USLEEP=1 -DHAVE_LOCALTIME_R=1 -DHAVE_GMTIME_R=1 -DHAVE_MALLOC_USABLE_SIZE=1 -DHAVE_STRERROR_R=1
  -DSQLITE_OMIT_AUTHORIZATION -DSQLITE_OMIT_PROGRESS_CALLBACK -DSQLITE_OMIT_COMPLETE -DSQLITE_OMIT_TRACE
  -DSQLITE_OMIT_UTF16 -DSQLITE_OMIT_TCL_VARIABLE -DSQLITE_OMIT_GET_TABLE"
# What it is built from: of the compressors only the fastest (levels 1 and 2), one decoder, no dictionary builder, no
# threads, no old formats, no sentences for errors.
zstd_files="common/entropy_common common/error_private common/fse_decompress common/xxhash common/zstd_common
  compress/fse_compress compress/hist compress/huf_compress compress/zstd_compress compress/zstd_compress_literals
  compress/zstd_compress_sequences compress/zstd_compress_superblock compress/zstd_double_fast compress/zstd_fast
  compress/zstd_lazy compress/zstd_ldm compress/zstd_opt compress/zstd_preSplit
  decompress/huf_decompress decompress/zstd_ddict decompress/zstd_decompress decompress/zstd_decompress_block"
zstd_options="-DZSTD_LEGACY_SUPPORT=0 -DZSTD_STRIP_ERROR_STRINGS -DZSTD_NO_INLINE -DZSTD_NO_TRACE -DZSTD_DISABLE_ASM
  -DDYNAMIC_BMI2=0 -DHUF_FORCE_DECOMPRESS_X1 -DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT
  -DZSTD_EXCLUDE_DFAST_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_GREEDY_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_LAZY_BLOCK_COMPRESSOR
  -DZSTD_EXCLUDE_LAZY2_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_BTLAZY2_BLOCK_COMPRESSOR
  -DZSTD_EXCLUDE_BTOPT_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_BTULTRA_BLOCK_COMPRESSOR"
# The daemon's 4 MiB: SQLite waits for the disk, so size goes before speed. No exception passes through C.
no_unwind="-fno-asynchronous-unwind-tables -fno-unwind-tables"

say() { printf '%s\n' "hedgerow dependencies: $*" >&2; }
die() {
  status=$1
  shift
  say "error: $*"
  exit "$status"
}

# --- the mirror ----------------------------------------------------------------------------------------------------

# Prints the mirrors of this machine's own apt configuration for one label, most used first.
mirrors_labelled() {
  # shellcheck disable=SC2016 # apt expands it
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Label: $1" |
    sort | uniq -c | sort -rn | sed 's/^ *[0-9]* *//'
}

# Runs an apt tool on the private sources list; the first argument is the architecture.
private_apt() {
  apt_arch=$1
  apt_tool=$2
  shift 2
  set -- -qq -o "Dir::Etc::SourceList=$cache/apt/$apt_arch.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o "Dir::State::Lists=$cache/apt/$apt_arch/lists" -o "Dir::Cache=$cache/apt/$apt_arch/cache" \
    -o "APT::Architecture=$apt_arch" -o "APT::Architectures::=$apt_arch" \
    -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
  if [ "$(id -u)" = 0 ]; then set -- -o APT::Sandbox::User=root "$@"; fi
  "$apt_tool" "$@"
}

# Writes the private sources list for one architecture and reads the indexes, once a run.
apt_ready=
prepare_apt() {
  case " $apt_ready " in *" $1 "*) return ;; esac
  mirror=${HEDGEROW_MIRROR:-$(mirrors_labelled Debian | head -n 1)}
  security=$(mirrors_labelled Debian-Security | head -n 1)
  [ -n "$mirror" ] || die 1 "apt knows no Debian mirror on this machine (or has not read its indexes yet)." \
    "Run 'sudo apt-get update' and try again, or set HEDGEROW_MIRROR to the address of a Debian mirror."
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -r "$keyring" ] || die 2 "$keyring is missing. Run 'sudo apt-get install debian-archive-keyring'."

  mkdir -p "$cache/apt/$1/lists/partial" "$cache/apt/$1/cache/archives/partial"
  {
    for kind in deb deb-src; do
      echo "$kind [signed-by=$keyring] $mirror $suite main"
      if [ -n "$security" ]; then echo "$kind [signed-by=$keyring] $security $suite-security main"; fi
    done
  } >"$cache/apt/$1.list"
  say "reading the package indexes of $suite for $1"
  private_apt "$1" apt-get update >&2 ||
    say "warning: some package indexes could not be read; going on with the others"
  apt_ready="$apt_ready $1"
}

# Prints the version that the mirror offers now: candidate ARCH KIND NAME.
candidate() {
  if [ "$2" = source ]; then
    private_apt "$1" apt-cache showsrc --only-source "$3" 2>/dev/null | sed -n 's/^Version: //p' | sort -V | tail -n 1
  else
    private_apt "$1" apt-cache policy "$3" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -v '^(none)$' || true
  fi
}

# Downloads one package into the current directory: download ARCH KIND NAME VERSION.
download() {
  if [ "$2" = source ]; then
    private_apt "$1" apt-get source --download-only --only-source "$3=$4" >/dev/null
  else
    private_apt "$1" apt-get download "$3=$4" >/dev/null
  fi
}

# --- the lock ------------------------------------------------------------------------------------------------------

# Lines of the lock that concern one package: lock_lines KIND NAME ARCH.
lock_lines() { awk -v k="$1" -v n="$2" -v a="$3" '$1 == k && $2 == n && ($3 == a || $3 == "all")' "$lock"; }

update_lock() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  for arch in $architectures; do prepare_apt "$arch"; done
  {
    sed -n '/^#/p' "$lock"
    for name in $sources; do
      lock_package source "$name" all newer amd64
    done
    for name in $binaries; do
      case $name in
        libexpected-dev | libmsgsl-dev) lock_package binary "$name" all newer amd64 ;;
        libpaho-*) for arch in $architectures; do lock_package binary "$name" "$arch" exact "$arch"; done ;;
        *) for arch in $architectures; do lock_package binary "$name" "$arch" newer "$arch"; done ;;
      esac
    done
  } >"$work/lock"
  cp "$work/lock" "$lock"
  say "wrote $lock"
}

# Prints lock lines for what the mirror offers: lock_package KIND NAME LOCKED-ARCH POLICY APT-ARCH.
lock_package() {
  version=$(candidate "$5" "$1" "$2")
  [ -n "$version" ] || die 1 "the mirror offers no $2 for $5"
  mkdir "$work/$2-$3"
  (cd "$work/$2-$3" && download "$5" "$1" "$2" "$version")
  (cd "$work/$2-$3" && find . -maxdepth 1 -type f | sed 's|^\./||' | sort | xargs sha256sum) |
    while read -r sum file; do echo "$1 $2 $3 $version $4 $file $sum"; done
}

# --- fetching ------------------------------------------------------------------------------------------------------

# True iff every locked file of the package lies in DIRECTORY with its locked hash: verified KIND NAME DIRECTORY.
verified() {
  lock_lines "$1" "$2" "$arch" | (
    while read -r _ _ _ _ _ file sum; do
      [ -f "$3/$file" ] && [ "$(sha256sum <"$3/$file")" = "$sum  -" ] || exit 1
    done
  )
}

# Brings one package into $cache/downloads and sets "place" to the directory that holds it: fetch KIND NAME.
fetch() {
  locked=$(lock_lines "$1" "$2" "$arch" | head -n 1)
  [ -n "$locked" ] || die 1 "$here/dependencies.lock has no line for $1 $2 on $arch. Run '$0 --update-lock' and review the change."
  version=$(echo "$locked" | cut -d' ' -f4)
  policy=$(echo "$locked" | cut -d' ' -f5)
  place=$cache/downloads/$2-$(echo "$locked" | cut -d' ' -f3)-$version
  if verified "$1" "$2" "$place"; then return; fi

  prepare_apt "$arch"
  offered=$(candidate "$arch" "$1" "$2")
  [ -n "$offered" ] || die 1 "the mirror offers no package $2 for $arch in $suite, but the lock names $version." \
    "Is the mirror complete ($cache/apt/$arch.list)? If the package was renamed, adapt $0 and run it with --update-lock."
  if [ "$offered" != "$version" ]; then
    if dpkg --compare-versions "$offered" lt "$version"; then
      die 1 "the mirror offers $2 $offered, older than the locked $version: its indexes are behind." \
        "Try again later, or set HEDGEROW_MIRROR to another Debian mirror."
    elif [ "$policy" = exact ]; then
      die 1 "the mirror offers $2 $offered instead of the locked $version. Our TLS backend relies on private" \
        "structures of exactly that version: check security/paho_tls against the new one, then run '$0 --update-lock'."
    fi
    say "warning: $2 $offered is newer than the locked $version; using it. Run '$0 --update-lock' when it has proven good."
    place=$cache/downloads/$2-newer-$offered
  fi

  rm -rf "$place.partial" "$place"
  mkdir -p "$place.partial"
  say "fetching $2 $offered"
  (cd "$place.partial" && download "$arch" "$1" "$2" "$offered") ||
    die 1 "could not download $2 $offered. Check the network and the mirror in $cache/apt/$arch.list, then try again."
  if [ "$offered" = "$version" ] && ! verified "$1" "$2" "$place.partial"; then
    die 1 "$2 $version from the mirror differs from the locked SHA-256 (files in $place.partial)." \
      "Somebody changed a published package: do not use it. If the change is legitimate, run '$0 --update-lock'."
  fi
  mv "$place.partial" "$place"
}

unpack_source() {
  fetch source "$1"
  dpkg-source --no-check -x "$place"/*.dsc "$work/$1" >/dev/null 2>"$work/$1.log" ||
    die 1 "could not unpack $1: $(cat "$work/$1.log")"
}

unpack_binary() {
  fetch binary "$1"
  dpkg-deb -x "$place"/*.deb "$work/$1"
}

# --- building ------------------------------------------------------------------------------------------------------

# Runs a build step with its output in a log, which is shown when it fails: quietly NAME COMMAND...
quietly() {
  step=$1
  shift
  "$@" >"$work/$step.log" 2>&1 || {
    tail -n 40 "$work/$step.log" >&2
    die 1 "$step failed for $arch (log above). Is the compiler complete? '$cc' must compile and link C for $arch."
  }
}

# Each library gets a prefix of its own ($out/NAME), so that only its adapter can see its headers.

# Configures, builds and installs a CMake project: cmake_build NAME OPTION...
cmake_build() {
  name=$1
  shift
  cmake -G Ninja -S "$work/$name" -B "$work/$name-build" -DCMAKE_INSTALL_PREFIX="$out/$name" -DCMAKE_INSTALL_LIBDIR=lib \
    -DCMAKE_BUILD_TYPE=None -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" \
    -DCMAKE_C_FLAGS="$c_flags" -DCMAKE_CXX_FLAGS="$c_flags" "$@" &&
    cmake --build "$work/$name-build" -j "$jobs" && cmake --install "$work/$name-build"
}

# Compiles one file into an archive: archive NAME LIBRARY COMPILER SOURCE FLAG...
archive() {
  object=$work/$(basename "$4" | tr . -).o
  library=$out/$1/lib/lib$2.a
  compiler=$3
  input=$4
  shift 4
  # shellcheck disable=SC2086 # flags are words
  "$compiler" $c_flags "$@" -c "$input" -o "$object" && "$ar" rcs "$library" "$object"
}

build_mbedtls() {
  mkdir -p "$out/mbedtls/include"
  cp "$mbedtls_config" "$out/mbedtls/include/hedgerow_mbedtls_user_config.h"
  quietly mbedtls cmake_build mbedtls -DGEN_FILES=OFF -DENABLE_TESTING=OFF -DENABLE_PROGRAMS=OFF \
    -DMBEDTLS_USER_CONFIG_FILE="$out/mbedtls/include/hedgerow_mbedtls_user_config.h" -DCMAKE_C_FLAGS="$c_flags $no_unwind"
}

build_sqlite() {
  mkdir -p "$out/sqlite/include" "$out/sqlite/lib"
  (
    cd "$work/sqlite3"
    quietly sqlite-configure env CC=cc ./configure --disable-tcl
    quietly sqlite-amalgamation make sqlite3.c
  )
  # shellcheck disable=SC2086 # options are words
  quietly sqlite archive sqlite sqlite3 "$cc" "$work/sqlite3/sqlite3.c" $sqlite_options -Os $no_unwind
  cp "$work/sqlite3/sqlite3.h" "$out/sqlite/include/"
}

build_cjson() {
  mkdir -p "$out/cjson/include/cjson" "$out/cjson/lib"
  quietly cjson archive cjson cjson "$cc" "$work/cjson/cJSON.c"
  cp "$work/cjson/cJSON.h" "$out/cjson/include/cjson/"
}

build_zstd() {
  mkdir -p "$out/zstd/include" "$out/zstd/lib"
  # shellcheck disable=SC2086 # options are words
  for file in $zstd_files; do
    quietly zstd archive zstd zstd "$cc" "$work/libzstd/lib/$file.c" $zstd_options -Os $no_unwind
  done
  cp "$work/libzstd/lib/zstd.h" "$work/libzstd/lib/zstd_errors.h" "$out/zstd/include/"
}

build_catch2() {
  quietly catch2 cmake_build catch2 -DBUILD_TESTING=OFF -DCATCH_INSTALL_DOCS=OFF -DCMAKE_CXX_STANDARD=20
}

# Paho's archives as they are, and the functions that a newer libc or libstdc++ has and this one may lack.
take_paho() {
  mkdir -p "$out/paho/include" "$out/paho/lib"
  for name in libpaho-mqtt-dev libpaho-mqttpp-dev; do cp -R "$work/$name/usr/include/." "$out/paho/include/"; done
  cp "$work"/libpaho-mqtt-dev/usr/lib/*/libpaho-mqtt3as.a "$work"/libpaho-mqttpp-dev/usr/lib/*/libpaho-mqttpp3.a \
    "$out/paho/lib/"
  quietly compat archive paho hedgerow_isoc23 "$cc" "$compat/isoc23.c" -std=c11
  quietly compat archive paho hedgerow_ios_init "$cxx" "$compat/ios_init.cpp" -std=c++20
}

take_headers() {
  mkdir -p "$out/$1"
  mv "$work/$2/usr/include" "$out/$1/include"
}

take_licences() {
  mkdir -p "$out/licences"
  cp "$work/mbedtls/LICENSE" "$out/licences/mbedtls"
  cp "$work/sqlite3/LICENSE.md" "$out/licences/sqlite"
  cp "$work/cjson/LICENSE" "$out/licences/cjson"
  cp "$work/libzstd/LICENSE" "$out/licences/zstd"
  cp "$work/libpaho-mqtt-dev/usr/share/doc/libpaho-mqtt-dev/copyright" "$out/licences/paho-c"
  cp "$work/libpaho-mqttpp-dev/usr/share/doc/libpaho-mqttpp-dev/copyright" "$out/licences/paho-cpp"
  cp "$work/libboost1.83-dev/usr/share/doc/libboost1.83-dev/copyright" "$out/licences/boost"
  cp "$work/libexpected-dev/usr/share/doc/libexpected-dev/copyright" "$out/licences/expected"
  cp "$work/libmsgsl-dev/usr/share/doc/libmsgsl-dev/copyright" "$out/licences/gsl"
}

build_all() {
  work=$cache/deps/.work-$arch-$key
  out=$cache/deps/.partial-$arch-$key
  rm -rf "$work" "$out"
  mkdir -p "$work" "$out"
  for name in $sources; do unpack_source "$name"; done
  for name in $binaries; do unpack_binary "$name"; done
  say "building for $arch (about a minute, once)"
  build_mbedtls
  build_sqlite
  build_cjson
  build_zstd
  build_catch2
  take_paho
  take_headers boost libboost1.83-dev
  take_headers expected libexpected-dev
  take_headers gsl libmsgsl-dev
  take_licences
  mv "$out" "$result"
  rm -rf "$work"
  say "ready: $result"
}

# --- main ----------------------------------------------------------------------------------------------------------

arch=
cc=
cxx=
action=build
while [ $# -gt 0 ]; do
  case $1 in
    --arch) arch=${2:?--arch needs a value} && shift ;;
    --cc) cc=${2:?--cc needs a value} && shift ;;
    --cxx) cxx=${2:?--cxx needs a value} && shift ;;
    --update-lock) action=lock ;;
    *) die 2 "unknown option '$1'; see the top of $0" ;;
  esac
  shift
done

for tool in apt-get apt-cache dpkg-source dpkg-deb sha256sum flock cmake ninja make tclsh patch; do
  command -v "$tool" >/dev/null 2>&1 ||
    die 2 "'$tool' is missing. Run 'sudo sh cross-toolchains/install-packages.sh build' in the checkout."
done

if [ "$action" = lock ]; then
  update_lock
  exit 0
fi

case $arch in
  amd64) triplet=x86_64-linux-gnu ;;
  arm64) triplet=aarch64-linux-gnu ;;
  armhf) triplet=arm-linux-gnueabihf ;;
  *) die 2 "--arch must be one of: $architectures (found '$arch')" ;;
esac
if [ "$(dpkg --print-architecture)" = "$arch" ]; then prefix=; else prefix=$triplet-; fi
cc=${cc:-${prefix}gcc}
cxx=${cxx:-${prefix}g++}
ar=${prefix}ar
# Packages of trixie's armhf have a 64-bit time_t, and so must everything that is linked with them.
if [ "$arch" = armhf ]; then c_flags="$c_flags -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64"; fi
for tool in "$cc" "$cxx" "$ar"; do
  command -v "$tool" >/dev/null 2>&1 ||
    die 2 "'$tool' is missing. Run 'sudo sh cross-toolchains/install-packages.sh $arch' in the checkout."
done

# The key tells what is built: both see the files as they are now, whoever edits them meanwhile.
inputs=$(mktemp -d)
trap 'rm -rf "$inputs"' EXIT
cp -R "$lock" "$mbedtls_config" "$here/compat" "$inputs/"
lock=$inputs/$(basename "$lock")
mbedtls_config=$inputs/$(basename "$mbedtls_config")
compat=$inputs/compat
key=$({
  cat "$lock" "$mbedtls_config" "$0" "$compat"/*
  echo "$arch"
  for compiler in "$cc" "$cxx"; do
    "$compiler" -dumpmachine
    "$compiler" -v 2>&1 | tail -n 1
  done
} | sha256sum | cut -c 1-16)
result=$cache/deps/$arch-$key
mkdir -p "$cache/deps" "$cache/downloads"

if [ ! -d "$result" ]; then
  # One at a time: builds of several presets, or of several checkouts, share the cache.
  exec 9>"$cache/lock"
  flock -n 9 || {
    say "waiting for another run that fills $cache"
    flock 9
  }
  [ -d "$result" ] || build_all
fi
echo "$result"
