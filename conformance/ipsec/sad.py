"""Security associations and the database that finds them (RFC 4301 4.4.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Literal

from conformance.ipsec.ip import Ipv4Packet, Protocol
from conformance.ipsec.replay import ReplayWindow
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from collections.abc import Iterator

Direction = Literal["in", "out"]
Mode = Literal["tunnel", "transport"]

ANYWHERE = IPv4Network("0.0.0.0/0")
"""The selector that every address fits."""
MAX_SEQUENCE = 2**32 - 1
"""The last sequence number of an SA without ESN (RFC 4303 3.3.3)."""


@dataclass(frozen=True, slots=True)
class Selector:
    """The packets an SA carries, as source and destination networks (RFC 4301 4.4.1.1)."""

    source: IPv4Network = ANYWHERE
    destination: IPv4Network = ANYWHERE

    def covers(self, packet: Ipv4Packet) -> bool:
        """Whether both addresses of the packet lie inside."""
        return packet.source in self.source and packet.destination in self.destination


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Hard limits of an SA; None is no limit. Time is the key management's matter."""

    bytes: int | None = None
    packets: int | None = None


@dataclass(slots=True)
class Usage:
    """What an SA has carried: packets, the octets of its inner packets, the last number sent."""

    packets: int = 0
    bytes: int = 0
    sequence: int = 0
    """The last sequence number sent; the first one sent is 1 (RFC 4303 3.3.3)."""

    def count(self, inner: Ipv4Packet) -> None:
        """Add one packet that was protected or accepted."""
        self.packets += 1
        self.bytes += inner.total_length

    def spends(self, lifetime: Lifetime) -> bool:
        """Whether a hard limit is reached."""
        return any(
            limit is not None and used >= limit
            for used, limit in ((self.packets, lifetime.packets), (self.bytes, lifetime.bytes))
        )


@dataclass(frozen=True, slots=True, eq=False)
class SecurityAssociation:
    """One one-way ESP SA: parameters that stay, and the usage and window that change.

    Raises ValueError for an unknown algorithm or mode, or a key of the wrong size.
    """

    spi: int
    source: IPv4Address
    destination: IPv4Address
    direction: Direction
    mode: Mode
    cipher: str
    encryption_key: bytes = field(repr=False)
    integrity: str
    integrity_key: bytes = field(repr=False)
    selector: Selector = Selector()
    lifetime: Lifetime = Lifetime()
    protocol: int = Protocol.ESP
    usage: Usage = field(default_factory=Usage)
    replay: ReplayWindow | None = field(default_factory=ReplayWindow, repr=False)
    """None where anti-replay is off, as it must be without integrity (RFC 4303 3.4.3)."""

    def __post_init__(self) -> None:
        if self.cipher not in ENCRYPTION or self.integrity not in INTEGRITY:
            raise ValueError(f"ESP has no transform {self.cipher} with {self.integrity}")
        if self.mode not in ("tunnel", "transport"):
            raise ValueError(f"an SA's mode is tunnel or transport, not {self.mode}")
        if self.replay is not None and not INTEGRITY[self.integrity].icv_size:
            raise ValueError("anti-replay needs integrity")
        for key, size, name in (
            (self.encryption_key, ENCRYPTION[self.cipher].key_size, self.cipher),
            (self.integrity_key, INTEGRITY[self.integrity].key_size, self.integrity),
        ):
            if len(key) != size:
                raise ValueError(f"{name} takes a key of {size} octets, not {len(key)}")

    @property
    def expired(self) -> bool:
        """Whether a hard limit of the lifetime is reached."""
        return self.usage.spends(self.lifetime)


SadKey = tuple[int, IPv4Address, int]
"""SPI, destination address, protocol: what names an SA on the wire (RFC 4301 4.1)."""


class Sad:
    """The SAs that stand, in the order of their installation."""

    def __init__(self) -> None:
        self._by_key: dict[SadKey, SecurityAssociation] = {}

    def __iter__(self) -> Iterator[SecurityAssociation]:
        return iter(tuple(self._by_key.values()))

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, sa: SecurityAssociation) -> None:
        """Install an SA; raises ValueError where its SPI, destination and protocol are taken."""
        key = (sa.spi, sa.destination, sa.protocol)
        if key in self._by_key:
            raise ValueError(f"SPI {sa.spi:#010x} to {sa.destination} is in use")
        self._by_key[key] = sa

    def remove(self, sa: SecurityAssociation) -> None:
        """Remove an SA; raises KeyError where it does not stand."""
        del self._by_key[sa.spi, sa.destination, sa.protocol]

    def find(
        self, spi: int, destination: IPv4Address, protocol: int = Protocol.ESP
    ) -> SecurityAssociation | None:
        """The inbound SA a packet names (RFC 4301 4.1), or None."""
        sa = self._by_key.get((spi, destination, protocol))
        return sa if sa is not None and sa.direction == "in" else None

    def select(self, packet: Ipv4Packet) -> SecurityAssociation | None:
        """The newest outbound SA whose selector covers the packet, or None (RFC 4301 5.1)."""
        candidates = (sa for sa in reversed(self._by_key.values()) if sa.direction == "out")
        return next((sa for sa in candidates if sa.selector.covers(packet)), None)
