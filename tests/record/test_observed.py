"""What a check saw of a peer: outcomes from records, claims held against them, the file beside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from conformance.errors import UserError
from conformance.matrix.constraints import Exclusion
from conformance.matrix.factors import FACTORS
from conformance.matrix.manifest import Deviation, load_manifest, load_manifests
from conformance.record import Verdict, judge
from conformance.record.claims import Agreement, hold_claims
from conformance.record.observed import (
    FILE_NAME,
    Observed,
    Outcome,
    Seen,
    load_observed,
    outcome_of,
    stable,
    write_observed,
)
from conformance.record.records import make_record
from conformance.resources import peers_root

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.matrix.constraints import Role
    from conformance.record import Observation, Record

replace = msgspec.structs.replace
LIBRESWAN = load_manifest(peers_root() / "libreswan-4.10")
EVERY_LEVEL = {factor.name: list(factor.known) for factor in FACTORS}
CHECKED = sorted(path.parent for path in peers_root().glob(f"*/{FILE_NAME}"))


def recorded(seen: Observation, verdict: Verdict, **changes: Any) -> Record:
    judgement = replace(judge(seen), verdict=verdict, reason="because")
    record = make_record(
        seen, judgement, started="now", seconds=1.0, split={}, evidence={}, seed=1, repeat="it"
    )
    return replace(record, **changes)


def observed(role: Role = "responder", **levels: dict[str, Seen]) -> Observed:
    return Observed(
        peer="libreswan-4.10",
        date="2026-11-25",
        image="0123456789ab",
        package="libreswan 4.10-2",
        version="4.10",
        kernel="6.1.0",
        roles={role: levels},
    )


WORKS = Seen(outcome=Outcome.WORKS)
FAILS = Seen(outcome=Outcome.FAILS, reason="it broke")
REFUSED = Seen(outcome=Outcome.REFUSED, reason="NO-PROPOSAL-CHOSEN")


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.PASS, (Outcome.WORKS, "")),
        (Verdict.UNSUPPORTED, (Outcome.REFUSED, "because")),
        (Verdict.FAIL, (Outcome.BREAKS, "because")),
        (Verdict.INCONCLUSIVE, (Outcome.OPEN, "because")),
        (Verdict.ERROR, (Outcome.OPEN, "because")),
    ],
)
def test_an_outcome_follows_from_the_verdict(
    good: Observation, verdict: Verdict, expected: tuple[Outcome, str]
) -> None:
    assert outcome_of(recorded(good, verdict), "libreswan-4.10", ()) == expected


@pytest.mark.parametrize(
    ("alive", "expected"), [(True, Outcome.FAILS), (None, Outcome.FAILS), (False, Outcome.BREAKS)]
)
def test_a_failure_without_sas_is_no_breach_unless_the_peer_died(
    *, good: Observation, alive: bool | None, expected: Outcome
) -> None:
    bare = replace(good, responder=replace(good.responder, child=None))
    record = recorded(bare, Verdict.FAIL, alive=alive)
    assert outcome_of(record, "libreswan-4.10", ())[0] is expected


def test_a_driver_that_cannot_ask_is_told_apart_from_a_refusal(good: Observation) -> None:
    """Only where the words are those of the peer's own driver."""
    record = recorded(
        good, Verdict.UNSUPPORTED, responder=replace(good.responder, failure="it has no option")
    )
    told = outcome_of(record, "libreswan-4.10", {"it has no option"})
    assert told == (Outcome.UNASKED, "it has no option")
    assert outcome_of(record, "libreswan-4.10", {"else"})[0] is Outcome.REFUSED
    assert outcome_of(record, "strongswan-5.9.8", {"it has no option"})[0] is Outcome.REFUSED


def test_what_the_other_end_does_not_claim_says_nothing_of_the_peer(good: Observation) -> None:
    record = recorded(good, Verdict.UNSUPPORTED, undeclared=("strongswan-5.9.8: esn=yes",))
    assert outcome_of(record, "libreswan-4.10", ())[0] is Outcome.OPEN
    assert outcome_of(record, "strongswan-5.9.8", ())[0] is Outcome.REFUSED


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("it said no", "it said no"),
        ('002 "c0a1b2c3d" #17: no', '002 "CELL" #N: no'),
        ("Nov 25 21:43:01.123456: no", "no"),
        ("10.77.12.3 answered 10.77.10.4:500", "ADDRESS answered ADDRESS"),
        ("fd77::12:3 answered", "ADDRESS answered"),
        ("expected 0x12345678, got 0x00000001", "expected SPI, got SPI"),
        ("two\n   lines", "two lines"),
        ("expected sha256, got sha1 (RFC 2409 5.5)", "expected sha256, got sha1 (RFC 2409 5.5)"),
    ],
)
def test_a_reason_is_the_same_the_next_time(reason: str, expected: str) -> None:
    assert stable(reason) == expected


@pytest.mark.parametrize(
    ("levels", "claimed", "agreement"),
    [
        ({"cipher": {"aes128": WORKS}}, True, Agreement.AGREES),
        ({"cipher": {"aes128": FAILS}}, True, Agreement.FAILS),
        ({"cipher": {"aes128": REFUSED}}, True, Agreement.FAILS),
        ({"cipher": {"des": REFUSED}}, False, Agreement.AGREES),
        ({"cipher": {"des": FAILS}}, False, Agreement.AGREES),
        ({"cipher": {"des": WORKS}}, False, Agreement.WORKS),
        ({"cipher": {"des": Seen(outcome=Outcome.BREAKS)}}, False, Agreement.OPEN),
        ({"cipher": {"3des": Seen(outcome=Outcome.BREAKS)}}, True, Agreement.FAILS),
        ({"cipher": {"des": Seen(outcome=Outcome.OPEN)}}, False, Agreement.OPEN),
        ({"esn": {"yes": Seen(outcome=Outcome.UNASKED)}}, False, Agreement.AGREES),
        ({"lifetime": {"seconds": Seen(outcome=Outcome.UNASKED)}}, True, Agreement.FAILS),
        # excepted as it stands, though the level is claimed
        ({"pfs": {"ecp256": REFUSED}}, False, Agreement.AGREES),
        ({"pfs": {"ecp256": replace(WORKS, beside="group=ecp256")}}, True, Agreement.AGREES),
        ({"auth": {"xauth-resp-psk": REFUSED}}, False, Agreement.AGREES),
    ],
)
def test_a_claim_is_held_against_what_was_seen(
    *, levels: dict[str, dict[str, Seen]], claimed: bool, agreement: Agreement
) -> None:
    (held,) = hold_claims(LIBRESWAN, observed(**levels))
    assert (held.claimed, held.agreement) == (claimed, agreement)
    assert held.is_open == (agreement is not Agreement.AGREES)


@pytest.mark.parametrize(
    ("role", "level", "explained"),
    [
        ("responder", {"cipher": {"3des": FAILS}}, True),
        ("initiator", {"cipher": {"3des": FAILS}}, False),
        ("responder", {"cipher": {"aes128": FAILS}}, False),
        ("responder", {"cipher": {"3des": Seen(outcome=Outcome.OPEN)}}, False),
    ],
)
def test_a_known_fault_explains_a_disagreement_and_nothing_else(
    *, role: Role, level: dict[str, dict[str, Seen]], explained: bool
) -> None:
    """It explains neither what another role shows nor what stayed inconclusive."""
    fault = Deviation(
        when={"cipher": ("3des",)}, role="responder", reason="It breaks.", source="bug 7"
    )
    manifest = replace(LIBRESWAN, deviations=(fault,))
    (held,) = hold_claims(manifest, observed(role, **level))
    assert held.explanation == ("It breaks. (bug 7)" if explained else "")
    assert held.is_open is not explained


def test_the_file_is_written_in_report_order_with_a_level_a_line(tmp_path: Path) -> None:
    """Written twice it is the same, whatever order the levels came in; read, it is what it was."""
    seen = observed(cipher={"3des": FAILS, "aes128": WORKS}, exchange={"main": WORKS})
    path = write_observed(tmp_path, seen)
    text = path.read_text()
    assert text.index('"exchange"') < text.index('"cipher"')
    assert text.index('"aes128"') < text.index('"3des"')
    assert '        "3des": {"outcome": "fails", "reason": "it broke"}\n' in text
    assert json.loads(text)["roles"]["responder"]["exchange"] == {"main": {"outcome": "works"}}
    again = load_observed(tmp_path)
    assert again == seen
    write_observed(tmp_path, again)
    assert path.read_text() == text


def test_a_part_is_joined_with_what_was_seen_of_the_same_image() -> None:
    before = observed(cipher={"3des": FAILS, "aes128": WORKS})
    now = replace(observed(cipher={"3des": WORKS}), date="2026-11-26")
    joined = now.joined(before)
    assert joined.date == "2026-11-26"
    assert joined.roles["responder"]["cipher"] == {"3des": WORKS, "aes128": WORKS}
    other = observed("initiator", cipher={"3des": REFUSED}).joined(before)
    assert {role: levels["cipher"]["3des"] for role, levels in other.roles.items()} == {
        "responder": FAILS,
        "initiator": REFUSED,
    }
    with pytest.raises(UserError, match="another image"):
        now.joined(replace(before, image="another"))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert load_observed(tmp_path) is None
    (tmp_path / FILE_NAME).write_text("{}")
    with pytest.raises(UserError, match=r"observed\.json cannot be read"):
        load_observed(tmp_path)


def test_an_exception_takes_a_claim_back_and_a_deviation_does_not() -> None:
    """So what is excepted must be refused, and what deviates must fail."""
    exception = Exclusion(when={"cipher": ("3des",)}, reason="No.", source="manual")
    manifest = replace(LIBRESWAN, exceptions=(exception,), deviations=())
    (held,) = hold_claims(manifest, observed(cipher={"3des": WORKS}))
    assert held.agreement is Agreement.WORKS


@pytest.mark.parametrize("folder", CHECKED, ids=lambda folder: folder.name)
def test_what_was_observed_fits_the_manifest(folder: Path) -> None:
    """Each disagreement is explained by a known fault, and nothing stayed inconclusive."""
    seen = load_observed(folder)
    assert seen is not None
    manifest = load_manifests(peers_root())[folder.name]
    assert seen.peer == manifest.name
    assert set(seen.roles) == set(manifest.roles)
    assert not [held for held in hold_claims(manifest, seen) if held.is_open]


@pytest.mark.parametrize("folder", CHECKED, ids=lambda folder: folder.name)
def test_what_was_observed_is_of_every_level_and_written_in_order(
    folder: Path, tmp_path: Path
) -> None:
    seen = load_observed(folder)
    assert seen is not None
    for levels in seen.roles.values():
        assert {name: list(known) for name, known in levels.items()} == EVERY_LEVEL
    assert write_observed(tmp_path, seen).read_text() == (folder / FILE_NAME).read_text()
