"""Path MTU through SAs: what is believed of a path, and done with larger packets (RFC 4301 8.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from conformance.ipsec import tunnel
from conformance.ipsec.association import bundled
from conformance.ipsec.icmp_errors import ErrorKind, error_about
from conformance.ipsec.ip import DONT_FRAGMENT, Ipv4Packet, Protocol
from conformance.ipsec.ip6 import MINIMUM_MTU
from conformance.ipsec.sizes import HEADER_SIZES, UDP_SIZE, largest_inner, wire_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.ipsec.association import Bundle, SecurityAssociation
    from conformance.ipsec.icmp_errors import IcmpError
    from conformance.ipsec.packet import Address, Packet

_FOUR = 4
_LEAST_4 = 68
"""What every link carries of IPv4, and the least that its senders are told (RFC 791 3.2)."""
_BELIEVED_4 = 576
"""What every IPv4 host takes, and the least that is believed of a path (RFC 791 3.1)."""
_SPI_SIZE = 4
_SPI_AT: dict[int, slice] = {Protocol.ESP: slice(0, 4), Protocol.AH: slice(4, 8)}
_PLATEAUS = (65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, _LEAST_4)
"""MTUs that occur, for routers that tell none (RFC 1191 7.1)."""


# What is done with packets that become too large.


class Fit(Enum):
    """What becomes of a packet on a path of some MTU (RFC 4301 8.2.1)."""

    WHOLE = "fits"
    FRAGMENT_INNER = "fragmented before it is protected"
    FRAGMENT_OUTER = "fragmented once it is protected"
    FRAGMENT_EITHER = "fragmented before or after, as configured"
    TOO_BIG = "discarded, and its sender told"


_TRANSPORT = {"free": Fit.FRAGMENT_OUTER, "fixed": Fit.TOO_BIG, "small": Fit.FRAGMENT_OUTER}
_TUNNEL = {
    "copy": {
        "free": Fit.FRAGMENT_EITHER, "fixed": Fit.TOO_BIG, "small": Fit.FRAGMENT_OUTER,
    },
    "clear": {
        "free": Fit.FRAGMENT_EITHER, "fixed": Fit.FRAGMENT_OUTER, "small": Fit.FRAGMENT_OUTER,
    },
    "set": {
        "free": Fit.FRAGMENT_INNER, "fixed": Fit.TOO_BIG, "small": Fit.FRAGMENT_OUTER,
    },
}  # fmt: skip
"""By what the tunnel header's DF is, and by what may be done with the packet inside."""


def fit(sa: SecurityAssociation | Bundle, inner: Packet, mtu: int) -> Fit:
    """What becomes of ``inner``: the cases of RFC 4301 8.2.1, whatever the outer DF is."""
    bundle = bundled(sa)
    if wire_size(bundle, inner.total_length, _ahead(bundle, inner)) <= mtu:
        return Fit.WHOLE
    rows = _TUNNEL[bundle.inner.tunnel_header.df] if bundle.inner.mode == "tunnel" else _TRANSPORT
    return rows[_nature(inner)]


def _nature(inner: Packet) -> str:
    """Whether a packet may be fragmented, or its sender told to send smaller ones, or neither."""
    if isinstance(inner, Ipv4Packet):
        return "fixed" if inner.flags & DONT_FRAGMENT else "free"
    # IPv6 is not told to shrink below 1280 octets (RFC 2473 7.1, RFC 4213 3.2.2).
    return "fixed" if inner.total_length > MINIMUM_MTU else "small"


def _ahead(bundle: Bundle, inner: Packet) -> int:
    """Octets of the headers that transport mode leaves ahead (RFC 4303 3.1.1)."""
    if bundle.inner.mode == "tunnel":
        return HEADER_SIZES[bundle.inner.source.version]
    carried = inner if isinstance(inner, Ipv4Packet) else tunnel.behind_routing(inner)
    return carried.total_length - len(carried.payload)


def told_mtu(sa: SecurityAssociation | Bundle, inner: Packet, mtu: int) -> int:
    """What the sender of ``inner`` is told of a path: never less than its version's least."""
    bundle = bundled(sa)
    least = _LEAST_4 if isinstance(inner, Ipv4Packet) else MINIMUM_MTU
    return max(largest_inner(bundle, mtu, _ahead(bundle, inner)), least)


def too_big(
    sa: SecurityAssociation | Bundle, inner: Packet, mtu: int, router: Address
) -> Packet | None:
    """The ICMP message to the sender of a packet too big; None where none may be sent."""
    return error_about(inner, ErrorKind.TOO_BIG, router, mtu=told_mtu(sa, inner, mtu))


# What is believed of a path.


def least_believed(version: int) -> int:
    """The least MTU that is believed of a path, by the version of the packets on it."""
    return MINIMUM_MTU if version != _FOUR else _BELIEVED_4


@dataclass(slots=True)
class PathMtu:
    """The MTU of one SA's path, which is forgotten after a while; the owner tells the time.

    ValueError for a first link that carries less than what is believed of any path.
    """

    link: int
    """The MTU of the first link."""
    version: int
    """Of the outer header."""
    seconds: float = 600.0
    """After which a lower MTU is forgotten (RFC 4301 8.2.2, RFC 1191 6.3)."""
    _learnt: tuple[int, float] | None = field(default=None, init=False)
    """What was told, and until when it is believed."""

    def __post_init__(self) -> None:
        if self.link < least_believed(self.version):
            raise ValueError(f"a link with an MTU of {self.link}")

    def current(self, now: float) -> int:
        """What is believed now."""
        if self._learnt is None or now >= self._learnt[1]:
            return self.link
        return self._learnt[0]

    def learn(self, error: IcmpError, now: float) -> bool:
        """Take an unauthenticated message into account; whether it changed anything.

        It only ever lowers the MTU, below the packet that it quotes, and not below 576 octets;
        of IPv6, what tells less than 1280 is not believed at all (RFC 8201 4).
        """
        told = error.mtu or _plateau_below(error.length)
        if error.kind is not ErrorKind.TOO_BIG or told >= error.length:
            return False
        if self.version != _FOUR and told < MINIMUM_MTU:
            return False
        believed = max(told, least_believed(self.version))
        if believed >= self.current(now):
            return False
        self._learnt = (believed, now + self.seconds)
        return True


def _plateau_below(length: int) -> int:
    return next((one for one in _PLATEAUS if one < length), _LEAST_4)


def concerned(error: IcmpError, sas: Iterable[SecurityAssociation]) -> SecurityAssociation | None:
    """The outbound SA that an error is about, by addresses, protocol and SPI (RFC 4301 8.2.1).

    Routers may quote so little that ESP in UDP shows no SPI; then the ports must name one alone.
    """
    quoted = error.about
    if quoted is None:
        return None
    named = [sa for sa in sas if sa.direction == "out" and _names(quoted, sa)]
    return named[0] if len(named) == 1 else None


def _names(quoted: Packet, sa: SecurityAssociation) -> bool:
    if (quoted.source, quoted.destination) != (sa.source, sa.destination):
        return False
    payload = quoted.payload
    if sa.udp is None:
        at = _SPI_AT.get(quoted.protocol)
        return (
            quoted.protocol == sa.protocol and at is not None and payload[at] == sa.spi.to_bytes(4)
        )
    ports = sa.udp.source_port.to_bytes(2) + sa.udp.destination_port.to_bytes(2)
    if quoted.protocol != Protocol.UDP or payload[: len(ports)] != ports:
        return False
    shown = payload[UDP_SIZE : UDP_SIZE + _SPI_SIZE]
    return len(shown) < _SPI_SIZE or shown == sa.spi.to_bytes(4)
