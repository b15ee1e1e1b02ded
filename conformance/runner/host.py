"""Steering a runner from the host: send it the job, keep every record the moment it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from conformance.errors import UserError
from conformance.lab import addresses, containers
from conformance.runner.protocol import (
    CellFinished,
    CellStarted,
    Event,
    Job,
    RunnerFailed,
    Station,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from conformance.lab import Lab
    from conformance.matrix.manifest import Manifest
    from conformance.matrix.plan import Cell
    from conformance.record.records import Record
    from conformance.record.store import Run

COMMAND = ["/opt/ipsec-conformance/bin/python3", "-m", "conformance.runner.serve"]
"""What the runner's container runs: the reference image's own Python."""
LAST_WORDS = 2000
"""Octets of a runner's standard error that go into the message when it ends early."""
PSK = "ipsec-conformance"
"""The pre-shared key of the lab's peers; it protects nothing."""
AT_ONCE = 4
"""How many cells run at once: while one waits for its peers, others go on."""
NEGOTIATION = 10.0
"""Seconds that a negotiation may take."""


class RunnerError(UserError):
    """The runner ended before its job was done."""


def run_cells(
    lab: Lab,
    manifests: Mapping[str, Manifest],
    run: Run,
    cells: Sequence[Cell],
    *,
    started: Callable[[str], None],
    finished: Callable[[Record], None],
    psk: str = PSK,
    at_once: int = AT_ONCE,
) -> None:
    """Run ``cells`` in the lab, so many at once, and write each record into ``run`` as it comes.

    Another ``psk`` than the lab's goes to the peers that take theirs with the connection, so that
    they differ from the others.

    RunnerError, with the runner's last words, where it ends early; what came before stays.
    """
    job = make_job(manifests, cells, run.plan.seed, psk, at_once)
    runner = lab.runner(COMMAND)
    try:
        runner.write(msgspec.json.encode(job) + b"\n")
        waiting = {cell.id for cell in cells}
        for event in read_events(runner, Event):
            match event:
                case CellStarted(cell):
                    started(cell)
                case CellFinished(record, files):
                    run.write(record, files)
                    waiting.discard(record.cell)
                    finished(record)
                case RunnerFailed(message):
                    raise RunnerError(
                        f"the runner stopped: {message}", "See: lab status, lab doctor."
                    )
        if waiting:
            raise ended_early(len(waiting), runner.stderr)
    finally:
        runner.kill()


def make_job(
    manifests: Mapping[str, Manifest],
    cells: Sequence[Cell],
    seed: int,
    psk: str = PSK,
    at_once: int = AT_ONCE,
) -> Job:
    """The job for these cells: side ``a`` of every peer initiates, side ``b`` responds."""
    return Job(
        initiators={cell.initiator: station(manifests, cell.initiator, "a") for cell in cells},
        responders={cell.responder: station(manifests, cell.responder, "b") for cell in cells},
        cells=tuple(cells),
        seed=seed,
        bridge=containers.BRIDGE,
        translator=addresses.TRANSLATOR,
        psk=psk,
        timeout=NEGOTIATION,
        at_once=at_once,
    )


def station(manifests: Mapping[str, Manifest], peer: str, side: str) -> Station:
    """Where one side of a peer stands in the lab."""
    return Station(
        peer=peer,
        kind=manifests[peer].kind,
        container=containers.container_name(peer, side),
        number=addresses.number(peer, side),
        named=manifests[peer].identity == "key-id",
    )


def ended_early(waiting: int, stderr: bytes) -> RunnerError:
    """What to raise where a runner ended with so many cells to go: it has the last words."""
    last_words = stderr[-LAST_WORDS:].decode(errors="replace").strip()
    return RunnerError(
        f"the runner ended with {waiting} cells to go: {last_words}",
        "Run again with --resume: what was recorded is kept.",
    )


def read_events(lines: Iterable[bytes], kind: Any) -> Iterator[Any]:
    """What a runner says, line by line; ``kind`` is the union of its events. RunnerError."""
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=kind)
        except msgspec.MsgspecError as error:
            text = line.decode(errors="replace").strip()
            raise RunnerError(
                f"the runner said what is no event ({error}): {text[:500]}"
            ) from error
