"""The IPsec boundary of one host: what crosses it, as policies and SAs say (RFC 4301 3.1).

``DataPlane`` applies the SAs that it is told to; this decides which, and whether any at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ipsec.crossing import Event, Site
from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import DataPlane
from conformance.ipsec.inbound import Inbound
from conformance.ipsec.outbound import Outbound

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection

    from conformance.crypto.random import RandomSource
    from conformance.ipsec.flow import Way
    from conformance.ipsec.packet import Address
    from conformance.ipsec.sad import Sad
    from conformance.ipsec.spd import Spd

__all__ = ["Boundary", "Event"]


class Boundary:
    """Takes packets from either side, and says which leave on the other.

    ``addresses`` are the host's own on the unprotected side, ``mtu`` is of its link there; with
    ``forwards`` it is a gateway, which takes a hop of what others send. ``now`` is a moment of one
    clock, in seconds, which never goes back.
    """

    def __init__(
        self,
        spd: Spd,
        addresses: Collection[Address],
        *,
        random: RandomSource,
        sad: Sad | None = None,
        mtu: int = 1500,
        forwards: bool = False,
    ) -> None:
        self._site = Site(spd, DataPlane(random, sad), frozenset(addresses), mtu)
        self._ways = Outbound(self._site, forwards=forwards), Inbound(self._site)
        self.outbound: Way = self._ways[0].cross
        """Takes a packet from the protected side; gives the packets that leave for the network."""
        self.inbound: Way = self._ways[1].cross
        """Takes a packet from the network; gives what arrives on the protected side."""

    @property
    def sad(self) -> Sad:
        """The SAs that stand; the owner adds and removes them."""
        return self._site.plane.sad

    @property
    def spd(self) -> Spd:
        """The policies; the owner may exchange them."""
        return self._site.spd

    @spd.setter
    def spd(self, spd: Spd) -> None:
        self._site.spd = spd
        for way in self._ways:
            way.forget()

    @property
    def counters(self) -> Counter[DropReason]:
        """How many packets were dropped, by reason."""
        return self._site.counters

    def next_event(self) -> Event | None:
        """What happened since this was last asked, or None."""
        if self._site.events:
            return self._site.events.popleft()
        return self._site.plane.next_event()

    def get_timer(self) -> float | None:
        """When ``handle_timer`` wants to be called, or None."""
        timers = self._site.plane.get_timer(), self._site.reassembly.deadline
        return min((one for one in timers if one is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Let end what has lasted long enough: lifetimes, and packets that never became whole."""
        self._site.plane.handle_timer(now)
        for first in self._site.reassembly.expire(now):
            self._site.refuse(DropReason.IN_REASSEMBLY, first, "never became whole")
