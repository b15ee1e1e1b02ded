"""Steering a runner of the data plane: in the lab's engine, or as a process of this host."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Protocol

import msgspec

from conformance.runner.data_plane.protocol import (
    DataCellFinished,
    DataCellStarted,
    DataEvent,
    DataJob,
    KernelFound,
)
from conformance.runner.host import LAST_WORDS, RunnerError, ended_early, read_events
from conformance.runner.protocol import RunnerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.record.data_plane import DataRecord

MODULE = "conformance.runner.data_plane.serve"
COMMAND = ["/opt/ipsec-conformance/bin/python3", "-m", MODULE]
"""What the runner's container runs: the reference image's own Python."""


class Runner(Protocol):
    """A running runner, as ``conformance.lab.attach`` has it in the engine."""

    @property
    def stderr(self) -> bytes:
        """What came on standard error so far."""

    def write(self, data: bytes) -> None:
        """Write all of ``data`` to standard input."""

    def __iter__(self) -> Iterator[bytes]:
        """Standard output, line by line."""

    def kill(self) -> None:
        """End it at once."""


class LocalRunner:
    """A process of this host, whose kernel is then the peer."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE], stdin=pipe, stdout=pipe, stderr=pipe
        )
        self._errors = b""
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def _read_errors(self) -> None:
        for line in _pipe(self._process.stderr):
            self._errors = (self._errors + line)[-LAST_WORDS:]

    @property
    def stderr(self) -> bytes:
        """What came on standard error so far, its end."""
        return self._errors

    def write(self, data: bytes) -> None:
        """Write all of ``data`` to standard input."""
        stdin = _pipe(self._process.stdin)
        stdin.write(data)
        stdin.flush()

    def __iter__(self) -> Iterator[bytes]:
        """Standard output, line by line."""
        yield from _pipe(self._process.stdout)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            _pipe(pipe).close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("a pipe was asked for and is not there")
    return pipe


def run_data_cells(
    runner: Runner,
    job: DataJob,
    *,
    found: Callable[[KernelFound], None],
    started: Callable[[str], None],
    finished: Callable[[DataRecord, dict[str, bytes]], None],
) -> None:
    """Run the job and hand on what comes; RunnerError, with its last words, where it ends early."""
    waiting = {cell.id for cell in job.cells}
    try:
        runner.write(msgspec.json.encode(job) + b"\n")
        for event in read_events(runner, DataEvent):
            match event:
                case KernelFound():
                    found(event)
                case DataCellStarted(cell):
                    started(cell)
                case DataCellFinished(record, files):
                    waiting.discard(record.cell)
                    finished(record, files)
                case RunnerFailed(message):
                    raise RunnerError(f"the runner stopped: {message}")
        if waiting:
            raise ended_early(len(waiting), runner.stderr)
    finally:
        runner.kill()
