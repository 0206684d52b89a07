#!/bin/sh
# Prints what `hedgerowd --licenses` says: collect-licences.sh LICENCES-DIR, which fetch-dependencies.sh filled.
set -eu
LC_ALL=C.UTF-8
export LC_ALL

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
texts=${1:?give the directory of the licence texts}

title() { printf '\n\n%s\n%s\n\n' "=== $* " "$(printf '%080d' 0 | tr 0 =)"; }

# Takes the paragraphs that begin with one of the lines given out of a Debian copyright file: stanzas FILE LINE...
stanzas() {
  file=$1
  shift
  for line in "$@"; do
    awk -v line="$line" 'BEGIN { RS = ""; ORS = "\n\n" } index($0, line "\n") == 1' "$texts/$file"
  done | sed 's/^ \.$//'
}

cat "$root/NOTICE"
title "Apache-2.0: Hedgerow, Mbed TLS"
cat "$root/LICENSE"
title "SQLite"
cat "$texts/sqlite"
title "MIT: cJSON"
cat "$texts/cjson"
title "BSD-3-Clause: Zstandard"
cat "$texts/zstd"
title "EPL-2.0: Eclipse Paho MQTT C"
stanzas paho-c 'Files: *' 'License: EPL-2.0'
title "EPL-2.0 (text above): Eclipse Paho MQTT C++"
stanzas paho-cpp 'Files: *'
title "BSL-1.0: Boost"
stanzas boost 'License: BSL-1.0'
title "CC0-1.0: tl::expected"
stanzas expected 'Files: *' 'License: CC0-1.0'
title "MIT: Microsoft GSL"
stanzas gsl 'Files: *' 'License: Expat'
title "libstdc++ and libgcc: GPL-3.0-or-later with this exception"
cat "$here/gcc-runtime-exception.txt"
