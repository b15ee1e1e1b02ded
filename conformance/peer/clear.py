"""What leaves unprotected: packets that a policy lets bypass IPsec (RFC 4301 4.4.1)."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from conformance.errors import UserError
from conformance.peer.netlink import FAMILIES, device_of

if TYPE_CHECKING:
    from conformance.ipsec.packet import Address, Packet

_log = logging.getLogger(__name__)


class ClearSocket:
    """Sends whole packets by the link of our outer address, past the routes into the tunnel.

    Raises UserError where no link has the address.
    """

    def __init__(self, address: Address) -> None:
        try:
            device = device_of(address)
            if device is None:
                raise UserError(f"no link of this host has the address {address}")
            family = FAMILIES[address.version]
            self._socket = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        except OSError as error:
            raise UserError(f"cannot open a raw socket: {error.strerror}") from error

    def send(self, packet: Packet) -> None:
        """Send one packet; one that the link refuses is lost."""
        try:
            self._socket.sendto(packet.build(), (str(packet.destination), 0))
        except OSError as error:
            _log.warning("%s > %s lost: %s", packet.source, packet.destination, error)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
