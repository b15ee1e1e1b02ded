"""The runner: a job comes on standard input, the kernel it runs on is the peer, events go out."""

from __future__ import annotations

import os
import sys
import threading
import traceback

import msgspec

from conformance.errors import UserError
from conformance.linux.host import LinuxHost, kernel_version, peer_name
from conformance.linux.local import LocalSockets
from conformance.matrix.data_plane import DataCell, repeat_command
from conformance.record.data_plane import DataRecord
from conformance.record.records import Verdict
from conformance.runner.data_plane.cell import run_cell
from conformance.runner.data_plane.protocol import (
    DataCellFinished,
    DataCellStarted,
    DataEvent,
    DataJob,
    KernelFound,
)
from conformance.runner.protocol import RunnerFailed

HOST_GONE = 3
"""Exit status where standard input closed: nobody waits for the rest."""


def main() -> None:
    """Read the job, run its cells in a namespace of their own, and end."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=DataJob)
    try:
        with LinuxHost() as host, LocalSockets() as local:
            threading.Thread(target=_leave_with_the_host, daemon=True).start()
            emit(KernelFound(peer_name(), kernel_version()))
            for cell in job.cells:
                emit(DataCellStarted(cell.id))
                emit(DataCellFinished(*_run(cell, job, host, local)))
    except UserError as error:
        emit(RunnerFailed(f"{error.message} {error.hint}".strip()))
        sys.exit(1)


def emit(event: DataEvent) -> None:
    """Write one line."""
    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


def _run(
    cell: DataCell, job: DataJob, host: LinuxHost, local: LocalSockets
) -> tuple[DataRecord, dict[str, bytes]]:
    """The cell's record; where our side breaks, that says so, and the others still run."""
    seed, repeat = f"{job.seed}:{cell.id}", repeat_command(cell, job.seed)
    try:
        return run_cell(cell, seed, host, local, repeat=repeat, deviation=job.deviation)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        reason = "".join(traceback.format_exception_only(error)).strip()
        record = DataRecord(
            cell=cell.id, verdict=Verdict.ERROR, reason=reason, seed=seed, repeat=repeat
        )
        return msgspec.structs.replace(record, evidence=("traceback.txt",)), {
            "traceback.txt": traceback.format_exc().encode()
        }


def _leave_with_the_host() -> None:
    # Not through sys.stdin: a thread that waits in its lock would hinder the interpreter's end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(HOST_GONE)


if __name__ == "__main__":
    main()
