#!/bin/sh
# Say which of ESP and AH this kernel refuses; the container's network namespace dies with it.
key=0x000102030405060708090a0b0c0d0e0f
add() {
    protocol=$1
    shift
    ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto "$protocol" spi 0x1000 mode transport "$@"
}
add esp enc 'cbc(aes)' $key auth-trunc 'hmac(sha256)' $key 128 || { echo "no ESP" >&2; exit 1; }
add ah auth-trunc 'hmac(sha256)' $key 128 || { echo "no AH" >&2; exit 1; }
