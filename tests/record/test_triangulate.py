"""Whose fault a failing cell looks like, over tables of the other cells' verdicts."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import pytest

from conformance.record import Observation, Record, Verdict, judge, make_record
from conformance.record.triangulate import triangulate

A, B, R = "strongswan-5.9.8", "libreswan-4.10", "reference"
PASS, FAIL, UNSUPPORTED = Verdict.PASS, Verdict.FAIL, Verdict.UNSUPPORTED


def record(
    seen: Observation, pairing: tuple[str, str], verdict: Verdict, fault: str | None = None
) -> Record:
    ends = {
        role: msgspec.structs.replace(getattr(seen, role), peer=peer)
        for role, peer in zip(("initiator", "responder"), pairing, strict=True)
    }
    made = make_record(
        msgspec.structs.replace(seen, **ends),
        judge(seen),
        started="2026-01-02T03:04:05+00:00",
        seconds=1.0,
        split={},
        evidence={},
        seed=1,
        repeat="",
    )
    return msgspec.structs.replace(made, verdict=verdict, fault=fault)


Case: TypeAlias = tuple[
    str, tuple[str, str], str | None, dict[tuple[str, str], Verdict], str | None, str
]

CASES: list[Case] = [
    # what, the failing pairing and its own fault, the other verdicts, fault, a part of the reason
    ("the one that fails with itself and the reference", (A, B), None,
     {(A, A): PASS, (R, A): PASS, (B, B): FAIL, (R, B): FAIL}, B, "libreswan-4.10 fails in"),
    ("the one that fails, though the cell points elsewhere", (A, B), A,
     {(A, A): PASS, (B, B): FAIL}, B, "strongswan-5.9.8 passes in strongswan-5.9.8 → "),
    ("both fail elsewhere", (A, B), A, {(A, A): FAIL, (B, B): FAIL}, None, "fails in"),
    ("both pass elsewhere: the cell itself", (A, B), B, {(A, A): PASS, (B, B): PASS},
     B, "passes in"),
    ("both pass elsewhere and the cell does not tell", (A, B), None,
     {(A, A): PASS, (B, B): PASS}, None, "passes in"),
    ("one is cleared, of the other nothing is known", (A, B), None, {(R, A): PASS}, B,
     "libreswan-4.10 has no other verdict to compare with"),
    ("a mixed standing tells nothing", (A, B), None,
     {(B, B): PASS, (B, R): FAIL, (A, A): UNSUPPORTED}, None, "passes in"),
    ("the reverse way is no witness", (A, B), None, {(B, A): FAIL}, None, "no other verdict"),
    ("with the reference: it with itself", (R, B), None, {(R, R): PASS, (B, B): FAIL},
     B, "reference passes"),
    ("with itself", (A, A), None, {(R, A): PASS}, A, "fails with itself"),
    ("a third pairing is no witness", (R, B), None, {(A, B): FAIL}, None, "no other verdict"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_the_other_cells_point_at_a_peer(good: Observation, case: Case) -> None:
    what, pairing, own_fault, others, fault, why = case
    failing = record(good, pairing, FAIL, own_fault)
    witnesses = [record(good, pair, verdict) for pair, verdict in others.items()]
    found = triangulate(failing, [failing, *witnesses])
    assert found is not None, what
    assert found.fault == fault
    assert why in found.why


def test_only_the_same_combination_counts(good: Observation) -> None:
    failing = record(good, (A, B), FAIL)
    other = msgspec.structs.replace(
        record(good, (B, B), FAIL), combination=failing.combination | {"cipher": "3des"}
    )
    found = triangulate(failing, [failing, other])
    assert found is not None
    assert found.fault is None


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not FAIL])
def test_only_fails_are_triangulated(good: Observation, verdict: Verdict) -> None:
    assert triangulate(record(good, (A, B), verdict), []) is None
