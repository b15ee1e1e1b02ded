"""The run directory: whole or not there, through kills, resumes and bad input."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conformance.errors import UserError
from conformance.matrix import Plan, load_manifests, make_plan
from conformance.record import Observation, Record, Run, judge, make_record
from conformance.record.store import run_folders, sweep, write_atomically

PLAN = make_plan(load_manifests(Path(__file__).parents[2] / "peers"), limit=1)


def record_of(seen: Observation, cell: str, **changes: Any) -> Record:
    given: dict[str, Any] = {
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 1.5,
        "split": {"negotiate": 1.0},
        "evidence": {"capture": "capture.pcapng"},
        "seed": 1,
        "repeat": "ipsec-conformance matrix",
    }
    return make_record(msgspec.structs.replace(seen, cell=cell), judge(seen), **given | changes)


FILES = {"capture.pcapng": b"\n\r\r\n", "wireshark/esp_sa": b"key"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "results", PLAN, {"engine": "docker"})


def test_a_run_from_before_a_factor_had_come_has_its_plain_level(
    run: Run, good: Observation
) -> None:
    cell = PLAN.cells[0]
    run.write(record_of(good, cell.id, evidence={}), {})
    for path in (run.folder / "plan.json", run.cell_folder(cell.id) / "record.json"):
        then = re.sub(r'"esn": ?"no",', "", path.read_text())
        assert then != path.read_text()
        path.write_text(then)
    opened = Run.open(run.folder)
    assert opened.plan == PLAN
    assert opened.record(cell.id).combination["esn"] == "no"


def test_a_new_run_holds_plan_and_environment(run: Run) -> None:
    opened = Run.open(run.folder)
    assert opened.plan == PLAN
    assert opened.environment["engine"] == "docker"
    assert opened.environment["run"] == run.id
    assert opened.records() == []
    assert not opened.is_finished()


def test_records_come_back_as_written_in_plan_order(run: Run, good: Observation) -> None:
    written = [record_of(good, cell.id) for cell in PLAN.cells[:3]]
    for record in reversed(written):
        run.write(record, FILES)
    assert Run.open(run.folder).records() == written
    folder = run.cell_folder(PLAN.cells[0].id)
    assert (folder / "wireshark" / "esp_sa").read_bytes() == b"key"
    assert json.loads((folder / "record.json").read_text())["verdict"] == "pass"


def test_a_run_is_finished_once_every_cell_is(run: Run, good: Observation) -> None:
    for cell in PLAN.cells:
        assert not run.is_finished()
        run.write(record_of(good, cell.id), FILES)
    assert run.is_finished()
    assert run.finished_cells() == {cell.id for cell in PLAN.cells}


def test_a_record_is_never_rewritten(run: Run, good: Observation) -> None:
    record = record_of(good, PLAN.cells[0].id)
    run.write(record, FILES)
    with pytest.raises(FileExistsError):
        run.write(record, FILES)


def test_a_record_is_not_written_without_its_evidence(run: Run, good: Observation) -> None:
    with pytest.raises(ValueError, match=r"capture\.pcapng"):
        run.write(record_of(good, PLAN.cells[0].id), {})
    assert run.finished_cells() == set()


@pytest.mark.parametrize("name", ["../escape", "/etc/escape", "a/../../b", ""])
def test_evidence_stays_in_its_folder(run: Run, good: Observation, name: str) -> None:
    record = record_of(good, PLAN.cells[0].id, evidence={})
    with pytest.raises(ValueError, match="no path inside"):
        run.write(record, {name: b""})
    assert run.finished_cells() == set()


def test_latest_is_a_relative_link_that_switches(tmp_path: Path) -> None:
    runs = [Run.create(tmp_path, PLAN, {}) for _ in range(2)]
    for run in runs:
        run.publish()
        assert (tmp_path / "latest").readlink() == Path(run.id)
    assert run_folders(tmp_path) == sorted(run.folder for run in runs)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*(run.id for run in runs), "latest"]
    )


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "page"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")  # type: ignore[arg-type]
    assert [entry.name for entry in tmp_path.iterdir()] == ["page"]
    assert path.read_bytes() == b"old"


KILLED = """
import os, sys, threading, time
from pathlib import Path
import msgspec
from conformance.record import Record, Run
run, record = Run.open(Path(sys.argv[1])), msgspec.json.decode(sys.stdin.buffer.read(), type=Record)
print("ready", flush=True)
for cell in run.plan.cells:
    run.write(msgspec.structs.replace(record, cell=cell.id), {"capture.pcapng": b"x" * 4_000_000})
    print(cell.id, flush=True)
"""


def test_a_kill_loses_no_record_and_leaves_no_half(run: Run, good: Observation) -> None:
    """The writer dies after its third record: what it announced stands, the rest is resumed."""
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(run.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    with writer:
        writer.stdin.write(msgspec.json.encode(record_of(good, "any")))
        writer.stdin.close()
        announced = [writer.stdout.readline().decode().strip() for _ in range(4)][1:]
        os.kill(writer.pid, signal.SIGKILL)
    sweep(run.folder.parent)
    resumed = Run.open(run.folder)
    finished = resumed.finished_cells()
    assert set(announced) <= finished
    assert {record.cell for record in resumed.records()} == finished
    assert not list(run.folder.rglob(".*"))
    for cell in PLAN.cells:
        if cell.id not in finished:
            resumed.write(record_of(good, cell.id), FILES)
    assert resumed.is_finished()


def test_sweeping_takes_leftovers_and_nothing_else(run: Run, good: Observation) -> None:
    root = run.folder.parent
    run.write(record_of(good, PLAN.cells[0].id), FILES)
    run.publish()
    (root / ".run.tmp" / "cells").mkdir(parents=True)
    (run.cells / ".cell.tmp").mkdir()
    (run.folder / ".index.html.1.tmp").write_text("half")
    (root / ".latest.1.tmp").symlink_to(run.id)
    sweep(root)
    assert not list(root.rglob(".*"))
    assert run.finished_cells() == {PLAN.cells[0].id}
    assert (root / "latest").is_dir()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("plan.json", None, "holds no run"),
        ("plan.json", "{", "cannot be read"),
        ("plan.json", '{"seed": "x"}', "cannot be read"),
        ("environment.json", "[]", "cannot be read"),
    ],
)
def test_a_folder_that_holds_no_run_is_told(
    run: Run, name: str, content: str | None, message: str
) -> None:
    path = run.folder / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=message):
        Run.open(run.folder)


def test_a_damaged_record_is_told_by_path(run: Run, good: Observation) -> None:
    folder = run.write(record_of(good, PLAN.cells[0].id), FILES)
    (folder / "record.json").write_text('{"cell": 1}')
    with pytest.raises(UserError, match=r"record\.json cannot be read"):
        run.records()


def test_records_refuse_unknown_fields(good: Observation) -> None:
    data = msgspec.to_builtins(record_of(good, "cell")) | {"colour": "red"}
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.convert(data, Record)


def test_the_plan_on_disk_is_readable_json(run: Run) -> None:
    text = (run.folder / "plan.json").read_text()
    assert text.startswith("{\n  ")
    assert msgspec.json.decode(text, type=Plan) == PLAN
