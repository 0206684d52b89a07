#!/bin/sh
# Unpacks the sources of mbedTLS that the daemon is built from, for firmware that seals its messages, and prints the folder.
# They come from what fetch-dependencies.sh has fetched and verified, and lie in CACHE/sources.
# Exit status 0 done, 1 failed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${HEDGEROW_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or HEDGEROW_CACHE}/.cache}/hedgerow}
version=$(sed -n 's/^source mbedtls all \([^ ]*\) .*/\1/p' "$here/dependencies.lock" | head -n 1)

find_download() {
  for place in "$cache/downloads/mbedtls-all-$version" "$cache"/downloads/mbedtls-newer-*; do
    if [ -d "$place" ]; then return 0; fi
  done
  return 1
}
find_download || {
  libraries=$(sh "$here/fetch-dependencies.sh" --arch "$(dpkg --print-architecture)")
  find_download || {
    echo "mbedtls-sources: the sources are gone from $cache/downloads; remove $libraries, then run this again" >&2
    exit 1
  }
}
result=$cache/sources/$(basename "$place")
if [ ! -d "$result" ]; then
  mkdir -p "$cache/sources"
  partial=$(mktemp -d "$cache/sources/.partial.XXXXXX")
  trap 'rm -rf "$partial"' EXIT
  dpkg-source --no-check -x "$place"/*.dsc "$partial/mbedtls" >/dev/null
  # Another run may have been faster; then this one's copy is not needed.
  mv -T "$partial/mbedtls" "$result" 2>/dev/null || [ -d "$result" ]
fi
echo "$result"
