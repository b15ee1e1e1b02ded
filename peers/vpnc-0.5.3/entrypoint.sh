#!/bin/sh
# A client with nothing to serve: have the TUN device and the log, and wait for `connect`.
set -eu
sh /addresses.sh
mkdir -p /dev/net
[ -c /dev/net/tun ] || mknod /dev/net/tun c 10 200
: > "/run/ipsec-conformance/$PEER_NAME.log"
exec sleep infinity
