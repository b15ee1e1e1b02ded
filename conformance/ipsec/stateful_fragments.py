"""What first fragments tell of those that follow without ports (RFC 4301 7.3, 7.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.fragments import FragmentKey, key_of
from conformance.ipsec.selector import ports_of

if TYPE_CHECKING:
    from conformance.ipsec.packet import Packet


class Ports(NamedTuple):
    """What a policy is chosen by and a later fragment does not show."""

    protocol: int
    """The next layer protocol, which an IPv6 fragment may not show either."""
    source: int
    """The source port; the type of ICMP or of a mobility header."""
    destination: int
    """The destination port; the code of ICMP."""


class StatefulFragments:
    """The ports of packets whose first fragment has passed; of the newest, for a while."""

    def __init__(self, limit: int = 1024, seconds: float = 60.0) -> None:
        self._limit = limit
        self._seconds = seconds
        self._known: dict[FragmentKey, tuple[Ports, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def remember(self, packet: Packet, ports: Ports, now: float) -> None:
        """Note what a first fragment showed; any other packet leaves nothing behind."""
        if packet.fragment_offset or not packet.more_fragments:
            return
        self._known.pop(key_of(packet), None)
        self._known[key_of(packet)] = (ports, now)
        if len(self._known) > self._limit:
            del self._known[next(iter(self._known))]

    def ports_of(self, fragment: Packet, now: float) -> Ports | None:
        """What the first fragment of this one's packet showed; None where none has passed."""
        ports, then = self._known.get(key_of(fragment), (None, 0.0))
        return ports if now - then < self._seconds else None

    def look(self, packet: Packet, now: float) -> tuple[int, int]:
        """The ports that a packet shows or, of a later fragment, that the first one has shown."""
        known = self.ports_of(packet, now) if packet.fragment_offset else None
        return (known.source, known.destination) if known else ports_of(packet)

    def named(self, packet: Packet, now: float) -> Packet:
        """A later fragment under the protocol of its packet: IPv6's may show another number."""
        known = self.ports_of(packet, now) if packet.fragment_offset else None
        return replace(packet, protocol=known.protocol) if known else packet

    def note(self, packet: Packet, now: float) -> None:
        """Remember what a first fragment shows, now that it has been let through."""
        if packet.more_fragments:
            self.remember(packet, Ports(packet.protocol, *ports_of(packet)), now)
