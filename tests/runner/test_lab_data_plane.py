"""The reference against the lab's kernel: some cells of every kind, and faults to be found."""

from __future__ import annotations

import os
import platform
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from conformance.matrix.data_plane import DataCell, every_cell, make_data_plan
from conformance.matrix.kernels import load_kernels
from conformance.record.data_plane import DataRun, data_run_folders
from conformance.record.records import Verdict
from conformance.resources import peers_root
from conformance.runner.data_plane.algorithms import algorithms
from conformance.runner.data_plane.host import COMMAND, LocalRunner, run_data_cells
from conformance.runner.data_plane.protocol import DataJob, KernelFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conformance.lab import Lab
    from conformance.record.data_plane import DataRecord

pytestmark = pytest.mark.lab

KNOWN = algorithms()
CELLS = list(every_cell(KNOWN))
EVERY = (
    ("direction", "protocol", "mode"),
    ("direction", "case", "protocol"),
    ("direction", "mode", "family", "udp"),
    ("direction", "cipher", "esn"),
    ("integrity",),
    ("window",),
)
"""What must occur together at least once in a part of the plan."""


def some_of_everything() -> list[DataCell]:
    """Cells in no order, each of which has something that those before it have not."""
    shuffled = random.Random(1).sample(CELLS, len(CELLS))
    seen: set[tuple[object, ...]] = set()
    part = []
    for cell in shuffled:
        if "blowfish" in cell.cipher and cell.cipher not in ("blowfish40", "blowfish448"):
            continue
        brings = {(names, *(getattr(cell, name) for name in names)) for names in EVERY}
        if not brings <= seen:
            part.append(cell)
            seen |= brings
    return part


PART = some_of_everything()
REFUSED = {"idea", "rc5", "seed128", "des-mac", "md5-kpdk", "sha1-kpdk"}
REFUSED_AH = {"aes128gmac", "aes192gmac", "aes256gmac"}
UNALIGNED = {"sha256", "sha384", "sha512"}
"""Whose ICV, with AH's 12 octets, is no multiple of eight."""


WRONG_PADDING = {
    "cipher": "aes128",
    "integrity": "sha256",
    "mode": "tunnel",
    "family": "ipv4",
    "esn": "no",
}


def run_part(
    runner: object, cells: list[DataCell], deviation: str = "none"
) -> tuple[KernelFound, dict[str, DataRecord]]:
    """The kernel that was found, and every record."""
    kernels: list[KernelFound] = []
    records: dict[str, DataRecord] = {}

    def finished(record: DataRecord, files: dict[str, bytes]) -> None:
        assert set(record.evidence) == set(files)
        records[record.cell] = record

    job = DataJob(cells=tuple(cells), seed=5, deviation=deviation)
    run_data_cells(
        runner,  # type: ignore[arg-type]
        job,
        found=kernels.append,
        started=lambda _: None,
        finished=finished,
    )
    return kernels[0], records


@pytest.fixture(scope="module")
def part(lab: Lab) -> tuple[KernelFound, dict[str, DataRecord]]:
    return run_part(lab.runner(COMMAND), PART)


def is_refused(cell: DataCell) -> bool:
    """What Linux has no name for; GMAC is refused for AH alone."""
    return bool({cell.cipher, cell.integrity} & REFUSED) or cell.integrity in REFUSED_AH


def expected(cell: DataCell) -> tuple[Verdict, str]:
    """What Linux does not do as the RFCs have it, docs/findings.md; all else passes."""
    at_kernel = cell.direction == "reference-to-linux"
    faults = {
        "empty": (Verdict.FAIL, "linux drops a packet of 0 octets: XfrmInStateProtoError"),
        "sealed-padding": (Verdict.FAIL, "linux accepts what it must drop"),
        "dummy": (Verdict.FAIL, "linux drops it, but says XfrmInStateProtoError where no error"),
    }
    if is_refused(cell):
        return Verdict.UNSUPPORTED, "algorithm not found"
    if cell.case == "default-alignment" and cell.integrity in UNALIGNED:
        return Verdict.FAIL, "linux drops" if at_kernel else "linux makes AH of"
    if at_kernel and cell.case in faults:
        return faults[cell.case]
    return Verdict.PASS, ""


def test_the_part_has_everything() -> None:
    for name in ("direction", "protocol", "mode", "family", "esn", "udp", "case", "integrity"):
        assert {getattr(cell, name) for cell in PART} == {getattr(cell, name) for cell in CELLS}
    assert len(PART) < len(CELLS) / 20


def test_every_cell_ends_as_expected(part: tuple[KernelFound, dict[str, DataRecord]]) -> None:
    _, records = part
    wrong = {}
    for cell in PART:
        verdict, words = expected(cell)
        record = records[cell.id]
        if record.verdict is not verdict or words not in record.reason:
            wrong[cell.id] = record.reason
    assert not wrong


def test_a_passing_exchange_has_every_size_counted_at_both_ends(
    part: tuple[KernelFound, dict[str, DataRecord]],
) -> None:
    _, records = part
    passed = [cell for cell in PART if cell.case == "exchange" and expected(cell)[0] == "pass"]
    assert len(passed) > 40
    for cell in passed:
        record = records[cell.id]
        assert {size % 16 for size in record.sizes[:-2]} == set(range(16)), cell.id
        assert record.sizes[-1] > 1200, cell.id
        assert record.reference is not None
        assert record.kernel is not None
        counts = record.reference.packets, record.kernel.packets
        assert counts == (len(record.sizes), len(record.sizes)), cell.id
        if cell.esn == "yes":
            assert record.kernel.sequence > 1 << 32, cell.id


def test_the_manifest_claims_what_was_found(
    part: tuple[KernelFound, dict[str, DataRecord]],
) -> None:
    """Where the kernel that runs has a manifest: it refuses what that says, in those words."""
    kernel, records = part
    manifest = load_kernels(peers_root()).get(kernel.peer)
    if manifest is None:
        return
    words = {(one.factor, level): one.words for one in manifest.refuses for level in one.levels}
    for cell in PART:
        refusal = records[cell.id].refusal
        told = {f"{refusal.error}: {refusal.words}"} if refusal else set()
        levels = (("cipher", cell.cipher), ("integrity", cell.integrity))
        assert told == {words[level] for level in levels if level in words}, cell.id


def chosen(**levels: tuple[str, ...]) -> list[DataCell]:
    return list(make_data_plan(KNOWN, restrictions=levels).cells)


@pytest.mark.parametrize(
    ("deviation", "levels"),
    [
        ("short-icv", {"integrity": ("sha256",), "esn": ("no",)}),
        ("turned-iv", {"integrity": ("sha256",), "esn": ("no",)}),
        ("esn-low-half", {"integrity": ("sha256", "none"), "esn": ("yes",)}),
        ("salt-first", {"cipher": ("aes128ctr", "aes128gcm16", "aes256ccm8")}),
    ],
)
def test_a_fault_of_the_reference_makes_its_cells_fail(
    lab: Lab, deviation: str, levels: dict[str, tuple[str, ...]]
) -> None:
    """Both directions, both modes: an oracle that could not fail would prove nothing."""
    ciphers = {"cipher": ("aes128", "aes128gcm16")} | levels
    if deviation != "esn-low-half" and "cipher" not in levels:
        ciphers["cipher"] = ("aes128",)
    cells = chosen(**ciphers, protocol=("esp",), case=("exchange",), udp=("no",))
    cells = [cell for cell in cells if cell.window != "none"]
    assert {cell.direction for cell in cells} == {"reference-to-linux", "linux-to-reference"}
    _, records = run_part(lab.runner(COMMAND), cells, deviation)
    assert {record.verdict for record in records.values()} == {Verdict.FAIL}


def test_the_same_seed_gives_the_same_packets(lab: Lab) -> None:
    """What the reference sends is repeated octet for octet."""
    cells = chosen(cipher=("aes128gcm16",), direction=("reference-to-linux",), case=("exchange",))
    first, second = (run_part(lab.runner(COMMAND), cells[:4])[1] for _ in range(2))
    for cell in cells[:4]:
        assert first[cell.id].sample == second[cell.id].sample is not None


def test_evidence_opens_with_the_keys_beside_it(lab: Lab, tmp_path: Path) -> None:
    """A cell that fails leaves its packets; tshark decrypts them and finds the ICV good."""
    (cell,) = chosen(
        **{name: (level,) for name, level in WRONG_PADDING.items()},
        direction=("reference-to-linux",),
        case=("sealed-padding",),
    )
    kept: dict[str, bytes] = {}
    run_data_cells(
        lab.runner(COMMAND),
        DataJob(cells=(cell,), seed=1),
        found=lambda _: None,
        started=lambda _: None,
        finished=lambda _, files: kept.update(files),
    )
    for name, data in kept.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    done = subprocess.run(
        ["tshark", "-r", str(tmp_path / "capture.pcapng"), "-T", "fields", "-e", "esp.icv_good",
         "-e", "esp.pad_len", "-e", "ip.src"],
        env=os.environ | {"WIRESHARK_CONFIG_DIR": str(tmp_path / "wireshark")},
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == 2
    assert all(icv in ("1", "True") and int(pad) > 0 for icv, pad, _ in rows), rows
    assert all("203.0.113.7" in addresses for *_, addresses in rows), rows


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "conformance", "data-plane", *arguments]


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "time is up"
        time.sleep(0.05)


@pytest.mark.usefixtures("lab")
def test_a_killed_run_is_resumed_with_nothing_lost_or_run_twice(tmp_path: Path) -> None:
    arguments = ["--factor", "cipher=aes128,aes256", "--factor", "case=exchange"]
    first = subprocess.Popen(
        command(*arguments, "--results", str(tmp_path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def recorded() -> int:
        return sum(len(DataRun.open(folder).records()) for folder in data_run_folders(tmp_path))

    wait_until(lambda: recorded() > 10)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = recorded()
    done = subprocess.run(
        command("--resume", "--results", str(tmp_path)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (folder,) = data_run_folders(tmp_path)
    run = DataRun.open(folder)
    lines = (folder / "records.jsonl").read_text().splitlines()
    assert 10 < before < len(run.plan.cells)
    assert len(lines) == len(run.records()) == len(run.plan.cells)
    assert (tmp_path / "data-plane" / "latest" / "index.html").is_file()


def test_this_hosts_own_kernel_is_a_peer_too() -> None:
    """Whatever it can do: named after itself, refusals in its words, nothing broken on our side."""
    cells = chosen(cipher=("aes128", "seed128"), case=("exchange",), mode=("transport",))
    kernel, records = run_part(LocalRunner(), cells[:12])
    assert kernel.release == platform.release()
    assert kernel.peer == "linux-" + ".".join(platform.release().split(".")[:2])
    for record in records.values():
        assert record.verdict in (Verdict.PASS, Verdict.UNSUPPORTED), record.reason
        assert record.refusal is None or record.refusal.words
