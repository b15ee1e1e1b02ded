"""One end of a cell: its channel to the peer, what was read there, and what the peer logged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.drivers.base import NOTHING, Attempt, Held
from conformance.record.records import EndState

if TYPE_CHECKING:
    from conformance.drivers import Connection, Driver
    from conformance.drivers.base import Role
    from conformance.runner.stand import Stand

LAST_LINES = 5
"""Lines of its log that are quoted of a peer that died or does not answer."""


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
