#!/bin/sh
# What holds for a program that we ship: check_binary.sh RULE PROGRAM, with NM and READELF naming the target's tools.
#
#   tls        nothing of OpenSSL is inside, and Paho's TLS functions are ours
#   libc       nothing but libc is linked dynamically, and no libc newer than 2.36 (Debian 12) is asked for
#   hardened   position independent, all relocations read-only before main, no executable stack, checked libc calls
#   size       at most 4 MiB when stripped
set -eu
LC_ALL=C
export LC_ALL

rule=$1
program=$2
nm=${NM:-nm}
readelf=${READELF:-readelf}
strip=${STRIP:-strip}

bad() {
  echo "$(basename "$program"): $*" >&2
  exit 1
}

case $rule in
  tls)
    openssl=$($nm "$program" | awk '{ print $NF }' |
      grep -E '^(SSL|SSLv23|TLS|EVP|X509|OPENSSL|CRYPTO|ERR|BIO|RAND|ASN1|PEM|OSSL)_' | grep -v '^SSLSocket_' || true)
    [ -z "$openssl" ] || bad "symbols of OpenSSL are inside: $openssl"
    $nm "$program" | grep -q ' T SSLSocket_connect$' || bad "our TLS backend for Paho is not inside"
    ;;
  libc)
    foreign=$($readelf -W -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
      grep -v -E '^(libc|libm|libpthread|libdl|librt)\.so\.[0-9]+$|^ld-linux' || true)
    [ -z "$foreign" ] || bad "linked dynamically: $foreign"
    newest=$($readelf -W --dyn-syms "$program" | grep -o 'GLIBC_2\.[0-9]*' | sed 's/GLIBC_2\.//' | sort -n | tail -n 1)
    # Built on Debian 13, a program may want Debian 13.
    host=$(getconf GNU_LIBC_VERSION | sed 's/.* 2\.//')
    [ "$newest" -le 36 ] || [ "$newest" -le "$host" ] || bad "wants GLIBC_2.$newest"
    ;;
  hardened)
    $readelf -W -h "$program" | grep -q 'Type:.*DYN' || bad "is not position independent"
    $readelf -W -l "$program" | grep -q 'GNU_RELRO' || bad "has no read-only relocations"
    $readelf -W -d "$program" | grep -q 'BIND_NOW' || bad "binds lazily"
    $readelf -W -l "$program" | grep 'GNU_STACK' | grep -q 'RWE' && bad "has an executable stack"
    $readelf -W --dyn-syms "$program" | grep -q '__stack_chk_fail' || bad "has no stack protector"
    $readelf -W --dyn-syms "$program" | grep -q '_chk@' || bad "makes no checked libc calls"
    ;;
  size)
    stripped=$(mktemp)
    trap 'rm -f "$stripped"' EXIT
    $strip -o "$stripped" "$program"
    bytes=$(wc -c <"$stripped")
    echo "$(basename "$program"): $bytes bytes when stripped"
    [ "$bytes" -le 4194304 ] || bad "is $bytes bytes when stripped, more than 4 MiB"
    ;;
  *) bad "unknown rule '$rule'" ;;
esac
