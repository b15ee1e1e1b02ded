#!/bin/sh
# Start charon in the foreground with its vici socket and log in the folder all containers share.
set -eu
run=/run/ipsec-conformance
sh /addresses.sh
rm -f "$run/$PEER_NAME.vici"
: > "$run/$PEER_NAME.log"
sed "s|@NAME@|$PEER_NAME|g" /usr/share/ipsec-conformance/strongswan.conf > /etc/strongswan.conf
exec charon-systemd
