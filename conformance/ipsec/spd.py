"""The Security Policy Database: what happens to a packet at the boundary (RFC 4301 4.4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from conformance.ipsec.index import SelectorIndex
from conformance.ipsec.ip import Protocol
from conformance.ipsec.selector import EVERYTHING, Field, Selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from conformance.ipsec.association import Bundle, Mode
    from conformance.ipsec.packet import Address, Packet

Action = Literal["protect", "bypass", "discard"]
Way = Literal["out", "in"]
"""Across the boundary, from the protected side or to it."""


@dataclass(frozen=True, slots=True)
class Template:
    """How an entry wants packets to be protected (RFC 4301 4.4.1.2, processing info)."""

    mode: Mode = "tunnel"
    ends: tuple[Address, Address] | None = None
    """Outer source and destination, outbound; None where any will do, as in transport mode."""
    protocols: tuple[int, ...] = (Protocol.ESP,)
    """Outermost first; IPComp may be absent from a packet that does not become smaller."""

    def fits(self, bundle: Bundle) -> bool:
        """Whether the bundle protects so, whichever its direction."""
        sas, mine = bundle.sas, bundle.inner
        ends = (mine.source, mine.destination)
        if mine.direction == "in":
            ends = ends[::-1]
        return (
            mine.mode == self.mode
            and tuple(sa.protocol for sa in sas) == self.protocols
            and self.ends in (None, ends)
        )


@dataclass(frozen=True, slots=True)
class SpdEntry:
    """One entry; its selectors are those of packets that leave, of which one must fit."""

    action: Action
    selectors: tuple[Selector, ...] = (EVERYTHING,)
    templates: tuple[Template, ...] = (Template(),)
    """Of what is protected: the innermost first, where SAs are nested (RFC 4301 Appendix E)."""
    populate: frozenset[Field] = field(default_factory=frozenset)
    """What new SAs take from the packet that wants them, PFP (RFC 4301 4.4.1.2)."""
    ways: tuple[Way, ...] = ("out", "in")
    """Traffic that is let through or discarded may be meant one way alone (RFC 4301 4.4.1)."""
    name: str = ""
    """For people."""

    def selector_for(self, packet: Packet, ports: tuple[int, int] | None = None) -> Selector:
        """What SAs that come about for an outbound packet shall carry (RFC 4301 5.1, step 3).

        The packet is one that the entry decides on; ``ports``, where they are known from elsewhere.
        """
        fitting = (one for one in self.selectors if one.covers(packet, ports))
        return next(fitting, self.selectors[0]).narrowed(packet, self.populate, ports)

    def wants(self, passed: Sequence[Bundle]) -> bool:
        """Whether a packet that these bundles brought, outermost first, was protected as due."""
        return (
            self.action == "protect"
            and len(passed) == len(self.templates)
            and all(map(Template.fits, self.templates, reversed(passed)))
        )


class Spd:
    """Entries in order, of which the first that fits decides; what fits none is discarded."""

    def __init__(self, entries: Iterable[SpdEntry] = ()) -> None:
        self._entries = tuple(entries)
        self._indices: dict[Way, SelectorIndex[SpdEntry]] = {
            "out": SelectorIndex(),
            "in": SelectorIndex(),
        }
        for rank, entry in enumerate(self._entries):
            for way in entry.ways:
                for one in entry.selectors:
                    selector = one if way == "out" else one.mirrored
                    self._indices[way].add(selector, rank, entry)

    def __iter__(self) -> Iterator[SpdEntry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(
        self, packet: Packet, way: Way = "out", ports: tuple[int, int] | None = None
    ) -> SpdEntry | None:
        """The entry that decides on a packet in the clear; None discards it.

        ``ports``, where they are known from elsewhere than the packet (RFC 4301 7.3).
        """
        return self._indices[way].find(packet, ports)

    def decide(self, packet: Packet, way: Way = "out") -> Action:
        """What happens to a packet."""
        entry = self.find(packet, way)
        return entry.action if entry else "discard"
