"""The runner inside the engine: a job comes on standard input, events go to standard output."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Self

import docker
import msgspec

from conformance.drivers import DriverError, open_driver
from conformance.runner import cell as cells
from conformance.runner.capture import Capture
from conformance.runner.issued import Issued
from conformance.runner.protocol import CellFinished, CellStarted, Event, Job, RunnerFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.matrix.plan import Cell
    from conformance.record.records import Record
    from conformance.runner.protocol import Station

HOST_GONE = 3
"""Exit status where standard input closed: nobody waits for the rest."""


def main() -> None:
    """Read the job, run its cells, and end; leave at once when the host's end has gone."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    threading.Thread(target=_leave_with_the_host, daemon=True).start()
    try:
        with Bench(job) as bench:
            for planned in job.cells:
                emit(CellStarted(planned.id))
                emit(CellFinished(*bench.run(planned)))
    except DriverError as error:
        emit(RunnerFailed(str(error)))
        sys.exit(1)


def emit(event: Event) -> None:
    """Write one line."""
    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


def _leave_with_the_host() -> None:
    # Not through sys.stdin: a thread that waits in its lock would hinder the interpreter's end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(HOST_GONE)


class Bench:
    """Every driver that the job needs, open, and the capture that sees them all."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._settings = cells.Settings(
            seed=job.seed,
            psk=job.psk,
            timeout=job.timeout,
            translator=job.translator,
            issued=Issued(),
        )
        self._client = docker.from_env()
        self._initiators: dict[str, cells.Station] = {}
        self._responders: dict[str, cells.Station] = {}

    def __enter__(self) -> Self:
        self._capture = Capture(self._job.bridge)
        initiators = {cell.initiator for cell in self._job.cells}
        responders = {cell.responder for cell in self._job.cells}
        self._initiators = self._open(self._job.initiators, initiators)
        self._responders = self._open(self._job.responders, responders)
        return self

    def __exit__(self, *_: object) -> None:
        for station in (*self._initiators.values(), *self._responders.values()):
            station.driver.close()
        self._capture.close()
        self._client.close()

    def _open(
        self, stations: dict[str, Station], wanted: Iterable[str]
    ) -> dict[str, cells.Station]:
        return {peer: self._open_one(stations[peer]) for peer in sorted(wanted)}

    def _open_one(self, station: Station) -> cells.Station:
        container = self._client.containers.get(station.container)
        driver = open_driver(station.kind, station.peer, container)
        return cells.Station(driver, station.host, driver.version())

    def run(self, cell: Cell) -> tuple[Record, dict[str, bytes]]:
        """Run one cell with the drivers of its pairing."""
        initiator, responder = self._initiators[cell.initiator], self._responders[cell.responder]
        return cells.CellRun(cell, initiator, responder, self._capture, self._settings).run()


if __name__ == "__main__":
    main()
