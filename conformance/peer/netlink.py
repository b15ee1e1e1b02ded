"""Links, addresses and routes of this host, asked of the kernel by rtnetlink (RFC 3549, Linux)."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from conformance.ipsec.packet import host_network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Interface, IPv6Interface

    from conformance.ipsec.packet import Address, Network

_HEADER = struct.Struct("=IHHII")
"""Length, type, flags, sequence, port."""
_ATTRIBUTE = struct.Struct("=HH")
"""Length, type."""
_LINK = struct.Struct("=BxHiII")
"""Family, type, index, flags, which of them change."""
_ADDRESS = struct.Struct("=BBBBI")
"""Family, prefix length, flags, scope, index."""
_ROUTE = struct.Struct("=BBBBBBBBI")
"""Family, prefix lengths (2), TOS, table, protocol, scope, type, flags."""

_ERROR, _DONE = 2, 3
_NEW_LINK, _NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 16, 20, 21, 22
_NEW_ROUTE, _DELETE_ROUTE, _GET_ROUTE = 24, 25, 26
_REQUEST, _ACK, _DUMP, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
_UP = 1
_MTU = 4
_ADDRESS_ITSELF, _ADDRESS_LOCAL, _ADDRESS_FLAGS, _NO_PREFIX_ROUTE = 1, 2, 8, 0x200
_TO, _OUT, _GATEWAY, _FROM = 1, 4, 5, 7
_MAIN_TABLE, _BOOT, _UNIVERSE, _ON_LINK, _UNICAST = 254, 3, 0, 253, 1
_SIZE = 1 << 16
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
"""Address families by IP version."""


@dataclass(frozen=True, slots=True)
class Route:
    """How a network is reached."""

    network: Network
    device: int
    """The index of the link."""
    gateway: Address | None = None
    source: Address | None = None
    """The address that the host's own packets get; None lets the kernel choose."""


def _attribute(kind: int, value: bytes) -> bytes:
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        found[kind] = data[_ATTRIBUTE.size : size]
        data = data[max(size + -size % 4, _ATTRIBUTE.size) :]
    return found


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        size, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : size]
        data = data[max(size + -size % 4, _HEADER.size) :]


def _ask(kind: int, flags: int, body: bytes) -> list[bytes]:
    """What the kernel answers; raises OSError with what it refuses."""
    message = _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body
    answers: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(message)
        while True:
            for answer, content in _messages(kernel.recv(_SIZE)):
                if answer == _ERROR and (number := -int(struct.unpack_from("=i", content)[0])):
                    raise OSError(number, os.strerror(number))
                if answer in (_ERROR, _DONE):
                    return answers
                answers.append(content)
            if not flags & (_DUMP | _ACK):
                return answers


def bring_up(device: int, mtu: int) -> None:
    """Set a link's MTU and bring it up; raises OSError."""
    head = _LINK.pack(socket.AF_UNSPEC, 0, device, _UP, _UP)
    _ask(_NEW_LINK, _ACK, head + _attribute(_MTU, struct.pack("=I", mtu)))


def _own(device: int, address: IPv4Interface | IPv6Interface) -> bytes:
    family = FAMILIES[address.version]
    head = _ADDRESS.pack(family, address.network.prefixlen, 0, _UNIVERSE, device)
    flags = _attribute(_ADDRESS_FLAGS, struct.pack("=I", _NO_PREFIX_ROUTE))
    return head + _attribute(_ADDRESS_LOCAL, address.ip.packed) + flags


def add_address(device: int, address: IPv4Interface | IPv6Interface) -> None:
    """Give a link an address, without any route that would come of it; raises OSError."""
    _ask(_NEW_ADDRESS, _ACK | _CREATE | _EXCLUSIVE, _own(device, address))


def remove_address(device: int, address: IPv4Interface | IPv6Interface) -> None:
    """Take an address from a link; raises OSError."""
    _ask(_DELETE_ADDRESS, _ACK, _own(device, address))


def device_of(address: Address) -> str | None:
    """The name of the link that has an address; None where none has it."""
    body = _ADDRESS.pack(FAMILIES[address.version], 0, 0, 0, 0)
    for content in _ask(_GET_ADDRESS, _DUMP, body):
        *_, index = _ADDRESS.unpack_from(content)
        found = _attributes(content[_ADDRESS.size :])
        # IPv6 tells the local one only where the link has another end beside it.
        if found.get(_ADDRESS_LOCAL, found.get(_ADDRESS_ITSELF)) == address.packed:
            return socket.if_indextoname(index)
    return None


def _way(route: Route) -> bytes:
    scope = _UNIVERSE if route.gateway else _ON_LINK
    head = _ROUTE.pack(
        FAMILIES[route.network.version],
        route.network.prefixlen,
        0,
        0,
        _MAIN_TABLE,
        _BOOT,
        scope,
        _UNICAST,
        0,
    )
    optional = ((_GATEWAY, route.gateway), (_FROM, route.source))
    return (
        head
        + _attribute(_TO, route.network.network_address.packed)
        + _attribute(_OUT, struct.pack("=I", route.device))
        + b"".join(_attribute(kind, value.packed) for kind, value in optional if value)
    )


def add_route(route: Route) -> None:
    """Add a route; raises OSError, EEXIST where there is one already."""
    _ask(_NEW_ROUTE, _ACK | _CREATE | _EXCLUSIVE, _way(route))


def remove_route(route: Route) -> None:
    """Remove a route; raises OSError."""
    _ask(_DELETE_ROUTE, _ACK, _way(route))


def route_to(address: Address) -> Route:
    """How an address is reached now; raises OSError where it is not."""
    family = FAMILIES[address.version]
    head = _ROUTE.pack(family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    (content, *_) = _ask(_GET_ROUTE, 0, head + _attribute(_TO, address.packed))
    found = _attributes(content[_ROUTE.size :])
    gateway = found.get(_GATEWAY)
    (device,) = struct.unpack("=I", found[_OUT])
    return Route(host_network(address), device, ip_address(gateway) if gateway else None)
