"""The sockets of ESP and AH: raw ones of either IP version (RFC 4302, RFC 4303, RFC 3542)."""

from __future__ import annotations

import asyncio
import socket
import sys
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Protocol

from conformance.ipsec.ip import Protocol as Number
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
from conformance.peer.sockets import socket_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.packet import Address

    PacketReceiver = Callable[[bytes], None]
    Ancillary = list[tuple[int, int, bytes]]

_MAX_PACKET = 0xFFFF
_MAX_ANCILLARY = 0x4000
"""Octets for two numbers and for all extension headers of a packet."""
_HEADER_INCLUDED_6 = 36
"""IPV6_HDRINCL of linux/in6.h, which the module socket does not have."""

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_OPTIONS: dict[int, list[tuple[int, int]]] = {
    4: [(socket.IPPROTO_IP, socket.IP_HDRINCL)],
    6: [
        (socket.IPPROTO_IPV6, option)
        for option in (
            _HEADER_INCLUDED_6,
            socket.IPV6_RECVHOPLIMIT,
            socket.IPV6_RECVTCLASS,
            socket.IPV6_RECVHOPOPTS,
            socket.IPV6_RECVRTHDR,
            socket.IPV6_RECVDSTOPTS,
        )
    ],
}
"""What is switched on, by IP version."""
_EXTENSIONS = {
    socket.IPV6_HOPOPTS: Number.HOP_BY_HOP,
    socket.IPV6_RTHDR: Number.ROUTING,
    socket.IPV6_DSTOPTS: Number.DESTINATION_OPTIONS,
}
"""Ancillary data that is an extension header (RFC 3542 6 to 9)."""


class EspTransport(Protocol):
    """Whatever carries whole IP packets with ESP in them to other hosts."""

    def send(self, packet: bytes, destination: Address) -> None:
        """Send one packet; raises OSError."""

    def close(self) -> None:
        """Send and receive nothing any more."""


class EspOpener(Protocol):
    """Makes the ESP transport of a host."""

    def __call__(self, address: Address, receive: PacketReceiver) -> EspTransport:
        """Open it; every packet for ``address`` goes to ``receive``."""


class RawSockets:
    """AH and ESP as raw sockets have them, with the IP header both ways.

    A kernel that knows the protocols sees the packets too and drops them: it has no such SA.
    """

    def __init__(self, address: Address, receive: PacketReceiver) -> None:
        self._address = address
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        try:
            for protocol in (socket.IPPROTO_ESP, socket.IPPROTO_AH):
                self._open(protocol)
        except BaseException:
            self.close()
            raise

    def _open(self, protocol: int) -> None:
        version = self._address.version
        try:
            opened = socket.socket(_FAMILIES[version], socket.SOCK_RAW, protocol)
        except OSError as error:
            raise socket_error("cannot open a raw socket for ESP and AH", error) from error
        self._sockets.append(opened)
        for level, option in _OPTIONS[version]:
            opened.setsockopt(level, option, 1)
        opened.setblocking(False)
        try:
            opened.bind((str(self._address), 0))
        except OSError as error:
            raise socket_error(f"cannot bind ESP and AH to {self._address}", error) from error
        self._loop.add_reader(opened, self._readable, opened)

    def _readable(self, readable: socket.socket) -> None:
        try:
            data, ancillary, _, source = readable.recvmsg(_MAX_PACKET, _MAX_ANCILLARY)
        except BlockingIOError:  # the kernel found the packet's checksum wrong after waking us
            return
        if self._address.version == 6:  # noqa: PLR2004  IPv6
            ends = IPv6Address(source[0]), self._address
            data = rebuilt(data, ancillary, ends, readable.proto).build()
        self._receive(data)

    def send(self, packet: bytes, destination: Address) -> None:
        """Send one whole IP packet; raises OSError, EMSGSIZE where it is over the MTU."""
        self._sockets[0].sendto(packet, (str(destination), 0))

    def close(self) -> None:
        """Close the sockets."""
        for one in self._sockets:
            self._loop.remove_reader(one)
            one.close()
        self._sockets.clear()


def rebuilt(
    payload: bytes, ancillary: Ancillary, ends: tuple[IPv6Address, IPv6Address], protocol: int
) -> Ipv6Packet:
    """The IPv6 packet that a raw socket received without its headers (RFC 3542 3, 6).

    The flow label is not told; nothing covers it.
    """
    told = {kind: data for _, kind, data in ancillary}
    return Ipv6Packet(
        *ends,
        protocol,
        payload,
        ttl=_number(told[socket.IPV6_HOPLIMIT]),
        tos=_number(told[socket.IPV6_TCLASS]),
        headers=tuple(
            ExtensionHeader(_EXTENSIONS[kind], data[1:])
            for _, kind, data in ancillary
            if kind in _EXTENSIONS
        ),
    )


def _number(data: bytes) -> int:
    return int.from_bytes(data, sys.byteorder)
