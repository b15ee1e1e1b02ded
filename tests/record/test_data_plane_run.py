"""A run of the data plane on disk: what was recorded stays, whatever ends the run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from conformance.errors import UserError
from conformance.matrix.data_plane import make_data_plan
from conformance.record.data_plane import (
    DataRecord,
    DataRun,
    Difference,
    Refusal,
    Sample,
    Tally,
    data_run_folders,
)
from conformance.record.records import Verdict
from conformance.record.store import run_folders
from conformance.runner.data_plane.algorithms import algorithms

if TYPE_CHECKING:
    from pathlib import Path

PLAN = make_data_plan(algorithms(), limit=3)
FIRST, SECOND, THIRD = (cell.id for cell in PLAN.cells)
FULL = DataRecord(
    cell=FIRST,
    verdict=Verdict.FAIL,
    reason="linux delivers another packet of 3 octets than was sent",
    requirement="RFC 4303 3.4.4",
    refusal=Refusal(asked="ESP SA of cbc(x)", error="ENOSYS", words="not found"),
    difference=Difference(offset=20, expected="00", got="01"),
    sizes=(0, 1, 2),
    dropped="XfrmInStateProtoError",
    reference=Tally(packets=3, bytes=63, sequence=3),
    kernel=Tally(packets=3, bytes=63, sequence=3),
    sample=Sample(inner="45", wire="60"),
    seconds=0.25,
    seed="1:x",
    repeat="ipsec-conformance data-plane",
    evidence=("capture.pcapng",),
)


def record(cell: str, **fields: object) -> DataRecord:
    base = DataRecord(cell=cell, verdict=Verdict.PASS, reason="passes", seed="1", repeat="again")
    return msgspec.structs.replace(base, **fields)


@pytest.fixture
def run(tmp_path: Path) -> DataRun:
    return DataRun.create(tmp_path, PLAN, {"engine": "none"})


def test_a_record_survives_the_file(run: DataRun) -> None:
    run.write(FULL, {"capture.pcapng": b"packets"})
    opened = DataRun.open(run.folder)
    assert opened.records() == {FIRST: FULL}
    assert opened.plan == PLAN
    assert (run.folder / "evidence" / FIRST / "capture.pcapng").read_bytes() == b"packets"


def test_evidence_is_what_the_record_names(run: DataRun) -> None:
    with pytest.raises(ValueError, match="evidence"):
        run.write(FULL, {})
    assert not run.records()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_half_a_line_is_no_record_and_is_mended(run: DataRun, cut: int) -> None:
    """A kill in the middle of a write: what stood before stays, what comes after is read."""
    run.write(record(FIRST), {})
    whole = run.folder / "records.jsonl"
    line = msgspec.json.encode(record(SECOND)) + b"\n"
    with whole.open("ab") as file:
        file.write(line[:-cut])
    assert list(run.records()) == [FIRST]
    assert not run.is_finished()
    run.mend()
    run.write(record(SECOND), {})
    run.write(record(THIRD), {})
    assert list(run.records()) == [FIRST, SECOND, THIRD]
    assert run.is_finished()


def test_a_spoiled_line_is_told(run: DataRun) -> None:
    (run.folder / "records.jsonl").write_text('{"cell": 1}\n')
    with pytest.raises(UserError, match=r"records\.jsonl cannot be read"):
        run.records()


def test_runs_stand_apart_from_those_of_the_matrix(run: DataRun, tmp_path: Path) -> None:
    """Neither `latest` nor --resume of the one sees the other."""
    run.publish()
    assert (tmp_path / "data-plane" / "latest").resolve() == run.folder.resolve()
    assert not (tmp_path / "latest").exists()
    assert data_run_folders(tmp_path) == [run.folder]
    assert run_folders(tmp_path) == []


def test_facts_are_added_to_the_environment(run: DataRun) -> None:
    run.describe({"peer": "linux-6.1"})
    facts = json.loads((run.folder / "environment.json").read_text())
    assert (facts["engine"], facts["peer"], facts["run"]) == ("none", "linux-6.1", run.id)


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        DataRun.open(tmp_path)
