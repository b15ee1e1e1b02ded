#!/bin/sh
# Start pluto in the foreground with its log in the folder all containers share.
set -eu
run=/run/ipsec-conformance
sh /addresses.sh
: > "$run/$PEER_NAME.log"
sed "s|@NAME@|$PEER_NAME|g" /usr/share/ipsec-conformance/ipsec.conf > /etc/ipsec.conf
install -m 600 /usr/share/ipsec-conformance/ipsec.secrets /etc/ipsec.secrets
install -m 600 /usr/share/ipsec-conformance/passwd /etc/ipsec.d/passwd
mkdir -p /run/pluto
rm -f /run/pluto/pluto.pid /run/pluto/pluto.ctl
[ -e /var/lib/ipsec/nss/cert9.db ] || ipsec initnss
exec ipsec pluto --config /etc/ipsec.conf --nofork
