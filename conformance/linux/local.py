"""The host's own packets, for transport mode: sent whole, received with their header (RFC 3542)."""

from __future__ import annotations

import select
import socket
import struct
from contextlib import ExitStack
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Self

from conformance.ipsec.ip6 import Ipv6Packet
from conformance.ipsec.packet import parse_packet

if TYPE_CHECKING:
    from conformance.ipsec.packet import Packet

PROTOCOL = 253
"""For experiments (RFC 3692 2.1): nobody in the kernel answers it."""
NAT_PORT = 4500
_IPV6_HEADER_INCLUDED = 36
"""IPV6_HDRINCL."""
_UDP_ENCAPSULATES, _ESP_IN_UDP = 100, 2
"""UDP_ENCAP, UDP_ENCAP_ESPINUDP."""
_LARGEST, _ANCILLARY = 0xFFFF, 256
_TOLD = (socket.IPV6_RECVPKTINFO, socket.IPV6_RECVHOPLIMIT, socket.IPV6_RECVTCLASS)


class LocalSockets:
    """Raw sockets of both IP versions, and the one on port 4500 that takes ESP out of UDP."""

    def __init__(self) -> None:
        self._undo = ExitStack()
        self._sockets = {
            version: self._undo.enter_context(socket.socket(family, socket.SOCK_RAW, PROTOCOL))
            for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6))
        }
        for one in self._sockets.values():
            one.setblocking(False)
        self._sockets[4].setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        self._sockets[6].setsockopt(socket.IPPROTO_IPV6, _IPV6_HEADER_INCLUDED, 1)
        for option in _TOLD:
            self._sockets[6].setsockopt(socket.IPPROTO_IPV6, option, 1)
        opener = self._undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        opener.bind(("", NAT_PORT))
        opener.setsockopt(socket.IPPROTO_UDP, _UDP_ENCAPSULATES, _ESP_IN_UDP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def send(self, packet: Packet) -> None:
        """Send a packet as it is; raises OSError where the kernel does not."""
        target = (str(packet.destination), 0)
        self._sockets[packet.destination.version].sendto(packet.build(), target)

    def read(self, version: int, seconds: float) -> Packet | None:
        """The next packet of PROTOCOL that was delivered here; None where none comes in time."""
        one = self._sockets[version]
        if not select.select([one], [], [], seconds)[0]:
            return None
        if version == 4:  # noqa: PLR2004 - an IP version
            return parse_packet(one.recv(_LARGEST))
        payload, told, _, (source, *_) = one.recvmsg(_LARGEST, _ANCILLARY)
        return _rebuilt(payload, source.partition("%")[0], told)


def _rebuilt(payload: bytes, source: str, told: list[tuple[int, int, bytes]]) -> Ipv6Packet:
    """IPv6 raw sockets give no header: it is made again of what stands beside the payload."""
    facts = {kind: data for _, kind, data in told}
    (limit,) = struct.unpack("=i", facts[socket.IPV6_HOPLIMIT])
    (traffic_class,) = struct.unpack("=i", facts[socket.IPV6_TCLASS])
    destination = IPv6Address(facts[socket.IPV6_PKTINFO][:16])
    return Ipv6Packet(
        IPv6Address(source), destination, PROTOCOL, payload, ttl=limit, tos=traffic_class
    )
