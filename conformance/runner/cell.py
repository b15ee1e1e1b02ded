"""One cell: negotiate, pass traffic, look, delete, judge; its ends are configured before."""

from __future__ import annotations

import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING

from conformance.drivers import Connection, Driver, DriverError, Host
from conformance.drivers.base import Attempt, Held, Role
from conformance.drivers.methods import METHODS
from conformance.lab.addresses import SLOTS
from conformance.matrix.factors import find_factor
from conformance.matrix.plan import Cell, repeat_command
from conformance.record.records import (
    Divergence,
    EndState,
    Observation,
    Record,
    Traffic,
    make_record,
)
from conformance.record.verdicts import judge
from conformance.runner.dissect import WireMessage, dissect
from conformance.runner.events import EVENTS
from conformance.runner.evidence import CellEvidence
from conformance.runner.places import host_of
from conformance.runner.proofs import unproven
from conformance.runner.traffic import read_traffic
from conformance.runner.wire import deletes_seen, wire_notifies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.record.wireshark import EspKey, IkeKey
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
LAST_LINES = 5
"""Lines of its log that are quoted of a peer that died or does not answer."""
DRAIN = 0.03
"""Seconds for the last packets to reach the capture's thread."""


NOTHING = Held(None, None, [], [])
"""What an end is taken to hold before it was asked."""


@dataclass(slots=True)
class End:
    """One end of a cell while it runs."""

    role: Role
    stand: Stand
    connection: Connection
    driver: Driver | None = None
    """The channel to the peer while the cell runs."""
    mark: int = 0
    loaded: bool = True
    """Whether the peer took the connection."""
    attempt: Attempt = field(default_factory=lambda: Attempt(established=False))
    held: Held = NOTHING
    words: str = ""
    """The peer's log of the cell, kept when its channel is given back."""

    @property
    def peer(self) -> Driver:
        """The channel; the cell must be running."""
        if self.driver is None:
            raise RuntimeError("the cell does not run")
        return self.driver

    @property
    def log(self) -> str:
        """The peer's log since the cell began, as far as it concerns it."""
        if self.driver is None:
            return self.words
        return self.driver.log_of(self.connection, self.driver.logs(self.mark))

    def begin(self, driver: Driver) -> None:
        """Take the channel, and note where the log stands."""
        self.driver, self.mark = driver, driver.log_mark()

    def end(self) -> None:
        """Keep what was logged; the channel is another's from now on."""
        self.words, self.driver = self.log, None

    def last_words(self) -> str:
        """The end of everything the peer logged since the cell began."""
        lines = self.peer.logs(self.mark).strip().splitlines()[-LAST_LINES:]
        return " / ".join(line.strip() for line in lines)

    def observe(self) -> None:
        """Read the SAs and the keys."""
        self.held = self.peer.sas(self.connection, self.log)

    def state(self, address: str) -> EndState:
        """What the peer holds, as far as it was read, and what it says; ``address`` on the wire."""
        return EndState(
            peer=self.stand.peer,
            role=self.role,
            address=address,
            process=self.driver.process if self.driver else 0,
            version=self.stand.version,
            ike=self.held.ike,
            child=self.held.child,
            notifies=self.attempt.notifies,
            failure=self.attempt.failure,
        )


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
        self._capture = capture
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
        self._split: dict[str, float] = {}
        self._ike_keys: dict[IkeKey, None] = {}
        self._esp_keys: dict[EspKey, None] = {}
        self._sent = self._answered = 0
        self._deleted: bool | None = None
        self._alive: bool | None = None
        self._error: str | None = None
        self._unproven: tuple[str, ...] = ()
        self._started, self._clock = datetime.now(UTC), time.monotonic()

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
            self._error = self._with_last_words(str(error))
        self._look_whether_alive()
        made = self._record()
        for end in self.ends:
            end.end()
        return made

    def lost(self, words: str) -> tuple[Record, dict[str, bytes]]:
        """The record of a cell that a peer was not there for."""
        self._begin()
        self._error = words
        return self._record()

    def _begin(self) -> None:
        self._started, self._clock = datetime.now(UTC), time.monotonic()
        self._split["configure"] = round(sum(end.stand.share for end in self.ends), 4)

    def _with_last_words(self, words: str) -> str:
        logs = [f"{end.stand.peer} logged last: {end.last_words()}" for end in self.ends]
        return "; ".join([words, *logs])

    def _look_whether_alive(self) -> None:
        dead = [end for end in self.ends if not end.peer.alive()]
        self._alive = not dead
        for end in dead:
            what = f"{end.stand.peer} ended or is another process; it logged last"
            self._error = f"{what}: {end.last_words()}"

    def _record(self) -> tuple[Record, dict[str, bytes]]:
        packets = self._packets()
        messages = dissect(
            packets, self.cell.combination["cipher"], self.cell.combination["hash"], self._ike_keys
        )
        self._unproven += unproven(self.cell.combination, messages, *self._wire_addresses)
        observation = self._observation(packets, messages)
        evidence = CellEvidence(
            self.cell, self.ends, packets, messages, (self._ike_keys, self._esp_keys)
        )
        record = make_record(
            observation,
            judge(observation),
            started=self._started.isoformat(timespec="milliseconds"),
            seconds=round(time.monotonic() - self._clock, 3),
            split=self._split,
            evidence=evidence.labels,
            seed=self.seed,
            repeat=repeat_command(self.cell, self._run_seed),
        )
        return record, evidence.files

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        clock = time.monotonic()
        try:
            yield
        finally:
            self._split[name] = round(time.monotonic() - clock, 3)

    def _go(self) -> None:
        try:
            if all(end.loaded for end in self.ends):
                self._choose_path()
                self._negotiate_and_look()
        finally:
            with self._step("cleanup"):
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
        with self._step("negotiate"):
            first.attempt = first.peer.initiate(first.connection, self._timeout)
            if first.attempt.established:
                second.peer.await_child(second.connection, SETTLE)
        if first.attempt.established:
            with self._step("traffic"):
                self._ping()
        with self._step("observe"):
            self._observe()
        if first.attempt.established and self.cell.combination["event"] in EVENTS:
            with self._step("event"):
                self._go_through(self.cell.combination["event"])
        with self._step("teardown"):
            first.peer.terminate(first.connection, SETTLE)
            if first.attempt.established:
                gone = [end.peer.await_gone(end.connection, SETTLE) for end in self.ends]
                self._deleted = all(gone)

    def _ping(self) -> None:
        first = self.initiator
        sent, answered = first.peer.ping(first.connection, PINGS, PING_TIMEOUT)
        self._sent, self._answered = self._sent + sent, self._answered + answered

    def _go_through(self, event: str) -> None:
        """Let happen what the cell asks for, then ping and look again."""
        missing = EVENTS[event](self.ends)
        if missing:
            self._unproven += (f"event={event}: {missing}",)
        self._ping()
        for _ in range(LOOKS):
            self._observe()
            if _belong_together(*self.ends):
                break

    def _observe(self) -> None:
        second = self.responder
        second.attempt = second.peer.outcome(second.connection, second.log)
        for end in self.ends:
            end.observe()
            self._ike_keys |= dict.fromkeys(end.held.ike_keys)
            self._esp_keys |= dict.fromkeys(end.held.esp_keys)

    def _packets(self) -> list[Packet]:
        time.sleep(DRAIN)
        inside = [end.connection.local.inner_address for end in self.ends]
        return self._capture.among([*self._wire_addresses, *inside])

    def _observation(self, packets: list[Packet], messages: list[WireMessage]) -> Observation:
        return Observation(
            cell=self.cell.id,
            combination=self.cell.combination,
            initiator=self.initiator.state(self._wire_addresses[0]),
            responder=self.responder.state(self._wire_addresses[1]),
            undeclared=self.cell.undeclared,
            wire_notifies=wire_notifies(messages),
            traffic=self._traffic(packets),
            timed_out=self.initiator.attempt.timed_out,
            deleted=self._deleted,
            delete_seen=self._delete_seen(messages),
            alive=self._alive,
            divergence=self._divergence(),
            unproven=self._unproven,
            error=self._error,
        )

    def _traffic(self, packets: list[Packet]) -> Traffic | None:
        if not self.initiator.attempt.established:
            return None
        return read_traffic(
            packets,
            self.initiator.connection,
            self._wire_addresses,
            self._esp_keys,
            (self._sent, self._answered),
        )

    def _delete_seen(self, messages: list[WireMessage]) -> bool | None:
        """From the capture; where no key opens it, the receiving end's log tells of the Delete."""
        seen = deletes_seen(messages)
        if seen is not None or not self.initiator.attempt.established:
            return seen
        return self.responder.peer.logged_delete(self.responder.log)

    def _divergence(self) -> Divergence | None:
        told = [end.attempt.divergence for end in self.ends if end.attempt.divergence]
        return Divergence(**told[0]) if told else None
