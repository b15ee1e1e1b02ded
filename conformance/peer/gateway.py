"""The host's packets between a TUN device and a connection, as its policies say.

RFC 4301 4.4.1 and 5.1: a packet that is to be protected and finds no SA makes one be negotiated.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from ipaddress import IPv6Network
from typing import TYPE_CHECKING

from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import ChildInstalled
from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import AuditEvent
from conformance.ipsec.ip import MalformedPacketError
from conformance.ipsec.packet import parse_packet
from conformance.peer.facts import TrafficTrapped
from conformance.peer.host import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.events import Event
    from conformance.ipsec.packet import Packet
    from conformance.ipsec.spd import Spd
    from conformance.peer.connection import Connection
    from conformance.peer.facts import PeerEvent

QUEUE = 64
"""Packets that may wait for an SA."""
HOLD_OFF = 5.0
"""Seconds after a negotiation in vain before traffic begins another."""
_IPV6 = 6
_LINK_SCOPE = IPv6Network("ff02::/16")
"""Multicast addresses that stay on their link (RFC 4291 2.7)."""

_log = logging.getLogger(__name__)


class Gateway:
    """Decides on every packet that the host gives.

    ``bypass`` sends one in the clear; with ``traps``, traffic begins negotiations, which may
    take ``patience`` seconds.
    """

    def __init__(
        self,
        connection: Connection,
        spd: Spd,
        bypass: Callable[[Packet], None],
        *,
        traps: bool,
        patience: float,
    ) -> None:
        self._connection = connection
        self.spd = spd
        """May be exchanged, when Mode Config gives another address."""
        self._bypass = bypass
        self._traps = traps
        self._patience = patience
        self._waiting: deque[Packet] = deque()
        self._negotiation: asyncio.Task[None] | None = None
        self._not_before = float("-inf")
        connection.listeners.append(self._listen)

    def leave(self, octets: bytes) -> None:
        """Take a packet that the host wants to send."""
        try:
            packet = parse_packet(octets)
        except MalformedPacketError as error:
            _log.warning("the host sent a packet that is none: %s", error)
            return
        if _stays_on_link(packet):
            return
        action = self.spd.decide(packet)
        {"protect": self._protect, "bypass": self._bypass, "discard": self._discard}[action](packet)

    def _discard(self, packet: Packet, why: str = "as the policies say") -> None:
        ends = (packet.source, packet.destination)
        event = AuditEvent(DropReason.OUT_POLICY, why, None, None, *ends)
        self._connection.note_drop(event)

    def _protect(self, packet: Packet) -> None:
        if self._connection.traffic.carrier(packet):
            self._connection.traffic.send(packet)
        elif not self._traps:
            self._discard(packet, "no SA, and the remote has to begin")
        elif self._now < self._not_before:
            self._discard(packet, "no SA, and a negotiation has just brought none")
        elif len(self._waiting) >= QUEUE:
            self._discard(packet, f"{QUEUE} packets wait for an SA already")
        else:
            self._waiting.append(packet)
            self._begin(packet)

    @property
    def _now(self) -> float:
        return self._connection.loop.time()

    def _begin(self, packet: Packet) -> None:
        if self._negotiation is None:
            self._connection.note(
                TrafficTrapped(str(packet.source), str(packet.destination), packet.protocol)
            )
            self._negotiation = asyncio.create_task(self._negotiate())

    async def _negotiate(self) -> None:
        try:
            outcome = await self._connection.establish(self._patience)
            established = bool(outcome["established"])
        except (CommandError, LocalError) as error:
            _log.warning("%s: %s", self._connection, error)
            established = False
        self._negotiation = None
        if not established:
            self._not_before = self._now + HOLD_OFF
            while self._waiting:
                self._discard(self._waiting.popleft(), "no SA came about")

    def _listen(self, event: Event | PeerEvent) -> None:
        # The message that ends Quick Mode leaves first, lest the packets overtake it.
        if isinstance(event, ChildInstalled):
            self._connection.loop.call_soon(self._flush)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for packet in waiting:
            if self._connection.traffic.carrier(packet):
                self._connection.traffic.send(packet)
            else:  # and another negotiation would bring no other
                self._not_before = self._now + HOLD_OFF
                self._discard(packet, "the SA does not cover it")

    def close(self) -> None:
        """Negotiate no more."""
        if self._negotiation is not None:
            self._negotiation.cancel()
        self._connection.listeners.remove(self._listen)


def _stays_on_link(packet: Packet) -> bool:
    """Whether it is the kernel's own IPv6 chatter on a new link (RFC 4861, RFC 3810)."""
    source = packet.source
    nobody = source.version == _IPV6 and (source.is_link_local or source.is_unspecified)
    return nobody or packet.destination in _LINK_SCOPE
