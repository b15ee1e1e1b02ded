"""An IKE endpoint on the event loop: datagrams and time in, datagrams and events out."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from conformance.ikev1.endpoint import Endpoint
from conformance.ipsec.udp import kind_of
from conformance.peer.facts import (
    FragmentReceived,
    FragmentSent,
    KeepaliveReceived,
    KeepaliveSent,
)
from conformance.peer.history import History
from conformance.peer.host import CommandError
from conformance.peer.log import describe_event
from conformance.peer.natt_port import belongs_here, carries_fragment
from conformance.peer.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.crypto.random import RandomSource
    from conformance.ikev1.events import Event
    from conformance.peer.facts import PeerEvent
    from conformance.peer.host import Address, Host
    from conformance.peer.requests import Configure

_log = logging.getLogger(__name__)


class Runtime(ABC):
    """Feeds an endpoint, drains it, sends what it says and wakes it when it asks to be."""

    def __init__(
        self,
        settings: Configure,
        host: Host,
        random: RandomSource,
        allocate_spi: Callable[[], int],
    ) -> None:
        self.settings = settings
        self.history = History()
        self.listeners: list[Callable[[Event | PeerEvent], None]] = []
        """Called with every event, after what it changes here has changed."""
        self.host = host
        self.source: Address | None = None
        """Where the datagram came from that is being taken; None between datagrams."""
        self.loop = asyncio.get_running_loop()
        self.endpoint = Endpoint(
            settings.config(host.address),
            (str(settings.remote), settings.remote_port),
            random=random,
            local=(str(host.address), host.ike_port),
            spi_allocator=allocate_spi,
            deviations=settings.deviations,
        )
        self._closed = False
        self._change = asyncio.Event()
        self._timer = Timer(self.endpoint.get_timer, self._due)

    def __str__(self) -> str:
        return self.settings.name

    @abstractmethod
    def keep(self, event: Event | PeerEvent) -> None:
        """Change whatever the event changes."""

    def receive_datagram(self, data: bytes, address: Address) -> None:
        """Feed one UDP datagram of the remote; one from port 4500 has its marker."""
        if kind_of(data) == "keepalive":
            self.note(KeepaliveReceived(address))
        elif carries_fragment(data):
            self.note(FragmentReceived(address, len(data)))
        self.source = address
        self.endpoint.receive_datagram(data, address, self.loop.time())
        self._drain()
        self.source = None
        self.pump()

    def pump(self) -> None:
        """Take what the endpoint has to say; needed after every call of it."""
        self._drain()
        for data, address in self.endpoint.datagrams_to_send(self.loop.time()):
            if kind_of(data) == "keepalive":
                self.note(KeepaliveSent(address))
            elif carries_fragment(data):
                self.note(FragmentSent(address, len(data)))
            here = belongs_here(data, address, self.settings.remote_port)
            send = self.host.send_from_natt_port if here else self.host.send_from_ike_port
            send(data, address)
        self._drain()
        self._timer.arm()
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._change.set()
        self._change = asyncio.Event()

    def _drain(self) -> None:
        while (event := self.endpoint.next_event()) is not None:
            self.note(event)

    def note(self, event: Event | PeerEvent) -> None:
        """Log an event, keep it, obey it, pass it on."""
        _log.info("%s: %s: %s", self, type(event).__name__, describe_event(event))
        self.history.note(event, time.time())
        self.keep(event)
        self.tell(event)

    def tell(self, event: Event | PeerEvent) -> None:
        """Pass an event on to whoever listens."""
        for listener in tuple(self.listeners):
            listener(event)

    def note_failure(self, reason: str) -> None:
        """Keep a failure that no exchange tells of."""
        self.history.note_failure(reason, time.time())

    def count(self, spi: int, octets: int) -> None:
        """Tell the endpoint of a packet that an SA carried."""
        self.endpoint.note_traffic(spi, octets, self.loop.time())
        self._timer.arm()

    def _due(self) -> None:
        self.endpoint.handle_timer(self.loop.time())
        self.pump()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition holds; False where it did not in time.

        Raises CommandError where the connection is closed meanwhile.
        """
        try:
            async with asyncio.timeout(seconds):
                while not condition() and not self._closed:
                    await self._change.wait()
        except TimeoutError:
            return condition()
        if self._closed:
            raise CommandError(f"{self} was removed meanwhile")
        return True

    def close(self) -> None:
        """Forget everything without a word to the remote."""
        self._timer.cancel()
        self._closed = True
        self.wake()
