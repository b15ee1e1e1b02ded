"""The Security Association Database: which SA a packet names, and which it needs (RFC 4301 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ipsec.association import (
    MAX_SEQUENCE,
    Bundle,
    Direction,
    Lifetime,
    Mode,
    SecurityAssociation,
    UdpEncapsulation,
    Usage,
    bundled,
)
from conformance.ipsec.ip import Protocol
from conformance.ipsec.selector import ANYWHERE, Selector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.ipsec.packet import Address, Packet

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


def _key(sa: SecurityAssociation) -> SadKey:
    return sa.spi, sa.destination, sa.protocol


class Sad:
    """The SAs that stand, in the order of their installation."""

    def __init__(self) -> None:
        self._by_key: dict[SadKey, tuple[SecurityAssociation, Bundle]] = {}

    def __iter__(self) -> Iterator[SecurityAssociation]:
        return iter([sa for sa, _ in self._by_key.values()])

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, added: SecurityAssociation | Bundle) -> None:
        """Install an SA or a whole bundle; ValueError where an SPI is taken, and then none is."""
        bundle = bundled(added)
        for sa in bundle.sas:
            if _key(sa) in self._by_key:
                raise ValueError(f"SPI {sa.spi:#010x} to {sa.destination} is in use")
        self._by_key |= {_key(sa): (sa, bundle) for sa in bundle.sas}

    def remove(self, removed: SecurityAssociation | Bundle) -> None:
        """Remove an SA with the bundle that it stands in; raises KeyError where none stands."""
        _, bundle = self._by_key[_key(bundled(removed).outer)]
        for sa in bundle.sas:
            del self._by_key[_key(sa)]

    def find(
        self, spi: int, destination: Address, protocol: int = Protocol.ESP
    ) -> SecurityAssociation | None:
        """The inbound SA a packet names (RFC 4301 4.1), or None."""
        sa, _ = self._by_key.get((spi, destination, protocol), (None, None))
        return sa if sa is not None and sa.direction == "in" else None

    def bundle_of(self, sa: SecurityAssociation) -> Bundle:
        """The bundle that an SA was installed with; raises KeyError where it does not stand."""
        return self._by_key[_key(sa)][1]

    def select(self, packet: Packet) -> Bundle | None:
        """The newest outbound bundle whose selector covers the packet, or None (RFC 4301 5.1)."""
        return next(
            (
                bundle
                for sa, bundle in reversed(self._by_key.values())
                if sa.direction == "out" and bundle.inner.selector.covers(packet)
            ),
            None,
        )
