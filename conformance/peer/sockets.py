"""The sockets: IKE over UDP (RFC 2408 2.5.1, RFC 3947) and ESP over raw IPv4 (RFC 4303)."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from typing import TYPE_CHECKING, Protocol

from conformance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address

    DatagramReceiver = Callable[[bytes, tuple[str, int]], None]
    PacketReceiver = Callable[[bytes], None]

IKE_PORT, NATT_PORT = 500, 4500
"""RFC 2408 2.5.1 and RFC 3947 3.2."""

_MAX_PACKET = 0xFFFF
_HINTS = {
    errno.EACCES: "Run it as root, or give it CAP_NET_RAW and CAP_NET_BIND_SERVICE.",
    errno.EPERM: "Run it as root, or give it CAP_NET_RAW and CAP_NET_BIND_SERVICE.",
    errno.EADDRINUSE: "Another IKE daemon holds the port: stop it, or use another address.",
    errno.EADDRNOTAVAIL: "Give an address that this host has; `ip address` lists them.",
}

_log = logging.getLogger(__name__)


class EspTransport(Protocol):
    """Whatever carries whole IPv4 packets with ESP in them to other hosts."""

    def send(self, packet: bytes, destination: IPv4Address) -> None:
        """Send one packet; raises OSError."""

    def close(self) -> None:
        """Send and receive nothing any more."""


class EspOpener(Protocol):
    """Makes the ESP transport of a host."""

    def __call__(self, address: IPv4Address, receive: PacketReceiver) -> EspTransport:
        """Open it; every packet for ``address`` goes to ``receive``."""


class UdpOpener(Protocol):
    """Binds a UDP port of a host."""

    async def __call__(
        self, address: IPv4Address, port: int, receive: DatagramReceiver
    ) -> UdpSocket:
        """Bind it; every datagram goes to ``receive``."""


class UdpSocket(asyncio.DatagramProtocol):
    """One UDP port, whose datagrams go to ``receive``."""

    def __init__(self, receive: DatagramReceiver) -> None:
        self._receive = receive
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, address: IPv4Address, port: int, receive: DatagramReceiver) -> UdpSocket:
        """Bind a port, 0 for any free one; UserError where that cannot be."""
        loop = asyncio.get_running_loop()
        try:
            _, protocol = await loop.create_datagram_endpoint(
                lambda: cls(receive), local_addr=(str(address), port)
            )
        except OSError as error:
            raise _user_error(f"cannot bind UDP {address} port {port}", error) from error
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


class RawSockets:
    """AH and ESP as the kernel hands them to raw sockets: with the IPv4 header, both ways.

    A kernel that knows the protocols sees the packets too and drops them: it has no such SA.
    """

    def __init__(self, address: IPv4Address, receive: PacketReceiver) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        try:
            for protocol in (socket.IPPROTO_ESP, socket.IPPROTO_AH):
                self._open(address, protocol)
        except BaseException:
            self.close()
            raise

    def _open(self, address: IPv4Address, protocol: int) -> None:
        try:
            opened = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
        except OSError as error:
            raise _user_error("cannot open a raw socket for ESP and AH", error) from error
        self._sockets.append(opened)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        opened.setblocking(False)
        try:
            opened.bind((str(address), 0))
        except OSError as error:
            raise _user_error(f"cannot bind ESP and AH to {address}", error) from error
        self._loop.add_reader(opened, self._readable, opened)

    def _readable(self, readable: socket.socket) -> None:
        try:
            packet = readable.recv(_MAX_PACKET)
        except BlockingIOError:  # the kernel found the packet's checksum wrong after waking us
            return
        self._receive(packet)

    def send(self, packet: bytes, destination: IPv4Address) -> None:
        """Send one whole IPv4 packet; raises OSError, EMSGSIZE where it is over the MTU."""
        self._sockets[0].sendto(packet, (str(destination), 0))

    def close(self) -> None:
        """Close the sockets."""
        for one in self._sockets:
            self._loop.remove_reader(one)
            one.close()
        self._sockets.clear()


def _user_error(complaint: str, error: OSError) -> UserError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return UserError(f"{complaint}: {reason}", _HINTS.get(error.errno or 0, ""))
