"""One cell against a device: the reference negotiates and pings, the wire is the witness."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from conformance.drivers.base import Attempt, Connection, DriverError, Host
from conformance.drivers.methods import METHODS
from conformance.dut.device import REFERENCE
from conformance.dut.trigger import Pull
from conformance.matrix.plan import factor_options
from conformance.record.records import EndState, Record
from conformance.runner.account import Account, Story
from conformance.runner.cell import SETTLE
from conformance.runner.end import End
from conformance.runner.events import EVENTS
from conformance.runner.joined import joined

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conformance.crypto.issuing import Credentials
    from conformance.drivers.base import Role
    from conformance.dut.device import Device
    from conformance.dut.device import End as Place
    from conformance.dut.driver import LocalReference
    from conformance.matrix.plan import Cell
    from conformance.runner.capture import Capture, Packet
    from conformance.runner.stand import Stand

PINGS = 2
"""Echo requests that must be answered."""
ROUNDS = 3
"""How often so many are sent: a device may install its SAs, or find its host, a moment late."""
READY = 0.1
"""Seconds for a device to install what its last message, or ours, has made."""
PING_TIMEOUT = 2.0
"""Seconds for one round."""
LOOK = 0.5
"""Seconds between two looks at the trigger while the device is awaited."""
ROLES: tuple[Role, Role] = ("initiator", "responder")
UNKNOWN = "not told: it is known by the wire alone"
"""The version of a device."""


class Setting(NamedTuple):
    """What is the same for every cell of a run against a device."""

    device: Device
    file: Path
    """Its ``dut.toml``."""
    reference: LocalReference
    stand: Stand
    """The same, as cells know a peer."""
    capture: Capture
    credentials: Mapping[str, Credentials]
    """Ours, by signature method."""
    seed: int
    timeout: float
    """Seconds that a negotiation may take which we begin."""


@dataclass(slots=True)
class DeviceEnd:
    """The device in a cell: all that is known of it is what its trigger said."""

    role: Role
    connection: Connection
    """As the device would see it."""
    log: str = ""
    """What the trigger wrote."""
    failure: str | None = None

    def state(self, peer: str, address: str) -> EndState:
        """What a record says of it: no SA that nobody has seen."""
        return EndState(
            peer=peer,
            role=self.role,
            address=address,
            observed="wire",
            process=0,
            version=UNKNOWN,
            failure=self.failure,
        )


class DeviceCell:
    """A cell from its configuration to its record."""

    def __init__(self, cell: Cell, setting: Setting) -> None:
        self.cell, self._setting = cell, setting
        self.seed = zlib.crc32(f"{setting.seed}/{cell.id}".encode())
        role, other = ROLES if cell.initiator == REFERENCE else ROLES[::-1]
        connection = self._connection(role)
        self._us = End(role, setting.stand, connection)
        mirrored = replace(connection, role=other, local=connection.remote, remote=connection.local)
        self._device = DeviceEnd(other, mirrored)
        self._account = Account(cell, self.seed, setting.capture)

    def _connection(self, role: Role) -> Connection:
        device, levels = self._setting.device, self.cell.combination
        return Connection(
            name=f"c{self.seed:08x}",
            role=role,
            local=_host(device.here),
            remote=_host(device.device),
            combination=levels,
            psk=device.secrets.psk,
            credentials=self._setting.credentials.get(METHODS[levels["auth"]].key or ""),
            seed=self.seed,
        )

    @property
    def _ends(self) -> tuple[End | DeviceEnd, End | DeviceEnd]:
        """Initiator and responder."""
        return (self._us, self._device) if self._begins else (self._device, self._us)

    @property
    def _begins(self) -> bool:
        return self._us.role == "initiator"

    @property
    def _addresses(self) -> tuple[str, str]:
        """Initiator and responder on the wire."""
        ours, theirs = self._us.connection.local.address, self._us.connection.remote.address
        return (ours, theirs) if self._begins else (theirs, ours)

    def run(self) -> tuple[Record, dict[str, bytes]]:
        """Run the cell; whatever breaks on the suite's side is in the record, never raised."""
        setting = self._setting
        setting.capture.clear()
        self._account.begin()
        self._us.begin(setting.reference)
        try:
            self._go()
        except DriverError as error:
            self._account.error = str(error)
        self._account.alive = setting.reference.alive()
        packets = self._packets()
        return self._account.record(self._story(), packets, list(joined(packets)))

    def _story(self) -> Story:
        ours, theirs = self._us.connection.local.address, self._us.connection.remote.address
        us, device = self._us.state(ours), self._device.state(self._setting.device.name, theirs)
        return Story(
            ends=self._ends,
            states=(us, device) if self._begins else (device, us),
            addresses=self._addresses,
            attempts=[self._us.attempt],
            repeat=self._repeat_command(),
            pinger=self._us.role,
            in_use=True,
        )

    def _repeat_command(self) -> str:
        setting, factors = self._setting, factor_options(self.cell.combination)
        chosen = f"--role {self._device.role} {factors} --seed {setting.seed}"
        return f"ipsec-conformance dut run {setting.file} {chosen}"

    def _go(self) -> None:
        driver, connection = self._us.peer, self._us.connection
        with self._account.step("configure"):
            driver.configure([connection])
        try:
            with self._account.step("negotiate"):
                self._us.attempt = self._initiate() if self._begins else self._await_device()
            self._use()
        finally:
            with self._account.step("cleanup"):
                driver.remove([connection])

    def _initiate(self) -> Attempt:
        return self._us.peer.initiate(self._us.connection, self._setting.timeout)

    def _await_device(self) -> Attempt:
        """Make the device begin and wait; what its trigger says for itself is kept."""
        trigger = self._setting.device.trigger
        deadline = time.monotonic() + trigger.timeout
        with Pull(trigger, self.cell.id, self.cell.combination) as pull:
            while True:
                attempt = self._setting.reference.await_outcome(self._us.connection, LOOK)
                self._device.failure, self._device.log = pull.failure, pull.output
                if not attempt.timed_out or time.monotonic() > deadline:
                    return attempt
                if pull.failure:
                    return replace(attempt, timed_out=False, failure=None)

    def _use(self) -> None:
        """Ping, look, let happen what is to happen, and delete."""
        stands = self._us.attempt.established
        if stands:
            with self._account.step("traffic"):
                self._ping()
        with self._account.step("observe"):
            self._observe()
        event = self.cell.combination["event"]
        if stands and event in EVENTS:
            with self._account.step("event"):
                self._account.miss(event, EVENTS[event]([self._us]))
                self._ping()
                self._observe()
        with self._account.step("teardown"):
            self._us.peer.terminate(self._us.connection, SETTLE)
            if stands:
                self._account.deleted = self._us.peer.await_gone(self._us.connection, SETTLE)

    def _ping(self) -> None:
        time.sleep(READY)
        for _ in range(ROUNDS):
            sent, answered = self._us.peer.ping(self._us.connection, PINGS, PING_TIMEOUT)
            self._account.count(sent, answered)
            if answered == sent:
                return

    def _observe(self) -> None:
        self._us.observe()
        self._account.learn(self._us.held)

    def _packets(self) -> list[Packet]:
        inside = [end.connection.local.inner_address for end in self._ends]
        return self._account.packets([*self._addresses, *inside])


def _host(place: Place) -> Host:
    return Host(
        address=str(place.address),
        inner_address=str(place.inner_address),
        inner_subnet=str(place.inner_subnet),
    )
