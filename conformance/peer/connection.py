"""One connection: the SAs that its endpoint agreed on, their traffic, and what commands do."""

from __future__ import annotations

import logging
import time
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

from conformance.crypto.random import seeded_random
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    ConfigurationReceived,
    IsakmpDeleted,
    IsakmpEstablished,
    NotifyReceived,
    PathProbed,
    PeerAuthenticated,
    PeerDead,
    UserAuthenticated,
)
from conformance.ikev1.mode_config import address_of
from conformance.peer.facts import MappingChanged
from conformance.peer.log import describe_drop
from conformance.peer.outcome import Mark
from conformance.peer.runtime import Runtime
from conformance.peer.sas import ike_keys, sa_keys
from conformance.peer.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.crypto.random import RandomSource
    from conformance.ikev1.events import Event
    from conformance.ipsec.engine import AuditEvent
    from conformance.peer.facts import PeerEvent
    from conformance.peer.host import Address, Host
    from conformance.peer.requests import Configure

_log = logging.getLogger(__name__)

_RESERVED_SPIS = 256
"""SPIs below are reserved (RFC 4303 2.1)."""


class Connection(Runtime):
    """Keeps what the events tell.

    Raises LocalError where the settings name an algorithm or deviation that nobody knows.
    """

    def __init__(self, settings: Configure, host: Host) -> None:
        self.isakmp: dict[tuple[bytes, bytes], IsakmpEstablished] = {}
        """The ISAKMP SAs that stand, by their cookies, oldest first."""
        self.keys: dict[str, list[dict[str, Any]]] = {"ike": [], "esp": []}
        """Every key since the connection was configured, also of SAs that are gone."""
        self._succeeded = 0
        self._deleted = 0

        def random(purpose: str) -> RandomSource:
            # Both ends of a self-pairing may be given one seed, so the addresses go in as well.
            return seeded_random(f"{settings.seed} {host.address} {settings.remote} {purpose}")

        super().__init__(settings, host, random("ike"), _spis(host, random("spi")))
        self.traffic = Traffic(
            host, settings.remote, random, count=self.count, note_drop=self.note_drop
        )

    # What events change.

    @singledispatchmethod
    def keep(self, event: Event | PeerEvent) -> None:
        """Most events change nothing here."""

    @keep.register
    def _(self, event: IsakmpEstablished) -> None:
        self.isakmp[event.cookie_i, event.cookie_r] = event
        self.keys["ike"].append(ike_keys(event))

    @keep.register
    def _(self, event: IsakmpDeleted) -> None:
        self._deleted += self.isakmp.pop((event.cookie_i, event.cookie_r), None) is not None
        if event.by_peer and not self._succeeded:
            self.note_failure("the remote deleted the ISAKMP SA")

    @keep.register
    def _(self, event: ChildInstalled) -> None:
        if event.udp_encapsulation and self.source is not None:
            self.heard(self.source, agreed=True)
        try:
            child = self.traffic.install(event)
        except ValueError as error:
            _log.exception("%s: the data plane cannot carry what was agreed", self)
            self.note_failure(f"data plane: {error}")
            return
        self.keys["esp"] += sa_keys(child)
        self._succeeded += 1

    @keep.register
    def _(self, event: PeerAuthenticated) -> None:
        del event
        self._succeeded += 1

    @keep.register
    def _(self, event: ChildDeleted) -> None:
        self._deleted += self.traffic.uninstall(event.spi_in)

    @keep.register
    def _(self, event: NotifyReceived) -> None:
        if event.protected and self.source is not None:
            self.heard(self.source)

    @keep.register
    def _(self, event: PathProbed) -> None:
        self.traffic.path.probed(event)

    @keep.register
    def _(self, event: UserAuthenticated) -> None:
        if not event.accepted:
            self.note_failure(str(event))

    @keep.register
    def _(self, event: PeerDead) -> None:
        self.note_failure(str(event))

    @keep.register
    def _(self, event: ConfigurationReceived) -> None:
        given = address_of(event.values)
        if given is not None:
            self.traffic.inner = given

    def heard(self, source: Address, *, agreed: bool = False) -> None:
        """Something authentic came from there to the NAT-T port."""
        before = self.traffic.path.heard(source, agreed=agreed)
        if before is not None:
            self.note(MappingChanged(before, source))

    def note_drop(self, event: AuditEvent) -> None:
        """Keep a drop of this connection's traffic."""
        _log.warning("%s: %s", self, describe_drop(event))
        self.history.note_drop(event, time.time())
        self.tell(event)

    # What commands do.

    async def initiate(self, seconds: float) -> dict[str, Any]:
        """Phase 1, then Quick Mode; the outcome once it is known or ``seconds`` are over."""
        mark = Mark.at(self.history, self._succeeded)
        self.endpoint.initiate(self.loop.time())
        self.pump()
        return await self.outcome(mark, seconds)

    async def establish(self, seconds: float) -> dict[str, Any]:
        """As initiate(), but with Quick Mode alone where an ISAKMP SA stands."""
        if not self.isakmp:
            return await self.initiate(seconds)
        mark = Mark.at(self.history, self._succeeded)
        self.endpoint.start_quick_mode(self.loop.time())
        self.pump()
        return await self.outcome(mark, seconds)

    async def outcome(self, mark: Mark, seconds: float) -> dict[str, Any]:
        """How things have ended since ``mark``: established, or why not; waits for either."""
        in_time = await self.until(lambda: mark.has_ended(self.history, self._succeeded), seconds)
        return mark.outcome(self.history, self._succeeded, in_time=in_time, seconds=seconds)

    def terminate(self) -> int:
        """Delete every SA and tell the remote; how many were deleted, ISAKMP SAs included.

        Children whose ISAKMP SA is gone are deleted too, though nothing can say so to the remote.
        """
        before = self._deleted
        self.endpoint.terminate(self.loop.time())
        self.pump()
        for child in self.traffic.children.values():
            _log.warning("%s: no ISAKMP SA to delete SPI %#010x by", self, child.inbound.outer.spi)
        self._deleted += self.traffic.clear()
        return self._deleted - before

    def close(self) -> None:
        """Forget everything without a word to the remote."""
        self.traffic.clear()
        super().close()


def _spis(host: Host, random: RandomSource) -> Callable[[], int]:
    def allocate() -> int:
        while True:
            spi = int.from_bytes(random(4))
            if spi >= _RESERVED_SPIS and not host.sad.find(spi, host.address):
                return spi

    return allocate
