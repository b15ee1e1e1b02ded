"""One container of a peer while a run lasts: its channels, and what is loaded in it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from conformance.drivers import DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from conformance.drivers import Connection, Driver


class Stand:
    """A peer that several workers use at once; it is started again where it has died or hangs."""

    def __init__(self, driver: Driver, number: int, *, named: bool = False) -> None:
        self.peer = driver.peer
        self.number = number
        """The container's own in the lab's address plan."""
        self.named = named
        """Whether the peer proves the cell's name in place of its address."""
        self.version = driver.version()
        """What the running peer reported."""
        self.share = 0.0
        """Seconds that loading took of late, for one connection."""
        self._driver = driver
        self._lock = threading.RLock()
        self._idle: list[Driver] = []
        self._waiting: dict[str, Connection] = {}
        self._lost: str | None = None

    def close(self) -> None:
        """Close every channel; the peer goes on."""
        self._dismiss()
        with suppress(OSError):
            self._driver.close()

    def configure(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        """Load connections at once; the names of those that the peer refuses, and its words."""
        with self._lock:
            process, clock = self._driver.process, time.monotonic()
            refused = self._load(connections)
            self.share = (time.monotonic() - clock) / max(1, len(connections))
            if self._driver.process != process:  # loading has restarted it
                self._dismiss()
        self._waiting = {one.name: one for one in connections if one.name not in refused}
        return refused

    def _load(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        """Load connections, once more where the peer has died or hangs; then it counts as lost."""
        for _ in range(2):
            try:
                return self._driver.configure(connections) if self._lost is None else {}
            except DriverError as error:
                words = str(error)
                self._start_again()
        self._lost = self._lost or words
        return {}

    @contextmanager
    def channel(self, name: str) -> Iterator[Driver]:
        """A control channel of the caller's own for the connection ``name``, which now begins.

        DriverError where the peer could not be started again.
        """
        with self._lock:
            self._waiting.pop(name, None)
            if self._lost is not None:
                raise DriverError(f"{self.peer} could not be started again: {self._lost}")
            driver = self._idle.pop() if self._idle else self._driver.another()
        try:
            yield driver
        finally:
            self._give_back(driver)

    def _give_back(self, driver: Driver) -> None:
        with self._lock:
            if driver.process == self._driver.process:
                self._idle.append(driver)
            else:
                with suppress(OSError):
                    driver.close()

    def mend(self) -> None:
        """Start the peer again where it has died or hangs, with all that still waits."""
        with self._lock:
            if self._lost is not None or self._answers():
                return
            self._start_again()
            if self._lost is None:
                self._load(list(self._waiting.values()))

    def _answers(self) -> bool:
        try:
            return self._driver.alive() and self._driver.answers()
        except DriverError:
            return False

    def _start_again(self) -> None:
        self._dismiss()
        try:
            self._driver.restart()
        except DriverError as error:
            self._lost = str(error)

    def _dismiss(self) -> None:
        """Close the channels that nobody uses; those in use end with their cells."""
        while self._idle:
            with suppress(OSError):
                self._idle.pop().close()
