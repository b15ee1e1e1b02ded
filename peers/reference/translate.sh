#!/bin/sh
# The lab's NAT: what is routed over this host leaves from its one address, and from other ports.
# An initiator in front of which it shall stand reaches the responder over it; see the runner.
set -eu
echo 1 > /proc/sys/net/ipv4/ip_forward
for setting in /proc/sys/net/ipv4/conf/*; do
    echo 0 > "$setting/send_redirects"
    echo 0 > "$setting/rp_filter"
done
iptables-legacy -t nat -A POSTROUTING -p udp -j SNAT --to-source "$PEER_ADDRESS:20000-60000" --random
exec sleep infinity
