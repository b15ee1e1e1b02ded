"""One connection: an IKE endpoint on the event loop, the SAs it agreed on, and their traffic."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

from conformance.crypto.random import seeded_random
from conformance.ikev1.endpoint import Endpoint
from conformance.ikev1.events import ChildDeleted, ChildInstalled, IsakmpDeleted, IsakmpEstablished
from conformance.ipsec.engine import AuditEvent, DataPlane
from conformance.peer.history import History
from conformance.peer.log import describe_drop, describe_event
from conformance.peer.pinger import Pinger
from conformance.peer.sas import ChildSas, esp_keys, ike_keys, install

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address

    from conformance.crypto.random import RandomSource
    from conformance.ikev1.events import Event
    from conformance.ipsec.ip import Ipv4Packet
    from conformance.ipsec.sad import Sad, SecurityAssociation
    from conformance.peer.requests import Configure, Ping

_log = logging.getLogger(__name__)

_RESERVED_SPIS = 256
"""SPIs below are reserved (RFC 4303 2.1)."""


class CommandError(Exception):
    """A command that cannot be obeyed; the text goes to whoever gave it."""


@dataclass(frozen=True, slots=True)
class Host:
    """What a connection shares with its peer's others."""

    address: IPv4Address
    """The outer address."""
    inner: IPv4Address
    """The address inside tunnels."""
    sad: Sad
    send_datagram: Callable[[bytes, tuple[str, int]], None]
    send_packet: Callable[[bytes, IPv4Address], None]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the lists of a connection ended at some moment."""

    installed: int = 0
    failures: int = 0
    rejections: int = 0
    notifies: int = 0


class Connection:
    """Feeds an endpoint, drains it, and keeps what its events tell.

    Raises LocalError where the settings name an algorithm or deviation that nobody knows.
    """

    def __init__(self, settings: Configure, host: Host) -> None:
        self.settings = settings
        self.history = History()
        self.isakmp: dict[tuple[bytes, bytes], IsakmpEstablished] = {}
        """The ISAKMP SAs that stand, by their cookies, oldest first."""
        self.children: dict[int, ChildSas] = {}
        """The pairs of SAs that stand, by inbound SPI, oldest first."""
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._installed = 0
        self._deleted = 0
        self._closed = False
        self._keys: dict[str, list[dict[str, Any]]] = {"ike": [], "esp": []}
        self._timer: asyncio.TimerHandle | None = None
        self._change = asyncio.Event()
        self._plane = DataPlane(self._random("esp"), host.sad)
        self._pinger = Pinger(int.from_bytes(self._random("echo")(2)))
        self._endpoint = Endpoint(
            settings.config(host.address),
            (str(settings.remote), settings.remote_port),
            random=self._random("ike"),
            spi_allocator=self._spis(self._random("spi")),
            deviations=settings.deviations,
        )

    def __str__(self) -> str:
        return self.settings.name

    def _random(self, purpose: str) -> RandomSource:
        # Both ends of a self-pairing may be given one seed, so the addresses go in as well.
        return seeded_random(
            f"{self.settings.seed} {self._host.address} {self.settings.remote} {purpose}"
        )

    def _spis(self, random: RandomSource) -> Callable[[], int]:
        def allocate() -> int:
            while True:
                spi = int.from_bytes(random(4))
                if spi >= _RESERVED_SPIS and not self._host.sad.find(spi, self._host.address):
                    return spi

        return allocate

    # The runtime: feed, drain, send, re-arm.

    def receive_datagram(self, data: bytes, address: tuple[str, int]) -> None:
        """Feed one UDP datagram of the remote."""
        self._endpoint.receive_datagram(data, address, self._loop.time())
        self._pump()

    def _pump(self) -> None:
        self._drain()
        for data, address in self._endpoint.datagrams_to_send(self._loop.time()):
            self._host.send_datagram(data, address)
        self._drain()
        self._arm()
        self._wake()

    def _wake(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    def _drain(self) -> None:
        while (event := self._endpoint.next_event()) is not None:
            _log.info("%s: %s: %s", self, type(event).__name__, describe_event(event))
            self.history.note(event, time.time())
            self._keep(event)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = self._endpoint.get_timer()
        self._timer = None if due is None else self._loop.call_at(due, self._due)

    def _due(self) -> None:
        self._endpoint.handle_timer(self._loop.time())
        self._pump()

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition holds; False where it did not in time."""
        try:
            async with asyncio.timeout(seconds):
                while not condition() and not self._closed:
                    await self._change.wait()
        except TimeoutError:
            return condition()
        if self._closed:
            raise CommandError(f"{self} was removed meanwhile")
        return True

    # What events change.

    @singledispatchmethod
    def _keep(self, event: Event) -> None:
        """Most events change nothing here."""

    @_keep.register
    def _(self, event: IsakmpEstablished) -> None:
        self.isakmp[event.cookie_i, event.cookie_r] = event
        self._keys["ike"].append(ike_keys(event))

    @_keep.register
    def _(self, event: IsakmpDeleted) -> None:
        self._deleted += self.isakmp.pop((event.cookie_i, event.cookie_r), None) is not None

    @_keep.register
    def _(self, event: ChildInstalled) -> None:
        try:
            child = install(event, self._host.address, self.settings.remote)
        except ValueError as error:
            _log.exception("%s: the data plane cannot carry what was agreed", self)
            self.history.note_failure(f"data plane: {error}", time.time())
            return
        self._host.sad.add(child.inbound)
        self._host.sad.add(child.outbound)
        self.children[event.spi_in] = child
        self._keys["esp"] += [esp_keys(child.inbound), esp_keys(child.outbound)]
        self._installed += 1

    @_keep.register
    def _(self, event: ChildDeleted) -> None:
        child = self.children.pop(event.spi_in, None)
        if child is not None:
            self._uninstall(child)
            self._deleted += 1

    def _uninstall(self, child: ChildSas) -> None:
        self._host.sad.remove(child.inbound)
        self._host.sad.remove(child.outbound)

    def _uninstall_all(self) -> None:
        for child in self.children.values():
            self._uninstall(child)
        self.children.clear()

    # What commands do.

    async def initiate(self, seconds: float) -> dict[str, Any]:
        """Main Mode, then Quick Mode; the outcome once it is known or ``seconds`` are over."""
        mark = Mark(
            self._installed,
            len(self.history.failures),
            len(self.history.rejections),
            len(self.history.notifies),
        )
        self._endpoint.initiate(self._loop.time())
        self._pump()
        return await self.outcome(mark, seconds)

    async def outcome(self, mark: Mark, seconds: float) -> dict[str, Any]:
        """How things have ended since ``mark``: established, or why not; waits for either."""
        history = self.history

        def ended() -> bool:
            return self._installed > mark.installed or len(history.failures) > mark.failures

        in_time = await self._until(ended, seconds)
        established = self._installed > mark.installed
        told = [*history.rejections[mark.rejections :], *history.failures[mark.failures :]]
        reason = told[-1]["reason"] if told else f"no result within {seconds:g} s"
        differing = [fact["divergence"] for fact in told if fact["divergence"]]
        return {
            "established": established,
            "timed_out": not in_time,
            "failure": None if established else reason,
            "notifies": [fact["type"] for fact in history.notifies[mark.notifies :]],
            "divergence": None if established or not differing else differing[-1],
        }

    def terminate(self) -> int:
        """Delete every SA and tell the remote; how many were deleted, ISAKMP SAs included.

        Children whose ISAKMP SA is gone are deleted too, though nothing can say so to the remote.
        """
        before = self._deleted
        self._endpoint.terminate(self._loop.time())
        self._pump()
        for child in self.children.values():
            _log.warning("%s: no ISAKMP SA to delete SPI %#010x by", self, child.inbound.spi)
        self._deleted += len(self.children)
        self._uninstall_all()
        return self._deleted - before

    def close(self) -> None:
        """Forget everything without a word to the remote."""
        if self._timer is not None:
            self._timer.cancel()
        self._uninstall_all()
        self._closed = True
        self._wake()

    @property
    def keys(self) -> dict[str, list[dict[str, Any]]]:
        """Every key since the connection was configured, also of SAs that are gone."""
        return self._keys

    # Traffic.

    async def ping(self, request: Ping) -> tuple[int, int]:
        """Echo requests through the newest SA; (sent, received). CommandError without any SA."""
        if not self.children:
            raise CommandError(f"{self} has no SA")
        child = list(self.children.values())[-1]
        ends = (self._own_address(child), request.target or self._remote_address(child))
        return await self._pinger.ping(
            lambda packet: self._send(packet, child.outbound),
            ends,
            count=request.count,
            size=request.size,
            timeout=request.timeout,
        )

    def receive_inner(self, inner: Ipv4Packet, sa: SecurityAssociation) -> None:
        """Take a packet that came out of one of the inbound SAs; answer an echo request."""
        child = self.children[sa.spi]
        _log.debug("%s: received %s > %s", self, inner.source, inner.destination)
        answer = self._pinger.receive(inner, self._own_address(child))
        if answer is not None:
            self._send(answer, child.outbound)

    def note_drop(self, event: AuditEvent) -> None:
        """Keep a drop of this connection's traffic."""
        _log.warning("%s: %s", self, describe_drop(event))
        self.history.note_drop(event, time.time())

    def _send(self, inner: Ipv4Packet, sa: SecurityAssociation) -> None:
        sent = self._plane.outbound(inner, sa)
        if isinstance(sent, AuditEvent):
            self.note_drop(sent)
            return
        _log.debug("%s: sending %s > %s", self, inner.source, inner.destination)
        self._host.send_packet(sent.wire, sa.destination)

    def _own_address(self, child: ChildSas) -> IPv4Address:
        return {"tunnel": self._host.inner, "transport": self._host.address}[child.inbound.mode]

    def _remote_address(self, child: ChildSas) -> IPv4Address:
        there = child.outbound.selector.destination
        first_host = next(iter(there.hosts()))
        return {"tunnel": first_host, "transport": self.settings.remote}[child.inbound.mode]
