#!/bin/sh
# Say which of ESP and AH this kernel refuses; the container's network namespace dies with it.
key=0x000102030405060708090a0b0c0d0e0f
state="ip xfrm state add src 192.0.2.1 dst 192.0.2.2 spi 0x1000 mode transport"
$state proto esp enc 'cbc(aes)' $key auth-trunc 'hmac(sha256)' $key 128 || { echo "no ESP"; exit 1; }
$state proto ah auth-trunc 'hmac(sha256)' $key 128 || { echo "no AH"; exit 1; }
