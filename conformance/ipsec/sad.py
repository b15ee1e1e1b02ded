"""The Security Association Database: which SA a packet names, and which it needs (RFC 4301 4.4)."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from conformance.ipsec.association import (
    MAX_SEQUENCE,
    Bundle,
    Direction,
    Mode,
    SecurityAssociation,
    UdpEncapsulation,
    bundled,
)
from conformance.ipsec.index import SelectorIndex
from conformance.ipsec.ip import Protocol
from conformance.ipsec.lifetime import Lifetime, Usage
from conformance.ipsec.selector import ANYWHERE, Selector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.ipsec.packet import Address, Packet
    from conformance.ipsec.spd import Template

__all__ = [
    "ANYWHERE",
    "MAX_SEQUENCE",
    "Bundle",
    "Direction",
    "Lifetime",
    "Mode",
    "Sad",
    "SecurityAssociation",
    "Selector",
    "UdpEncapsulation",
    "Usage",
    "bundled",
]

SadKey = tuple[int, "Address", int]
"""SPI, destination address, protocol: what names an SA on the wire (RFC 4301 4.1)."""

_SPI_AT: dict[int, slice] = {
    Protocol.ESP: slice(0, 4),
    Protocol.AH: slice(4, 8),
    Protocol.UDP: slice(8, 12),
}


def _key(sa: SecurityAssociation) -> SadKey:
    return sa.spi, sa.destination, sa.protocol


class Sad:
    """The SAs that stand, in the order of their installation."""

    def __init__(self) -> None:
        self._by_key: dict[SadKey, tuple[SecurityAssociation, Bundle]] = {}
        self._outbound: SelectorIndex[Bundle] = SelectorIndex()
        self._numbers = count(1)
        self._ranks: dict[Bundle, int] = {}
        self._deadlines: list[tuple[float, int, SecurityAssociation]] = []
        self.watchers: list[Callable[[], None]] = []
        """Called after every change, so that what was found here can be remembered until then."""

    def __iter__(self) -> Iterator[SecurityAssociation]:
        return iter([sa for sa, _ in self._by_key.values()])

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, added: SecurityAssociation | Bundle, now: float = 0.0) -> None:
        """Install an SA or a whole bundle; ValueError where an SPI is taken, and then none is.

        ``now`` is what lifetimes in seconds are counted from.
        """
        bundle = bundled(added)
        for sa in bundle.sas:
            if _key(sa) in self._by_key:
                raise ValueError(f"SPI {sa.spi:#010x} to {sa.destination} is in use")
        self._by_key |= {_key(sa): (sa, bundle) for sa in bundle.sas}
        for sa in bundle.sas:
            sa.usage.since = now
            for lifetime in (sa.soft, sa.lifetime):
                if lifetime.seconds is not None:
                    deadline = (now + lifetime.seconds, next(self._numbers), sa)
                    heappush(self._deadlines, deadline)
        if bundle.outer.direction == "out":
            # The newest one comes first.
            self._ranks[bundle] = -next(self._numbers)
            self._outbound.add(bundle.inner.selector, self._ranks[bundle], bundle)
        self.changed()

    def remove(self, removed: SecurityAssociation | Bundle) -> None:
        """Remove an SA with the bundle that it stands in; raises KeyError where none stands."""
        _, bundle = self._by_key[_key(bundled(removed).outer)]
        for sa in bundle.sas:
            del self._by_key[_key(sa)]
        if bundle in self._ranks:
            self._outbound.remove(bundle.inner.selector, self._ranks.pop(bundle))
        self.changed()

    def changed(self) -> None:
        """Let nobody go on with what was found here before."""
        for watcher in self.watchers:
            watcher()

    def find(
        self, spi: int, destination: Address, protocol: int = Protocol.ESP
    ) -> SecurityAssociation | None:
        """The inbound SA a packet names (RFC 4301 4.1), or None."""
        sa, _ = self._by_key.get((spi, destination, protocol), (None, None))
        return sa if sa is not None and sa.direction == "in" else None

    def named_by(self, sent: Packet) -> list[SecurityAssociation]:
        """The outbound SA that a packet of ours shows, in UDP too, as an ICMP error quotes it."""
        at = _SPI_AT.get(sent.protocol)
        protocol = sent.protocol if sent.protocol != Protocol.UDP else Protocol.ESP
        spi = int.from_bytes(sent.payload[at]) if at else 0
        sa, _ = self._by_key.get((spi, sent.destination, protocol), (None, None))
        return [sa] if sa is not None and sa.direction == "out" else []

    def stands(self, sa: SecurityAssociation) -> bool:
        """Whether this very SA is installed."""
        return self._by_key.get(_key(sa), (None, None))[0] is sa

    def bundle_of(self, sa: SecurityAssociation) -> Bundle:
        """The bundle that an SA was installed with; raises KeyError where it does not stand."""
        return self._by_key[_key(sa)][1]

    def select(
        self,
        packet: Packet,
        template: Template | None = None,
        ports: tuple[int, int] | None = None,
    ) -> Bundle | None:
        """The newest outbound bundle whose selector covers the packet, or None (RFC 4301 5.1).

        ``template`` is how it has to protect; ``ports``, where they are known from elsewhere.
        """
        if template is None:
            return self._outbound.find(packet, ports)
        return self._outbound.find(packet, ports, template.fits)

    @property
    def deadline(self) -> float | None:
        """When the next lifetime in seconds ends, or None; earlier at most, never later."""
        return self._deadlines[0][0] if self._deadlines else None

    def due(self, now: float) -> Iterator[SecurityAssociation]:
        """The SAs that stand and whose lifetime in seconds, soft or hard, has ended."""
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, sa = heappop(self._deadlines)
            if self.stands(sa):
                yield sa
