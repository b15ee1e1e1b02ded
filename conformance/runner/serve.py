"""The runner inside the engine: a job comes on standard input, events go to standard output."""

from __future__ import annotations

import os
import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

import docker
import msgspec

from conformance.drivers import DriverError, open_driver
from conformance.lab.addresses import SLOTS
from conformance.record import Verdict
from conformance.runner.capture import Capture
from conformance.runner.cell import CellRun, Settings
from conformance.runner.issued import Issued
from conformance.runner.protocol import CellFinished, CellStarted, Event, Job, RunnerFailed
from conformance.runner.stand import Stand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from conformance.matrix.plan import Cell
    from conformance.runner.end import End
    from conformance.runner.protocol import Station

HOST_GONE = 3
"""Exit status where standard input closed: nobody waits for the rest."""


def main() -> None:
    """Read the job, run its cells, and end; leave at once when the host's end has gone."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    threading.Thread(target=_leave_with_the_host, daemon=True).start()
    try:
        with Bench(job) as bench:
            for event in bench.run():
                emit(event)
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
    """Every peer that the job needs, and the capture that sees them all."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._settings = Settings(
            seed=job.seed,
            psk=job.psk,
            timeout=job.timeout,
            translator=job.translator,
            issued=Issued(),
        )
        self._client = docker.from_env()
        self._stands: dict[tuple[str, str], Stand] = {}

    def __enter__(self) -> Self:
        self._capture = Capture(self._job.bridge)
        initiators = {cell.initiator for cell in self._job.cells}
        responders = {cell.responder for cell in self._job.cells}
        for role, stations, peers in (
            ("initiator", self._job.initiators, initiators),
            ("responder", self._job.responders, responders),
        ):
            self._stands |= {(role, peer): self._open(stations[peer]) for peer in sorted(peers)}
        return self

    def __exit__(self, *_: object) -> None:
        for stand in self._stands.values():
            stand.close()
        self._capture.close()
        self._client.close()

    def _open(self, station: Station) -> Stand:
        container = self._client.containers.get(station.container)
        driver = open_driver(station.kind, station.peer, container)
        driver.reset()  # of what a run that was cut short has left
        return Stand(driver, station.number, named=station.named)

    def run(self) -> Iterator[Event]:
        """Run all cells, as many together as have addresses, and tell of each."""
        size = len(SLOTS)
        for start in range(0, len(self._job.cells), size):
            yield from self._run_batch(self._job.cells[start : start + size])

    def _run_batch(self, cells: Sequence[Cell]) -> Iterator[Event]:
        self._capture.clear()
        runs = [
            CellRun(cell, slot, self._stands_of(cell), self._capture, self._settings)
            for slot, cell in zip(SLOTS, cells, strict=False)
        ]
        self._configure(runs)
        events: SimpleQueue[Event] = SimpleQueue()
        with ThreadPoolExecutor(self._job.at_once, "cell") as pool:
            futures = [pool.submit(self._run_one, run, events.put) for run in runs]
            for _ in range(2 * len(runs)):
                yield _next_event(events, futures)

    def _stands_of(self, cell: Cell) -> tuple[Stand, Stand]:
        return self._stands["initiator", cell.initiator], self._stands["responder", cell.responder]

    def _configure(self, runs: Sequence[CellRun]) -> None:
        """Load every connection into its peer, each peer at once."""
        by_stand: dict[Stand, list[tuple[CellRun, End]]] = defaultdict(list)
        for run in runs:
            for end in run.ends:
                by_stand[end.stand].append((run, end))
        for stand, wanted in by_stand.items():
            refused = stand.configure([end.connection for _, end in wanted])
            for run, end in wanted:
                if end.connection.name in refused:
                    run.refuse(end.role, refused[end.connection.name])

    def _run_one(self, run: CellRun, tell: Callable[[Event], None]) -> None:
        tell(CellStarted(run.cell.id))
        first, second = (end.stand for end in run.ends)
        name = run.initiator.connection.name
        try:
            with first.channel(name) as initiator, second.channel(name) as responder:
                made = run.run(initiator, responder)
        except DriverError as error:
            made = run.lost(str(error))
        if made[0].verdict is Verdict.ERROR:
            for stand in (first, second):
                stand.mend()
        tell(CellFinished(*made))


def _next_event(events: SimpleQueue[Event], futures: Sequence[Future[None]]) -> Event:
    """The next event of the workers; what one of them raised, where it did not end well."""
    while True:
        try:
            return events.get(timeout=1.0)
        except Empty:
            for future in futures:
                if future.done():
                    future.result()


if __name__ == "__main__":
    main()
