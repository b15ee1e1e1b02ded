"""The SAs of one connection, the packets that they carry, and who wants those that come out.

RFC 4301 5, RFC 3948 3.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.ipsec.engine import AuditEvent, DataPlane
from conformance.ipsec.ip import Ipv4Packet
from conformance.peer.host import CommandError
from conformance.peer.natt_port import NON_IKE_MARKER, UdpPath
from conformance.peer.pinger import Pinger
from conformance.peer.sas import ChildSas, first_host, install, network_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.crypto.random import RandomSource
    from conformance.ikev1.events import ChildInstalled
    from conformance.ipsec.engine import Accepted, Protected
    from conformance.ipsec.packet import Address, Packet
    from conformance.peer.host import Host
    from conformance.peer.requests import Ping

_log = logging.getLogger(__name__)


class Traffic:
    """Protects what leaves by the newest SA that covers it, and accepts what any of them brings.

    ``count`` is told the SPI and the octets of each inner packet, ``note_drop`` every drop.
    """

    def __init__(
        self,
        host: Host,
        remote: Address,
        random: Callable[[str], RandomSource],
        *,
        count: Callable[[int, int], None],
        note_drop: Callable[[AuditEvent], None],
    ) -> None:
        self.children: dict[int, ChildSas] = {}
        """The pairs of SAs that stand, by inbound SPI, oldest first."""
        self.path = UdpPath()
        self.deliver: Callable[[Packet], None] | None = None
        """Takes what comes out of the tunnel; without it, echo requests to us are answered."""
        self.inner = host.inner
        """Our address inside tunnels that cover it, in others the first one that they cover."""
        self._host = host
        self._remote = remote
        self._count = count
        self._note_drop = note_drop
        self._identification = 0
        self._plane = DataPlane(random("esp"), host.sad)
        self._pinger = Pinger(int.from_bytes(random("echo")(2)))

    def install(self, event: ChildInstalled) -> ChildSas:
        """A new pair of SAs stands; raises ValueError where the data plane cannot carry it."""
        child = install(event, self._host.address, self._remote)
        self._host.sad.add(child.inbound)
        try:
            self._host.sad.add(child.outbound)
        except ValueError:  # the remote named an SPI twice
            self._host.sad.remove(child.inbound)
            raise
        self.children[event.spi_in] = child
        return child

    def uninstall(self, spi_in: int) -> bool:
        """A pair of SAs is gone; whether it stood."""
        child = self.children.pop(spi_in, None)
        if child is not None:
            self._host.sad.remove(child.inbound)
            self._host.sad.remove(child.outbound)
        return child is not None

    def clear(self) -> int:
        """All are gone; how many stood."""
        return sum(self.uninstall(spi_in) for spi_in in list(self.children))

    def carrier(self, inner: Packet) -> ChildSas | None:
        """The newest pair that covers a packet which is to leave."""
        pairs = reversed(self.children.values())
        return next((pair for pair in pairs if pair.outbound.inner.selector.covers(inner)), None)

    def send(self, inner: Packet) -> None:
        """Protect a packet and send it; a drop where nothing covers it."""
        child = self.carrier(inner) or next(reversed(self.children.values()), None)
        if child is None:
            raise CommandError("there is no SA")
        sent = self._plane.outbound(self._identified(inner), child.outbound)
        if isinstance(sent, AuditEvent):
            self._note_drop(sent)
            return
        _log.debug("sending %s > %s", inner.source, inner.destination)
        try:
            self._leave(sent, child)
        except OSError as error:
            _log.warning("cannot send %d octets: %s", len(sent.wire), error)
            return
        self._count(sent.sa.spi, inner.total_length)

    def _identified(self, inner: Packet) -> Packet:
        """With an identification: the kernel would give one that AH does not know of (raw(7))."""
        if not isinstance(inner, Ipv4Packet) or inner.identification:
            return inner
        self._identification = self._identification % 0xFFFF + 1
        return replace(inner, identification=self._identification)

    def _leave(self, sent: Protected, child: ChildSas) -> None:
        if sent.datagram is None:
            self._host.send_packet(sent.wire, self._remote)
        elif self.path.address is None:
            _log.warning("cannot send in UDP before the remote was heard")
        elif child.agreed.non_ike_marker:
            self._host.send_from_ike_port(NON_IKE_MARKER + sent.datagram, self.path.address)
        else:
            self._host.send_from_natt_port(sent.datagram, self.path.address)

    def receive(self, accepted: Accepted) -> None:
        """Take a packet that came out of one of the inbound SAs."""
        inner, spi = accepted.inner, accepted.sa.spi
        _log.debug("received %s > %s", inner.source, inner.destination)
        self._count(spi, inner.total_length)
        if self.deliver is not None:
            self.deliver(inner)
            return
        # The count may just have ended the SA that brought it.
        child = self.children.get(spi)
        answer = self._pinger.receive(inner, self._own_address(child)) if child else None
        if answer is not None:
            self.send(answer)

    async def ping(self, request: Ping) -> tuple[int, int]:
        """Echo requests through the newest SA; (sent, received). CommandError without any SA."""
        if not self.children:
            raise CommandError(f"{request.name} has no SA")
        child = next(reversed(self.children.values()))
        ends = (self._own_address(child), request.target or self._remote_address(child))
        return await self._pinger.ping(
            self.send, ends, count=request.count, size=request.size, timeout=request.timeout
        )

    def _own_address(self, child: ChildSas) -> Address:
        here = network_of(child.agreed.local_selector)
        inner = self.inner if self.inner in here else first_host(here)
        return {"tunnel": inner, "transport": self._host.address}[child.mode]

    def _remote_address(self, child: ChildSas) -> Address:
        there = network_of(child.agreed.remote_selector)
        return {"tunnel": first_host(there), "transport": self._remote}[child.mode]
