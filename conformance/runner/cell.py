"""One cell: negotiate, pass traffic, look, delete, judge; its ends are configured before."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

from conformance.drivers import Connection, Driver, DriverError, Host
from conformance.drivers.base import Attempt, Role
from conformance.drivers.methods import METHODS
from conformance.lab.addresses import SLOTS
from conformance.matrix.factors import find_factor
from conformance.matrix.plan import Cell, repeat_command
from conformance.runner.account import Account, Story
from conformance.runner.end import End
from conformance.runner.events import EVENTS
from conformance.runner.places import host_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.record.records import Record
    from conformance.runner.capture import Capture, Packet
    from conformance.runner.issued import Issued
    from conformance.runner.stand import Stand

PINGS = 2
"""Echo requests a cell sends through its SAs."""
PING_TIMEOUT = 2.0
"""Seconds for an echo reply."""
SETTLE = 2.0
"""Seconds for the responder to install what the initiator holds, and for both to let go of it."""
CERTIFIED = {
    pair: SLOTS[-1] + 1 + index
    for index, pair in enumerate(
        product(
            ("rsa-sig", "ecdsa-256", "ecdsa-384", "ecdsa-521"), find_factor("certificates").known
        )
    )
}
"""Key and level of ``certificates`` -> a slot that no cell has: its address is certified.

Each has its own, for charon looks for a private key by the identity alone.
"""
LOOKS = 3
"""How often both ends are read before what they hold counts as different."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is the same for every cell of a run."""

    seed: int
    psk: str = field(repr=False)
    timeout: float
    translator: str
    """The address of the NAT that stands in front of an initiator where the cell wants one."""
    issued: Issued
    """The run's certificates."""


def _both(initiator: Stand, responder: Stand) -> Iterator[tuple[Role, Stand, Stand]]:
    """Each end with its role, and the other end."""
    yield "initiator", initiator, responder
    yield "responder", responder, initiator


def _place(stand: Stand, slot: int, cell: Cell, name: str) -> Host:
    """Where one end stands, and what it proves: an address or a name of its own in each cell.

    Certificates are for one address of the container: to import one takes a daemon a second.
    """
    family = cell.combination["family"]
    key, level = METHODS[cell.combination["auth"]].key, cell.combination["certificates"]
    certified = key and host_of(stand.number, CERTIFIED[key, level], family).address
    return replace(
        host_of(stand.number, slot, family),
        certified=certified,
        key_id=name if stand.named else None,
    )


def _seen_from(role: Role, other: Host, cell: Cell, translator: str) -> Host:
    """The other end's host as the end in this role sees it: the initiator's behind the NAT."""
    if role == "initiator" or cell.combination["nat"] == "none":
        return other
    return replace(other, address=translator, own_address=other.address)


def _belong_together(first: End, second: End) -> bool:
    """Whether what was read of the two is one pair of SAs, not two with a rekey in between."""
    ours, theirs = first.held.child, second.held.child
    if ours is None or theirs is None:
        return False
    return (ours.spi_in, ours.spi_out) == (theirs.spi_out, theirs.spi_in)


class CellRun:
    """A cell from its connections to its record; ``slot`` gives it addresses of its own."""

    def __init__(
        self,
        cell: Cell,
        slot: int,
        stands: tuple[Stand, Stand],
        capture: Capture,
        settings: Settings,
    ) -> None:
        self.cell = cell
        self.seed = zlib.crc32(f"{settings.seed}/{cell.id}".encode())
        self._run_seed = settings.seed
        self._timeout, self._translator = settings.timeout, settings.translator
        name = f"c{self.seed:08x}"
        hosts = {stand.number: _place(stand, slot, cell, name) for stand in stands}
        first, second = (hosts[stand.number].identity for stand in stands)
        self.ends = tuple(
            End(
                role,
                mine,
                Connection(
                    name=name,
                    role=role,
                    local=hosts[mine.number],
                    remote=_seen_from(role, hosts[other.number], cell, settings.translator),
                    combination=cell.combination,
                    psk=settings.psk,
                    **settings.issued.papers(role, (first, second), cell.combination)._asdict(),
                    seed=zlib.crc32(f"{self.seed}/{role}".encode()),
                ),
            )
            for role, mine, other in _both(*stands)
        )
        self.initiator, self.responder = self.ends
        self._account = Account(cell, self.seed, capture)

    @property
    def _wire_addresses(self) -> tuple[str, str]:
        """Initiator and responder as the responder's side of the wire shows them."""
        return self.responder.connection.remote.address, self.responder.connection.local.address

    def refuse(self, role: Role, words: str) -> None:
        """Note that a peer does not take its connection; the cell will not negotiate."""
        end = self.initiator if role == "initiator" else self.responder
        end.loaded, end.attempt = False, Attempt(established=False, failure=words)

    def run(self, initiator: Driver, responder: Driver) -> tuple[Record, dict[str, bytes]]:
        """Run the cell; whatever breaks on the suite's side is in the record, never raised."""
        self._begin()
        for end, driver in zip(self.ends, (initiator, responder), strict=True):
            end.begin(driver)
        try:
            self._go()
        except DriverError as error:
            self._account.error = self._with_last_words(str(error))
        self._look_whether_alive()
        made = self._record()
        for end in self.ends:
            end.end()
        return made

    def lost(self, words: str) -> tuple[Record, dict[str, bytes]]:
        """The record of a cell that a peer was not there for."""
        self._begin()
        self._account.error = words
        return self._record()

    def _begin(self) -> None:
        self._account.begin()
        self._account.split["configure"] = round(sum(end.stand.share for end in self.ends), 4)

    def _with_last_words(self, words: str) -> str:
        logs = [f"{end.stand.peer} logged last: {end.last_words()}" for end in self.ends]
        return "; ".join([words, *logs])

    def _look_whether_alive(self) -> None:
        dead = [end for end in self.ends if not end.peer.alive()]
        self._account.alive = not dead
        for end in dead:
            what = f"{end.stand.peer} ended or is another process; it logged last"
            self._account.error = f"{what}: {end.last_words()}"

    def _record(self) -> tuple[Record, dict[str, bytes]]:
        packets = self._packets()
        first, second = self._wire_addresses
        story = Story(
            ends=self.ends,
            states=(self.initiator.state(first), self.responder.state(second)),
            addresses=(first, second),
            attempts=[end.attempt for end in self.ends],
            repeat=repeat_command(self.cell, self._run_seed),
            logs_delete=lambda: self.responder.peer.logged_delete(self.responder.log),
        )
        return self._account.record(story, packets, packets)

    def _go(self) -> None:
        try:
            if all(end.loaded for end in self.ends):
                self._choose_path()
                self._negotiate_and_look()
        finally:
            with self._account.step("cleanup"):
                self._clean_up()

    def _clean_up(self) -> None:
        for end in self.ends:
            if end.loaded:
                end.peer.remove([end.connection])
        if self._translated:
            self.initiator.peer.reach_directly(self._wire_addresses[1])

    @property
    def _translated(self) -> bool:
        return self.cell.combination["nat"] != "none"

    def _choose_path(self) -> None:
        if self._translated:
            self.initiator.peer.reach_over(self._translator, self._wire_addresses[1])

    def _negotiate_and_look(self) -> None:
        first, second = self.ends
        with self._account.step("negotiate"):
            first.attempt = first.peer.initiate(first.connection, self._timeout)
            if first.attempt.established:
                second.peer.await_child(second.connection, SETTLE)
        if first.attempt.established:
            with self._account.step("traffic"):
                self._ping()
        with self._account.step("observe"):
            self._observe()
        if first.attempt.established and self.cell.combination["event"] in EVENTS:
            with self._account.step("event"):
                self._go_through(self.cell.combination["event"])
        with self._account.step("teardown"):
            first.peer.terminate(first.connection, SETTLE)
            if first.attempt.established:
                gone = [end.peer.await_gone(end.connection, SETTLE) for end in self.ends]
                self._account.deleted = all(gone)

    def _ping(self) -> None:
        first = self.initiator
        self._account.count(*first.peer.ping(first.connection, PINGS, PING_TIMEOUT))

    def _go_through(self, event: str) -> None:
        """Let happen what the cell asks for, then ping and look again."""
        self._account.miss(event, EVENTS[event](self.ends))
        self._ping()
        for _ in range(LOOKS):
            self._observe()
            if _belong_together(*self.ends):
                break

    def _observe(self) -> None:
        for end in self.ends:
            end.observe()
            self._account.learn(end.held)
        second = self.responder
        second.attempt = second.peer.outcome(second.connection, second.held, second.log)

    def _packets(self) -> list[Packet]:
        inside = [end.connection.local.inner_address for end in self.ends]
        return self._account.packets([*self._wire_addresses, *inside])
