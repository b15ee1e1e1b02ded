"""Entries of the SPD as the peer's TOML file spells them (RFC 4301 4.4.1)."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Literal

from conformance.ipsec.sad import ANYWHERE
from conformance.ipsec.selector import ANY_PORT, PortRange, Selector
from conformance.ipsec.spd import Action, SpdEntry
from conformance.peer.fields import Fields

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}
"""Numbers of IP protocols by name (IANA)."""


class Policy(Fields, frozen=True, kw_only=True):
    """One entry; what is not said fits everything."""

    action: Action
    source: IPv4Network = ANYWHERE
    destination: IPv4Network = ANYWHERE
    protocol: Literal["icmp", "tcp", "udp", "sctp"] | int | None = None
    source_port: int | tuple[int, int] | None = None
    """One, or the first and the last of some."""
    destination_port: int | tuple[int, int] | None = None
    icmp_type: int | tuple[int, int] | None = None
    icmp_code: int | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        icmp = (self.icmp_type, self.icmp_code) != (None, None)
        if icmp and self.protocol not in ("icmp", PROTOCOLS["icmp"]):
            raise ValueError('icmp_type and icmp_code need protocol = "icmp"')
        if icmp and (self.source_port, self.destination_port) != (None, None):
            raise ValueError("ICMP has no ports")

    @property
    def entry(self) -> SpdEntry:
        """The same as an entry of the SPD."""
        number = PROTOCOLS.get(str(self.protocol), self.protocol)
        first = self.source_port if self.icmp_type is None else self.icmp_type
        second = self.destination_port if self.icmp_code is None else self.icmp_code
        selector = Selector(
            self.source,
            self.destination,
            int(number) if number is not None else 0,
            _range(first),
            _range(second),
        )
        return SpdEntry(self.action, (selector,))


def _range(ports: int | tuple[int, int] | None) -> PortRange:
    """A port that is named is one, 0 too."""
    if ports is None:
        return ANY_PORT
    return PortRange(*(ports if isinstance(ports, tuple) else (ports, ports)))
