#!/bin/sh
# Serve the reference peer with its control socket and log in the folder all containers share.
set -eu
run=/run/ipsec-conformance
addresses.sh
rm -f "$run/$PEER_NAME.sock"
: > "$run/$PEER_NAME.log"
exec ipsec-conformance peer serve --address "10.77.0.$PEER_NUMBER" --inner "10.$((100 + PEER_NUMBER)).0.1" \
    --control "$run/$PEER_NAME.sock" --log "$run/$PEER_NAME.log"
