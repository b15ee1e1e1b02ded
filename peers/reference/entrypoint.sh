#!/bin/sh
# Serve the reference peer with its control socket and log in the folder all containers share.
set -eu
run=/run/ipsec-conformance
ip address replace "$PEER_INNER_ADDRESS/32" dev lo
rm -f "$run/$PEER_NAME.sock"
: > "$run/$PEER_NAME.log"
exec ipsec-conformance peer serve --address "$PEER_ADDRESS" --inner "$PEER_INNER_ADDRESS" \
    --control "$run/$PEER_NAME.sock" --log "$run/$PEER_NAME.log"
