#!/bin/sh
# Give this container its addresses: outside one for each slot and family, inside whole networks.
# A whole network of IPv6 lets nobody bind to its addresses, unless that is allowed to all.
# PEER_NUMBER and PEER_SLOTS come from the lab; see conformance/lab/addresses.py.
echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind
{
    slot=1
    while [ "$slot" -le "$PEER_SLOTS" ]; do
        echo "address replace 10.77.$PEER_NUMBER.$slot/16 dev eth0"
        echo "address replace fd77::$PEER_NUMBER:$slot/64 dev eth0 nodad"
        slot=$((slot + 1))
    done
    echo "route replace local 10.$((100 + PEER_NUMBER)).0.0/16 dev lo"
    echo "route replace local fd78:$PEER_NUMBER::/32 dev lo"
} | ip -batch -
