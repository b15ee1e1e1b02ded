"""Steering a runner of the data plane, here a list of lines: what becomes of each event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

import conformance.cli.data_plane as command
from conformance.cli import main
from conformance.matrix.data_plane import make_data_plan
from conformance.record.data_plane import DataRecord, DataRun, data_run_folders
from conformance.record.records import Verdict
from conformance.runner.data_plane.algorithms import algorithms
from conformance.runner.data_plane.host import run_data_cells
from conformance.runner.data_plane.protocol import (
    DataCellFinished,
    DataCellStarted,
    DataEvent,
    DataJob,
    KernelFound,
)
from conformance.runner.host import RunnerError
from conformance.runner.protocol import RunnerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAN = make_data_plan(algorithms(), limit=2)
JOB = DataJob(cells=PLAN.cells, seed=1)
FOUND = KernelFound("linux-9.9", "9.9.1")


class Lines:
    """A runner that says what it was given to say."""

    stderr = b"its last words"

    def __init__(self, *lines: bytes) -> None:
        self.lines = lines
        self.written = b""
        self.killed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def __iter__(self) -> Iterator[bytes]:
        yield from self.lines

    def kill(self) -> None:
        self.killed = True


def line(event: DataEvent) -> bytes:
    return msgspec.json.encode(event)


def record(cell: str, verdict: Verdict = Verdict.PASS) -> DataRecord:
    return DataRecord(cell=cell, verdict=verdict, reason="so", seed="1", repeat="again")


def both(verdict: Verdict = Verdict.PASS) -> list[bytes]:
    events: list[DataEvent] = [FOUND]
    for cell in PLAN.cells:
        events += [DataCellStarted(cell.id), DataCellFinished(record(cell.id, verdict), {})]
    return list(map(line, events))


def steer(runner: Lines) -> list[str]:
    """What was called, in order."""
    calls: list[str] = []
    run_data_cells(
        runner,
        JOB,
        found=lambda kernel: calls.append(kernel.peer),
        started=lambda cell: calls.append(f"started {cell}"),
        finished=lambda found, files: calls.append(f"finished {found.cell} {files}"),
    )
    return calls


def test_every_event_is_handed_on() -> None:
    runner = Lines(*both())
    first, second = (cell.id for cell in PLAN.cells)
    assert steer(runner) == [
        "linux-9.9",
        f"started {first}",
        f"finished {first} {{}}",
        f"started {second}",
        f"finished {second} {{}}",
    ]
    assert msgspec.json.decode(runner.written, type=DataJob) == JOB
    assert runner.killed


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (both()[:3], "ended with 1 cells to go: its last words"),
        ([line(RunnerFailed("no XFRM"))], "the runner stopped: no XFRM"),
        ([b"Segmentation fault"], "what is no event"),
    ],
    ids=["ended early", "failed", "garbage"],
)
def test_a_runner_that_breaks_is_told_and_ended(lines: list[bytes], words: str) -> None:
    runner = Lines(*lines)
    with pytest.raises(RunnerError, match=words):
        steer(runner)
    assert runner.killed


def run(results: Path, lines: list[bytes], monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    """The exit status of the command over these lines."""
    monkeypatch.setattr(command, "LocalRunner", lambda: Lines(*lines))
    with pytest.raises(SystemExit) as ended:
        main(["data-plane", "--here", "--results", str(results), *more])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [(Verdict.PASS, 0), (Verdict.FAIL, 0), (Verdict.UNSUPPORTED, 0), (Verdict.ERROR, 1)],
)
def test_a_run_is_kept_told_and_published(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verdict: Verdict,
    status: int,
) -> None:
    """A fail is a result: only what broke on our side is none."""
    assert run(tmp_path, both(verdict), monkeypatch, "--limit", "2", "--json") == status
    shown = capsys.readouterr()
    assert [json.loads(one)["verdict"] for one in shown.out.splitlines()] == [verdict] * 2
    assert f"2 cells: 2 {verdict}" in shown.err
    page = (tmp_path / "data-plane" / "latest" / "index.html").read_text()
    assert "linux-9.9" in page


def test_a_run_that_breaks_keeps_its_records_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, both()[:3], monkeypatch, "--limit", "2") == 2
    assert "1 of 2 cells are recorded" in capsys.readouterr().err
    rest = [both()[0], *both()[3:]]
    assert run(tmp_path, rest, monkeypatch, "--resume") == 0
    (folder,) = data_run_folders(tmp_path)
    assert DataRun.open(folder).is_finished()


def test_a_run_goes_on_with_the_kernel_it_was_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, both()[:3], monkeypatch, "--limit", "2")
    other = [line(KernelFound("linux-8.8", "8.8.0")), *both()[3:]]
    assert run(tmp_path, other, monkeypatch, "--resume") == 2
    assert "was begun with linux-9.9, and this is linux-8.8" in capsys.readouterr().err
