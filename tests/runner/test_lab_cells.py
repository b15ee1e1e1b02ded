"""Real cells: every pairing negotiates in the lab, and tshark opens what the suite says it was."""

from __future__ import annotations

import os
import shlex
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from conformance.matrix import load_manifests, make_plan, parse_pairing, parse_restrictions
from conformance.record import Record, Run, Verdict
from conformance.report.html import write_report
from conformance.resources import peers_root
from conformance.runner.host import PSK, run_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conformance.lab import Lab

pytestmark = pytest.mark.lab

PEERS = ("reference", "strongswan-5.9.8", "libreswan-4.10")
PAIRINGS = [(initiator, responder) for initiator in PEERS for responder in PEERS]
MODES = ("tunnel", "transport")
WITH_REFERENCE = [pairing for pairing in PAIRINGS if "reference" in pairing]


@pytest.fixture(scope="module")
def run(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All nine pairings in tunnel and in transport mode, the plain algorithms, with PFS."""
    manifests = load_manifests(peers_root())
    plain = {"cipher": "aes128", "hash": "sha256", "group": "modp2048", "esp_cipher": "aes128"}
    restrictions = {name: (level,) for name, level in plain.items()}
    restrictions |= {"exchange": ("main",), "esp_integrity": ("sha256",), "pfs": ("modp2048",)}
    plan = make_plan(manifests, restrictions=restrictions)
    made = Run.create(tmp_path_factory.mktemp("results"), plan, lab.describe())
    run_cells(lab, manifests, made, plan.cells, started=lambda _: None, finished=lambda _: None)
    return made


def record_of(run: Run, pairing: tuple[str, str], mode: str) -> Record:
    """The record of one cell."""
    return next(
        record
        for record in run.records()
        if record.pairing == pairing and record.combination["mode"] == mode
    )


def opened(folder: Path, *arguments: str, keys: bool = True) -> list[str]:
    """What tshark prints of a cell's capture, with the keys beside it or without."""
    empty = folder / "no-keys"
    empty.mkdir(exist_ok=True)
    environment = os.environ | {
        "WIRESHARK_CONFIG_DIR": str(folder / "wireshark" if keys else empty)
    }
    done = subprocess.run(
        ["tshark", "-r", str(folder / "capture.pcapng"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line.strip()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pairing", PAIRINGS, ids=" to ".join)
def test_every_pairing_passes(
    run: Run, pairing: tuple[str, str], mode: str, prove_cell: Callable[[Run, Record], None]
) -> None:
    """The plain combination is claimed by all: SAs at both ends, ESP both ways, Delete."""
    record = record_of(run, pairing, mode)
    assert record.verdict is Verdict.PASS, (
        f"{record.reason}; {record.initiator}; {record.responder}"
    )
    assert record.traffic is not None
    assert (record.traffic.forward_decrypted, record.traffic.backward_decrypted) == (2, 2)
    prove_cell(run, record)


@pytest.mark.covers("exchange:2", "exchange:5", "exchange:32", "payload:D", by="tshark")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pairing", WITH_REFERENCE, ids=" to ".join)
def test_tshark_decrypts_ike(run: Run, pairing: tuple[str, str], mode: str) -> None:
    """Identities in Main Mode 5 and 6, three Quick Mode messages, and the Deletes.

    Between two hosts IDci and IDcr may be left out, which pluto does (RFC 2409 5.5).
    """
    folder = run.cell_folder(record_of(run, pairing, mode).cell)
    fields = ("-T", "fields", "-e", "isakmp.exchangetype", "-e", "isakmp.typepayload")
    rows = [line.split("\t") for line in opened(folder, "-Y", "isakmp.flag_e == 1", *fields)]
    payloads = [(row[0], row[1].split(",")) for row in rows if len(row) > 1 and row[1]]
    main = [types for exchange, types in payloads if exchange == "2"]
    quick = [types for exchange, types in payloads if exchange == "32"]
    deletes = [types for exchange, types in payloads if exchange == "5" and "12" in types]
    assert [types[:2] for types in main] == [["5", "8"], ["5", "8"]]
    assert [types[0] for types in quick] == ["8", "8", "8"]
    assert quick[0].count("5") == quick[1].count("5")
    assert quick[0].count("5") in ({2} if mode == "tunnel" else {0, 2})
    assert "4" in quick[0]
    assert "4" in quick[1]
    assert deletes


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pairing", PAIRINGS, ids=" to ".join)
def test_tshark_decrypts_esp(run: Run, pairing: tuple[str, str], mode: str) -> None:
    """Two echo requests and two replies inside ESP, their ICVs good."""
    folder = run.cell_folder(record_of(run, pairing, mode).cell)
    fields = ("-T", "fields", "-e", "icmp.type", "-e", "esp.icv_good")
    assert sorted(opened(folder, "-Y", "esp && icmp", *fields)) == ["0\t1"] * 2 + ["8\t1"] * 2


@pytest.mark.parametrize("pairing", WITH_REFERENCE[:1], ids=" to ".join)
def test_without_the_keys_nothing_is_seen(run: Run, pairing: tuple[str, str]) -> None:
    """What the two tests above see, they see by the keys."""
    folder = run.cell_folder(record_of(run, pairing, "tunnel").cell)
    assert opened(folder, "-Y", "esp && icmp", keys=False) == []
    assert opened(folder, "-Y", "esp", keys=False)


def test_no_key_is_in_a_record(run: Run) -> None:
    """Keys stand in the wireshark folder and nowhere else in the record."""
    for record in run.records():
        folder = run.cell_folder(record.cell)
        text = (folder / "record.json").read_text()
        for row in (folder / "wireshark" / "esp_sa").read_text().splitlines():
            assert row.split(",")[5].strip('"').removeprefix("0x") not in text


def test_the_pages_show_the_run(run: Run) -> None:
    """Nine columns, and each cell's page."""
    page = write_report(run).read_text()
    for record in run.records():
        assert record.cell in page
        assert (run.cell_folder(record.cell) / "index.html").is_file()


def test_another_psk_fails_with_its_reason_and_harms_nothing(lab: Lab, tmp_path: Path) -> None:
    """Libreswan keeps the lab's PSK, the others get another: each cell says why it failed.

    Afterwards the same daemons, as the same processes, pass again.
    """
    manifests = load_manifests(peers_root())
    pairings = [("libreswan-4.10", "reference"), ("reference", "libreswan-4.10")]
    plan = make_plan(manifests, pairings=pairings, limit=1)
    runs = []
    for psk in ("another", PSK):
        run = Run.create(tmp_path, plan, lab.describe())
        run_cells(
            lab,
            manifests,
            run,
            plan.cells,
            started=lambda _: None,
            finished=lambda _: None,
            psk=psk,
        )
        runs.append(run.records())
    refused, passed = runs
    assert [record.verdict for record in refused] == [Verdict.FAIL] * 2
    assert all("another pre-shared key" in record.reason for record in refused)
    assert refused[0].divergence is not None
    assert refused[0].divergence.name == "SKEYID_e"
    assert [record.verdict for record in passed] == [Verdict.PASS] * 2
    for bad, good in zip(refused, passed, strict=True):
        assert bad.alive
        assert bad.initiator.process == good.initiator.process
        assert bad.responder.process == good.responder.process


def test_a_record_repeats_itself(run: Run) -> None:
    """The command in a record plans exactly its cell, with the run's seed: the same randomness."""
    for record in run.records():
        words = shlex.split(record.repeat)[2:]
        options = list(pairwise(words))[::2]
        told = [value for name, value in options if name == "--factor"]
        plan = make_plan(
            load_manifests(peers_root()),
            pairings=[parse_pairing(dict(options)["--pairing"])],
            restrictions=parse_restrictions(told),
            seed=int(dict(options)["--seed"]),
        )
        assert [cell.id for cell in plan.cells] == [record.cell]
        assert plan.seed == run.plan.seed
