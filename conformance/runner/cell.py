"""One cell: configure both ends, negotiate, pass traffic, look, delete, judge."""

from __future__ import annotations

import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, NamedTuple

from conformance.drivers import Connection, Driver, DriverError, Host
from conformance.drivers.base import Attempt, ConfigurationRefusedError, Held, Role
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
from conformance.runner.proofs import unproven
from conformance.runner.traffic import read_traffic
from conformance.runner.wire import deletes_seen, wire_notifies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.record.wireshark import EspKey, IkeKey
    from conformance.runner.capture import Capture, Packet
    from conformance.runner.issued import Issued

PINGS = 2
"""Echo requests a cell sends through its SAs."""
PING_TIMEOUT = 2.0
"""Seconds for an echo reply."""
SETTLE = 2.0
"""Seconds for the responder to install what the initiator holds, and for both to let go of it."""
DRAIN = 0.03
"""Seconds for the last packets to reach the capture's thread."""


NOTHING = Held(None, None, [], [])
"""What an end is taken to hold before it was asked."""


@dataclass(slots=True)
class End:
    """One end of a cell while it runs."""

    role: Role
    driver: Driver
    connection: Connection
    version: str
    mark: int = 0
    process: int = 0
    configured: bool = False
    attempt: Attempt = field(default_factory=lambda: Attempt(established=False))
    held: Held = NOTHING

    @property
    def log(self) -> str:
        """The peer's log since the cell began."""
        return self.driver.log_since(self.mark)

    def begin(self) -> None:
        """Note where the log and the process stand."""
        self.mark, self.process = self.driver.log_mark(), self.driver.process()

    def observe(self) -> None:
        """Read the SAs and the keys."""
        self.held = self.driver.held(self.connection, self.log)

    def state(self, address: str) -> EndState:
        """What the peer holds, as far as it was read, and what it says; ``address`` on the wire."""
        return EndState(
            peer=self.driver.peer,
            role=self.role,
            address=address,
            process=self.process,
            version=self.version,
            ike=self.held.ike,
            child=self.held.child,
            notifies=self.attempt.notifies,
            failure=self.attempt.failure,
        )


class Station(NamedTuple):
    """A driver that is open, where its peer stands, and the version it reported."""

    driver: Driver
    host: Host
    version: str


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


def _both(initiator: Station, responder: Station) -> Iterator[tuple[Role, Station, Station]]:
    """Each end with its role, and the other end."""
    yield "initiator", initiator, responder
    yield "responder", responder, initiator


def _seen_from(role: Role, other: Host, cell: Cell, translator: str) -> Host:
    """The other end's host as the end in this role sees it: the initiator's behind the NAT."""
    if role == "initiator" or cell.combination["nat"] == "none":
        return other
    return replace(other, address=translator, own_address=other.address)


class CellRun:
    """A cell from its configuration to its record."""

    def __init__(
        self,
        cell: Cell,
        initiator: Station,
        responder: Station,
        capture: Capture,
        settings: Settings,
    ) -> None:
        self.cell = cell
        self.seed = zlib.crc32(f"{settings.seed}/{cell.id}".encode())
        self._run_seed = settings.seed
        self._timeout, self._translator = settings.timeout, settings.translator
        self._capture = capture
        name = f"c{self.seed:08x}"
        hosts = initiator.host.address, responder.host.address
        self.ends = tuple(
            End(
                role,
                mine.driver,
                Connection(
                    name=name,
                    role=role,
                    local=mine.host,
                    remote=_seen_from(role, other.host, cell, settings.translator),
                    combination=cell.combination,
                    psk=settings.psk,
                    **settings.issued.papers(role, hosts, cell.combination)._asdict(),
                    seed=zlib.crc32(f"{self.seed}/{role}".encode()),
                ),
                mine.version,
            )
            for role, mine, other in _both(initiator, responder)
        )
        self.initiator, self.responder = self.ends
        self._split: dict[str, float] = {}
        self._ike_keys: dict[IkeKey, None] = {}
        self._esp_keys: dict[EspKey, None] = {}
        self._sent = self._answered = 0
        self._deleted: bool | None = None
        self._error: str | None = None
        self._unproven: tuple[str, ...] = ()

    @property
    def _wire_addresses(self) -> tuple[str, str]:
        """Initiator and responder as the responder's side of the wire shows them."""
        return self.responder.connection.remote.address, self.responder.connection.local.address

    def run(self) -> tuple[Record, dict[str, bytes]]:
        """Run the cell; whatever breaks on the suite's side is in the record, never raised."""
        started, clock = datetime.now(UTC), time.monotonic()
        self._capture.clear()
        try:
            self._go()
        except DriverError as error:
            self._error = str(error)
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
            started=started.isoformat(timespec="milliseconds"),
            seconds=round(time.monotonic() - clock, 3),
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
        for end in self.ends:
            end.begin()
        try:
            with self._step("configure"):
                self._choose_path()
                configured = all(self._configure(end) for end in self.ends[::-1])
            if configured:
                self._negotiate_and_look()
        finally:
            with self._step("cleanup"):
                for end in self.ends:
                    if end.configured:
                        end.driver.remove(end.connection)
                if self._translated:
                    self.initiator.driver.reach_directly(self._wire_addresses[1])

    @property
    def _translated(self) -> bool:
        return self.cell.combination["nat"] != "none"

    def _choose_path(self) -> None:
        if self._translated:
            self.initiator.driver.reach_over(self._translator, self._wire_addresses[1])

    def _configure(self, end: End) -> bool:
        restarts = end.driver.restarts
        try:
            end.driver.configure(end.connection)
        except ConfigurationRefusedError as refusal:
            end.attempt = Attempt(established=False, failure=str(refusal))
            return False
        if end.driver.restarts > restarts:
            end.begin()
        end.configured = True
        return True

    def _negotiate_and_look(self) -> None:
        first, second = self.ends
        with self._step("negotiate"):
            first.attempt = first.driver.initiate(first.connection, self._timeout)
            if first.attempt.established:
                second.driver.await_child(second.connection, SETTLE)
        if first.attempt.established:
            with self._step("traffic"):
                self._ping()
        with self._step("observe"):
            self._observe()
        if first.attempt.established and self.cell.combination["event"] in EVENTS:
            with self._step("event"):
                self._go_through(self.cell.combination["event"])
        with self._step("teardown"):
            first.driver.terminate(first.connection, SETTLE)
            if first.attempt.established:
                gone = [end.driver.await_gone(end.connection, SETTLE) for end in self.ends]
                self._deleted = all(gone)

    def _ping(self) -> None:
        first = self.initiator
        sent, answered = first.driver.ping(first.connection, PINGS, PING_TIMEOUT)
        self._sent, self._answered = self._sent + sent, self._answered + answered

    def _go_through(self, event: str) -> None:
        """Let happen what the cell asks for, then ping and look again."""
        missing = EVENTS[event](self.ends)
        if missing:
            self._unproven += (f"event={event}: {missing}",)
        self._ping()
        self._observe()

    def _observe(self) -> None:
        second = self.responder
        second.attempt = second.driver.outcome(second.connection, second.log)
        for end in self.ends:
            end.observe()
            self._ike_keys |= dict.fromkeys(end.held.ike_keys)
            self._esp_keys |= dict.fromkeys(end.held.esp_keys)

    def _packets(self) -> list[Packet]:
        time.sleep(DRAIN)
        subnets = [end.connection.local.inner_subnet for end in self.ends]
        networks = [*self._wire_addresses, *subnets]
        return self._capture.among(IPv4Network(network) for network in networks)

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
            alive=None if self._error else self._alive(),
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
        return self.responder.driver.logged_delete(self.responder.log)

    def _alive(self) -> bool:
        return all(end.process and end.driver.process() == end.process for end in self.ends)

    def _divergence(self) -> Divergence | None:
        told = [end.attempt.divergence for end in self.ends if end.attempt.divergence]
        return Divergence(**told[0]) if told else None
