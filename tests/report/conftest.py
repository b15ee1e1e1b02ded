"""A run with invented records of every verdict, judged by the real rules, in a temporary folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from conformance.matrix import load_manifests, make_plan, repeat_command
from conformance.record import (
    ChildSa,
    Divergence,
    EndState,
    IkeSa,
    Observation,
    Record,
    Run,
    Traffic,
    WireNotify,
    judge,
    make_record,
)
from conformance.record.transcript import Message, ladder
from conformance.record.wireshark import configuration

if TYPE_CHECKING:
    from conformance.matrix import Cell, Plan

replace = msgspec.structs.replace
MANIFESTS = load_manifests(Path(__file__).parents[2] / "peers")
ADDRESSES = {
    "reference": "10.77.0.12",
    "libreswan-4.10": "10.77.0.10",
    "strongswan-5.9.8": "10.77.0.14",
}
HOSTILE = "<script>alert('x')</script> & \"quoted\""


def invent(cell: Cell) -> Observation:
    """All is well, but for what the cell's levels stand for in this invented world."""
    levels = cell.combination
    seen = Observation(
        cell=cell.id,
        combination=levels,
        initiator=end(cell, "initiator"),
        responder=end(cell, "responder"),
        undeclared=cell.undeclared,
        traffic=Traffic(
            forward_seen=3,
            backward_seen=3,
            forward_decrypted=3,
            backward_decrypted=3,
            cleartext_seen=0,
            reason="3 echo requests and their answers, read by tshark",
        ),
        deleted=True,
        delete_seen=True,
        alive=True,
    )
    if cell.undeclared and levels["pfs"] != "modp1024":
        return no_sa(seen, wire_notifies=(notify(seen),))
    if "libreswan-4.10" in cell.pairing and (levels["cipher"], levels["hash"]) == ("3des", "md5"):
        first = Divergence(
            name="HASH_R",
            expected="9f1c5a0e7745d1c2",
            got="04be8a7711d09c53",
            explanation="it would match if the ID payload's port were 0",
        )
        return no_sa(seen, divergence=first)
    if (
        cell.responder == "strongswan-5.9.8"
        and levels["cipher"] == "aes192"
        and levels["group"] == "ecp256"
    ):
        return no_sa(seen, wire_notifies=(notify(seen),))
    if cell.pairing == ("reference", "libreswan-4.10") and levels["mode"] == "transport":
        if levels["esp_cipher"] == "aes256":
            return no_sa(seen, timed_out=True)
        if levels["esp_cipher"] == "aes192":
            return no_sa(seen, error=f"the control channel closed: {HOSTILE}")
    return seen


def notify(seen: Observation) -> WireNotify:
    address = seen.responder.address or ""
    return WireNotify(
        source=address, exchange="informational", name="NO-PROPOSAL-CHOSEN", protected=False
    )


def no_sa(seen: Observation, **changes: Any) -> Observation:
    ends = {
        "initiator": replace(seen.initiator, ike=None, child=None, failure=f"gave up {HOSTILE}"),
        "responder": replace(seen.responder, ike=None, child=None),
    }
    return replace(seen, **ends, traffic=None, deleted=None, delete_seen=None, **changes)


def end(cell: Cell, role: str) -> EndState:
    peer = cell.initiator if role == "initiator" else cell.responder
    spis = (0xC1A2B3C4, 0xD4C3B2A1)
    selectors = ("10.78.14.0/24", "10.78.11.0/24")
    here, there = (0, 1) if role == "initiator" else (1, 0)
    levels = cell.combination
    return EndState(
        peer=peer,
        role=role,
        address=ADDRESSES[peer],
        process=41 + here,
        version=peer.rpartition("-")[2] or peer,
        ike=IkeSa(
            cookie_initiator="0102030405060708",
            cookie_responder="a1a2a3a4a5a6a7a8",
            state="established",
            cipher=levels["cipher"],
            hash=levels["hash"],
            group=levels["group"],
            auth=levels["auth"],
            lifetime_seconds=28800,
        ),
        child=ChildSa(
            spi_in=spis[here],
            spi_out=spis[there],
            protocol=levels["protocol"],
            mode=levels["mode"],
            cipher=levels["esp_cipher"],
            integrity=levels["esp_integrity"],
            pfs=levels["pfs"],
            local_selector=selectors[here],
            remote_selector=selectors[there],
            packets_in=3,
            packets_out=3,
        ),
    )


MESSAGES = [
    Message(0.002, "initiator", "Main Mode 1", ["HDR", "SA"], [HOSTILE], "RFC 2409 5.4"),
    Message(0.014, "responder", "Main Mode 2", ["HDR", "SA"], ["SA: one transform chosen"]),
    Message(0.021, "initiator", "Main Mode 3", ["HDR", "KE", "Ni"]),
    Message(0.030, "responder", "Main Mode 4", ["HDR", "KE", "Nr"]),
    Message(0.041, "initiator", "Main Mode 5", ["HDR*", "IDii", "HASH_I"], ["ID: ipv4_addr"]),
]


def record_and_files(cell: Cell, seed: int) -> tuple[Record, dict[str, bytes]]:
    seen = invent(cell)
    files = {
        "capture.pcapng": b"\n\r\r\n",
        "transcript.txt": ladder(cell.initiator, cell.responder, MESSAGES).encode(),
        "initiator.log": b"started\n",
        "responder.log": b"started\n",
        **configuration([], []),
    }
    evidence = {
        "capture": "capture.pcapng",
        "transcript": "transcript.txt",
        "initiator's log": "initiator.log",
        "responder's log": "responder.log",
        "ESP keys": "wireshark/esp_sa",
    }
    record = make_record(
        seen,
        judge(seen),
        started="2026-01-02T03:04:05+00:00",
        seconds=0.83,
        split={"configure": 0.21, "negotiate": 0.12, "traffic": 0.4, "end": 0.1},
        evidence=evidence,
        seed=seed,
        repeat=repeat_command(cell, seed),
    )
    return record, files


def make_run(root: Path, plan: Plan, *, leave_out: int = 0) -> Run:
    """A run of ``plan`` under ``root`` whose last ``leave_out`` cells have not run."""
    environment = {
        "engine": "embedded",
        "kernel": "6.1.0 user-mode",
        "docker": {"version": "20.10.24", "images": {"reference": "sha256:0a1b2c"}},
        "host": HOSTILE,
    }
    run = Run.create(root, plan, environment)
    for cell in plan.cells[: len(plan.cells) - leave_out]:
        run.write(*record_and_files(cell, plan.seed))
    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Nine pairings, all rows of the default plan, four cells not run."""
    return make_run(
        tmp_path_factory.mktemp("results"), make_plan(MANIFESTS, peers=list(ADDRESSES)), leave_out=4
    )
