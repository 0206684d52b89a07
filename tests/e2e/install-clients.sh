#!/bin/sh
# Installs the JavaScript clients of package.json, as package-lock.json pins them, into the cache outside the checkout,
# and prints their node_modules directory. Needs node 18 or later and npm; asks the registry only once a lock file.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${HEDGEROW_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or HEDGEROW_CACHE}/.cache}/hedgerow}
key=$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -c 1-16)
result=$cache/node/$key

if [ ! -d "$result" ]; then
  major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
  if [ "$major" -lt 18 ]; then
    echo "install-clients.sh: node $(node --version) is too old; install node 18 or later (Debian 12 has it)" >&2
    exit 2
  fi
  mkdir -p "$cache/node"
  partial=$(mktemp -d "$cache/node/.partial-XXXXXX")
  trap 'rm -rf "$partial"' EXIT
  cp "$here/package.json" "$here/package-lock.json" "$partial/"
  # Without scripts: nothing that a package brings runs at installation.
  npm ci --prefix "$partial" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || {
    echo "install-clients.sh: npm could not install the clients; check the network and npm's registry setting" >&2
    exit 1
  }
  chmod 755 "$partial"
  # Another run may have been faster: then its result serves as well.
  mv -T "$partial" "$result" 2>/dev/null || [ -d "$result" ]
fi
echo "$result/node_modules"
