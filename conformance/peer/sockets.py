"""The sockets of IKE: UDP over either IP version (RFC 2408 2.5.1, RFC 3947)."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from typing import TYPE_CHECKING, Protocol

from conformance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.packet import Address

    DatagramReceiver = Callable[[bytes, tuple[str, int]], None]

IKE_PORT, NATT_PORT = 500, 4500
"""RFC 2408 2.5.1 and RFC 3947 3.2."""

_HINTS = {
    errno.EACCES: "Run it as root, or give it CAP_NET_RAW and CAP_NET_BIND_SERVICE.",
    errno.EPERM: "Run it as root, or give it CAP_NET_RAW and CAP_NET_BIND_SERVICE.",
    errno.EADDRINUSE: "Another IKE daemon holds the port: stop it, or use another address.",
    errno.EADDRNOTAVAIL: "Give an address that this host has; `ip address` lists them.",
}

_log = logging.getLogger(__name__)


class UdpOpener(Protocol):
    """Binds a UDP port of a host."""

    async def __call__(self, address: Address, port: int, receive: DatagramReceiver) -> UdpSocket:
        """Bind it; every datagram goes to ``receive``."""


class UdpSocket(asyncio.DatagramProtocol):
    """One UDP port, whose datagrams go to ``receive``."""

    def __init__(self, receive: DatagramReceiver) -> None:
        self._receive = receive
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, address: Address, port: int, receive: DatagramReceiver) -> UdpSocket:
        """Bind a port, 0 for any free one; UserError where that cannot be."""
        loop = asyncio.get_running_loop()
        try:
            _, protocol = await loop.create_datagram_endpoint(
                lambda: cls(receive), local_addr=(str(address), port)
            )
        except OSError as error:
            raise socket_error(f"cannot bind UDP {address} port {port}", error) from error
        return protocol

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep the transport for sending."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand a datagram over."""
        self._receive(data, addr[:2])

    def error_received(self, exc: Exception) -> None:
        """Log what the kernel says of an earlier datagram; IKE's timers deal with the loss."""
        _log.warning("UDP: %s", exc)

    @property
    def port(self) -> int:
        """The port that is bound."""
        port: int = self._bound.get_extra_info("sockname")[1]
        return port

    @property
    def _bound(self) -> asyncio.DatagramTransport:
        if self._transport is None:
            raise RuntimeError("the socket is not open")
        return self._transport

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        """Send one datagram."""
        self._bound.sendto(data, address)

    def close(self) -> None:
        """Give the port back."""
        self._bound.close()


def socket_error(complaint: str, error: OSError) -> UserError:
    """What to tell of a socket that cannot be opened, with a remedy where one is known."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return UserError(f"{complaint}: {reason}", _HINTS.get(error.errno or 0, ""))
