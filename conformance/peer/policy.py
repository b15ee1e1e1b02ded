"""Entries of the SPD as the peer's TOML file spells them (RFC 4301 4.4.1)."""

from __future__ import annotations

from typing import Literal

from conformance.ipsec.selector import ANY_PORT, ANYWHERE, ANYWHERE_6, PortRange, Selector
from conformance.ipsec.spd import Action, SpdEntry
from conformance.peer.fields import Fields, IpNetwork

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
"""Numbers of IP protocols by name (IANA)."""
_ICMP = ("icmp", "icmpv6", PROTOCOLS["icmp"], PROTOCOLS["icmpv6"])


class Policy(Fields, frozen=True, kw_only=True):
    """One entry; what is not said fits everything."""

    action: Action
    source: IpNetwork | None = None
    destination: IpNetwork | None = None
    protocol: Literal["icmp", "icmpv6", "tcp", "udp", "sctp"] | int | None = None
    source_port: int | tuple[int, int] | None = None
    """One, or the first and the last of some."""
    destination_port: int | tuple[int, int] | None = None
    icmp_type: int | tuple[int, int] | None = None
    icmp_code: int | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        icmp = (self.icmp_type, self.icmp_code) != (None, None)
        if icmp and self.protocol not in _ICMP:
            raise ValueError('icmp_type and icmp_code need protocol = "icmp" or "icmpv6"')
        if icmp and (self.source_port, self.destination_port) != (None, None):
            raise ValueError("ICMP has no ports")
        if not self._ends:
            raise ValueError(f"{self.source} and {self.destination} are of two families")

    @property
    def entry(self) -> SpdEntry:
        """The same as an entry of the SPD."""
        number = PROTOCOLS.get(str(self.protocol), self.protocol)
        first = self.source_port if self.icmp_type is None else self.icmp_type
        second = self.destination_port if self.icmp_code is None else self.icmp_code
        protocol, ports = int(number) if number is not None else 0, (_range(first), _range(second))
        selectors = (Selector(*ends, protocol, *ports) for ends in self._ends)
        return SpdEntry(self.action, tuple(selectors))

    @property
    def _ends(self) -> list[tuple[IpNetwork, IpNetwork]]:
        """Source and destination in every family that neither of them excludes."""
        pairs = ((self.source or all_, self.destination or all_) for all_ in (ANYWHERE, ANYWHERE_6))
        return list(dict.fromkeys(pair for pair in pairs if pair[0].version == pair[1].version))


def _range(ports: int | tuple[int, int] | None) -> PortRange:
    """A port that is named is one, 0 too."""
    if ports is None:
        return ANY_PORT
    return PortRange(*(ports if isinstance(ports, tuple) else (ports, ports)))
