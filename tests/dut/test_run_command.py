"""`dut run` as its user meets it, with a bench that needs no network (the lab has a real one)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import pytest
from msgspec.structs import replace

from conformance.cli import dut_run, main
from conformance.dut.cell import UNKNOWN
from conformance.dut.device import Trigger
from conformance.dut.paste import device_file
from conformance.record import ChildSa, EndState, IkeSa, Observation, Run, Traffic, make_record
from conformance.record.verdicts import judge

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.dut.device import Device
    from conformance.matrix import Cell
    from conformance.record import Record


class FakeBench:
    """Every cell passes by the wire, until so many have run: then somebody presses Ctrl-C."""

    patience = 1000

    def __init__(self, device: Device, file: Path, **_: Any) -> None:
        self.device, self.file = device, file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def describe(self) -> dict[str, Any]:
        return {"engine": "none"}

    def run(self, cell: Cell) -> tuple[Record, dict[str, bytes]]:
        if not FakeBench.patience:
            raise KeyboardInterrupt
        FakeBench.patience -= 1
        seen = observation(cell)
        record = make_record(
            seen, judge(seen), started="2026-01-01T00:00:00.000+00:00", seconds=0.1, split={},
            evidence={}, seed=1, repeat="again",
        )  # fmt: skip
        return record, {}


def observation(cell: Cell) -> Observation:
    levels = cell.combination
    ike = IkeSa(
        cookie_initiator="01" * 8, cookie_responder="02" * 8, state="established",
        **{name: levels[name] for name in ("cipher", "hash", "group", "auth")},
    )  # fmt: skip
    child = ChildSa(
        spi_in=1, spi_out=2, protocol=levels["protocol"], mode=levels["mode"],
        cipher=levels["esp_cipher"], integrity=levels["esp_integrity"], esn=levels["esn"],
        pfs=levels["pfs"], local_selector="10.1.0.0/24", remote_selector="10.2.0.0/24",
    )  # fmt: skip

    def end(peer: str, role: str) -> EndState:
        if peer == "reference":
            return EndState(peer=peer, role=role, process=1, version="0.1", ike=ike, child=child)
        return EndState(peer=peer, role=role, process=0, version=UNKNOWN, observed="wire")

    traffic = Traffic(forward_seen=2, backward_seen=2, forward_decrypted=2, backward_decrypted=2,
                      cleartext_seen=0, reason="2 echo requests sent, 2 answered")  # fmt: skip
    return Observation(
        cell=cell.id, combination=levels, initiator=end(cell.initiator, "initiator"),
        responder=end(cell.responder, "responder"), traffic=traffic, deleted=True,
        delete_seen=True, alive=True,
    )  # fmt: skip


@pytest.fixture
def file(device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device of both roles; every run goes to ``runs`` beside its file."""
    monkeypatch.setattr(dut_run, "Bench", FakeBench)
    monkeypatch.setattr(FakeBench, "patience", 1000)
    both = replace(device, roles=("responder", "initiator"), trigger=Trigger(command=("true",)))
    path = tmp_path / "dut.toml"
    path.write_text(device_file(both, "dut.toml"))
    return path


def run(file: Path, *options: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["dut", "run", str(file), "--results", str(file.parent / "runs"), *options])
    return int(ended.value.code or 0)


def test_a_run_has_pages_and_records(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The device's end is known by the wire, in the record, on its page and in the verdict."""
    assert run(file, "--limit", "3", "--json") == 0
    out, err = capsys.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert {record["verdict"] for record in records} == {"pass"}
    assert all(record["reason"].startswith("by the wire: reference holds") for record in records)
    assert "left out: the device cannot be made to begin" in err
    latest = file.parent / "runs" / "latest"
    assert "dut" in (latest / "index.html").read_text()
    page = (latest / "cells" / records[0]["cell"] / "index.html").read_text()
    assert "the wire alone: its SAs cannot be read" in page
    assert "secret-psk" not in "".join(path.read_text() for path in latest.rglob("*.json"))


def test_an_interrupted_run_goes_on_where_it_was(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeBench, "patience", 2)
    assert run(file, "--limit", "4") == 130
    told = capsys.readouterr().err.replace("\n", "")
    assert f"go on with: ipsec-conformance dut run {file} --resume" in told
    (folder,) = (path for path in (file.parent / "runs").iterdir() if not path.is_symlink())
    assert len(Run.open(folder).finished_cells()) == 2
    monkeypatch.setattr(FakeBench, "patience", 1000)
    assert run(file, "--resume") == 0
    assert Run.open(folder).is_finished()
    assert run(file, "--resume") == 2
    assert "there is nothing to resume" in capsys.readouterr().err


def test_a_run_of_another_device_is_not_resumed(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeBench, "patience", 1)
    assert run(file, "--limit", "4") == 130
    file.write_text(file.read_text().replace('name = "dut"', 'name = "other"'))
    assert run(file, "--resume") == 2
    assert "is not against other" in capsys.readouterr().err


@pytest.mark.parametrize("role", ["responder", "initiator"])
def test_a_plan_is_shown_without_a_run(
    file: Path, capsys: pytest.CaptureFixture[str], role: str
) -> None:
    assert run(file, "--plan", "--role", role, "--factor", "mode=tunnel") == 0
    out, err = capsys.readouterr()
    begins = "reference--dut--" if role == "responder" else "dut--reference--"
    assert out
    assert all(line.startswith(begins) for line in out.splitlines())
    assert " cells: 1 pairings x " in err
    assert not (file.parent / "runs").exists()


def test_a_role_that_it_does_not_take_is_told(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = file.read_text().replace('["responder", "initiator"]', '["responder"]')
    file.write_text(text)
    assert run(file, "--role", "initiator") == 2
    assert "dut is no initiator: its roles are responder" in capsys.readouterr().err
