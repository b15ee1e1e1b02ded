"""The table of rules: for every rule an observation that it judges, and the order among them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.record import Divergence, Observation, Verdict, WireNotify, exit_status, judge
from conformance.record.verdicts import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

replace = msgspec.structs.replace
LIBRESWAN, STRONGSWAN = "libreswan-4.10", "strongswan-5.9.8"
CLAIM = "libreswan-4.10: group=modp1024"
NO_DPD = "event=dpd: no R-U-THERE that was answered"
NO_NAT = "nat=initiator: IKE did not go on at port 4500"


def refused(name: str = "NO-PROPOSAL-CHOSEN", source: str = "10.77.0.11") -> dict[str, Any]:
    return {
        "wire_notifies": (
            WireNotify(source=source, exchange="informational", name=name, protected=False),
        )
    }


def bare(seen: Observation, **changes: Any) -> Observation:
    """No SA at either end, no traffic, no Delete."""
    ends = {
        role: replace(getattr(seen, role), ike=None, child=None)
        for role in ("initiator", "responder")
    }
    return replace(
        seen, **ends, **{"traffic": None, "deleted": None, "delete_seen": None} | changes
    )


def at(seen: Observation, role: str, **changes: Any) -> Observation:
    return replace(seen, **{role: replace(getattr(seen, role), **changes)})


def child(seen: Observation, role: str, **changes: Any) -> Observation:
    return at(seen, role, child=replace(getattr(seen, role).child, **changes))


def ike(seen: Observation, role: str, **changes: Any) -> Observation:
    return at(seen, role, ike=replace(getattr(seen, role).ike, **changes))


def traffic(seen: Observation, **changes: int) -> Observation:
    assert seen.traffic is not None
    return replace(seen, traffic=replace(seen.traffic, **changes))


def revoked(seen: Observation) -> Observation:
    return replace(seen, combination=seen.combination | {"certificates": "revoked"})


def by_wire(seen: Observation) -> Observation:
    """The responder is a device out there: it tells nothing of itself."""
    return at(seen, "responder", observed="wire", ike=None, child=None, process=0)


def begun_elsewhere(seen: Observation) -> Observation:
    """The initiator is a device out there."""
    return at(seen, "initiator", observed="wire", ike=None, child=None, process=0)


Case: TypeAlias = "tuple[str, Callable[[Observation], Observation], Verdict, str, str | None]"

HASH_R = Divergence(
    name="HASH_R", expected="aa", got="bb", explanation="it matches with port 0 in the ID payload"
)

CASES: list[Case] = [
    # rule, what was seen, verdict, a part of the reason, fault
    ("error", lambda o: replace(o, error="vici closed"), Verdict.ERROR, "vici closed", None),
    ("not-alive", lambda o: bare(o, alive=False), Verdict.ERROR, "did not answer any more", None),
    ("not-alive", lambda o: bare(o, alive=False, error="pluto ended; its last words"),
     Verdict.ERROR, "pluto ended; its last words", None),
    ("cleartext", lambda o: traffic(o, cleartext_seen=2), Verdict.FAIL, "2 packets", None),
    ("accepted-forbidden", revoked, Verdict.FAIL,
     "the responder accepted a revoked certificate", LIBRESWAN),
    ("accepted-forbidden", lambda o: revoked(at(o, "responder", child=None)), Verdict.FAIL,
     "the responder accepted a revoked certificate", LIBRESWAN),
    ("refused-as-due", lambda o: revoked(bare(o, **refused("AUTHENTICATION-FAILED"))),
     Verdict.PASS, "a revoked certificate was refused: AUTHENTICATION-FAILED", None),
    ("refused-as-due", lambda o: revoked(at(bare(o), "responder", failure="it is revoked")),
     Verdict.PASS, "was refused: it is revoked", None),
    ("timeout", lambda o: revoked(bare(o, timed_out=True)), Verdict.INCONCLUSIVE,
     "time ran out", None),
    ("undeclared-refused", lambda o: bare(o, undeclared=(CLAIM,), **refused()),
     Verdict.UNSUPPORTED, f"not claimed ({CLAIM}) and refused: NO-PROPOSAL-CHOSEN", None),
    ("undeclared-refused", lambda o: bare(o, undeclared=(CLAIM,), timed_out=True, **refused()),
     Verdict.UNSUPPORTED, "refused: NO-PROPOSAL-CHOSEN", None),
    ("undeclared-refused",
     lambda o: at(bare(o, undeclared=(CLAIM,)), "responder", failure="dh2 not supported"),
     Verdict.UNSUPPORTED, 'libreswan-4.10 says "dh2 not supported"', None),
    ("undeclared-refused",
     lambda o: at(bare(o, undeclared=(CLAIM,)), "initiator", notifies=("NO_PROPOSAL_CHOSEN",)),
     Verdict.UNSUPPORTED, "NO-PROPOSAL-CHOSEN", None),
    ("not-offered", lambda o: begun_elsewhere(bare(o, **refused())), Verdict.FAIL,
     "strongswan-5.9.8 began, but did not offer what the combination asks for: NO-PROPOSAL-CHOSEN",
     STRONGSWAN),
    ("not-offered",
     lambda o: at(begun_elsewhere(bare(o, **refused())), "responder", failure="hash differs"),
     Verdict.FAIL, "asks for: hash differs", STRONGSWAN),
    ("declared-refused", lambda o: begun_elsewhere(bare(o, **refused(source="10.77.0.14"))),
     Verdict.FAIL, "strongswan-5.9.8 answered", STRONGSWAN),
    ("declared-refused", lambda o: bare(o, **refused()), Verdict.FAIL,
     "libreswan-4.10 answered NO-PROPOSAL-CHOSEN to what it claims", LIBRESWAN),
    ("declared-refused", lambda o: bare(o, **refused(source="10.77.0.14")), Verdict.FAIL,
     "strongswan-5.9.8 answered", STRONGSWAN),
    ("error-notify", lambda o: bare(o, **refused("AUTHENTICATION_FAILED")), Verdict.FAIL,
     "libreswan-4.10 sent AUTHENTICATION-FAILED", None),
    ("divergence", lambda o: bare(o, divergence=HASH_R), Verdict.FAIL,
     "HASH_R differs: expected aa, got bb (it matches with port 0 in the ID payload)", None),
    ("divergence", lambda o: bare(o, divergence=HASH_R, **refused("PAYLOAD-MALFORMED")),
     Verdict.FAIL, "HASH_R differs", None),
    ("divergence", lambda o: bare(o, divergence=HASH_R, timed_out=True), Verdict.FAIL,
     "HASH_R differs", None),
    ("one-sided", lambda o: at(o, "responder", child=None, failure="no route"), Verdict.FAIL,
     "only initiator strongswan-5.9.8 holds the SAs, not responder libreswan-4.10: no route", None),
    ("disagreement", lambda o: ike(o, "responder", cipher="aes256"), Verdict.FAIL,
     "IKE cipher of responder libreswan-4.10: expected aes128, got aes256", LIBRESWAN),
    ("disagreement", lambda o: ike(o, "initiator", hash="sha1"),
     Verdict.FAIL, "IKE hash", STRONGSWAN),
    ("disagreement", lambda o: ike(o, "initiator", group="ecp256"),
     Verdict.FAIL, "IKE group", STRONGSWAN),
    ("disagreement", lambda o: ike(o, "initiator", auth="rsa"),
     Verdict.FAIL, "IKE auth", STRONGSWAN),
    ("disagreement", lambda o: ike(o, "initiator", state="CONNECTING"), Verdict.FAIL,
     "expected established, got connecting", STRONGSWAN),
    ("disagreement", lambda o: ike(o, "initiator", cookie_responder="00" * 8), Verdict.FAIL,
     "cookie responder", None),
    ("disagreement", lambda o: child(o, "responder", protocol="ah"),
     Verdict.FAIL, "ESP protocol", LIBRESWAN),
    ("disagreement", lambda o: child(o, "responder", mode="transport"), Verdict.FAIL,
     "ESP mode of responder libreswan-4.10: expected tunnel, got transport", LIBRESWAN),
    ("disagreement", lambda o: child(o, "responder", cipher="aes192"),
     Verdict.FAIL, "ESP cipher", LIBRESWAN),
    ("disagreement", lambda o: child(o, "responder", integrity="sha1"), Verdict.FAIL,
     "ESP integrity", LIBRESWAN),
    ("disagreement", lambda o: child(o, "responder", esn="yes"), Verdict.FAIL,
     "ESP esn", LIBRESWAN),
    ("disagreement", lambda o: child(o, "responder", pfs="modp2048"), Verdict.FAIL,
     "ESP pfs of responder libreswan-4.10: expected none, got modp2048", LIBRESWAN),
    ("disagreement", lambda o: child(o, "responder", spi_in=0xBAD), Verdict.FAIL,
     "outbound SPI = inbound SPI", None),
    ("disagreement", lambda o: child(o, "responder", spi_out=0xBAD), Verdict.FAIL,
     "expected 0x00000bad, got 0x000000c1", None),
    ("disagreement", lambda o: child(o, "responder", local_selector="10.78.11.1"), Verdict.FAIL,
     "expected 10.78.11.1/32, got 10.78.11.0/24", None),
    ("timeout", lambda o: bare(o, timed_out=True), Verdict.INCONCLUSIVE,
     "time ran out before both ends held the SAs", None),
    ("timeout", lambda o: bare(o, timed_out=True, undeclared=(CLAIM,)), Verdict.INCONCLUSIVE,
     "time ran out", None),
    ("timeout",
     lambda o: at(bare(o, timed_out=True, undeclared=(CLAIM,)), "responder", failure="no answer"),
     Verdict.INCONCLUSIVE, 'libreswan-4.10 says "no answer"', None),
    ("timeout", lambda o: replace(o, timed_out=True, traffic=None), Verdict.INCONCLUSIVE,
     "after the SAs stood", None),
    ("gave-up", lambda o: at(bare(o), "initiator", failure="malformed"), Verdict.FAIL,
     'the negotiation ended without SAs; strongswan-5.9.8 says "malformed"', None),
    ("nothing", bare, Verdict.INCONCLUSIVE, "neither end says why", None),
    ("no-traffic", lambda o: replace(o, traffic=None),
     Verdict.INCONCLUSIVE, "no traffic was read", None),
    ("one-way", lambda o: traffic(o, backward_seen=0, backward_decrypted=0), Verdict.FAIL,
     "from libreswan-4.10 to strongswan-5.9.8 (3 echo requests, read by tshark)", None),
    ("one-way", lambda o: traffic(o, forward_seen=0, backward_seen=0), Verdict.FAIL,
     "from strongswan-5.9.8 to libreswan-4.10 and libreswan-4.10 to strongswan-5.9.8", None),
    ("undecrypted", lambda o: traffic(o, forward_decrypted=1), Verdict.FAIL,
     "from initiator strongswan-5.9.8 (1 of 3 packets)", None),
    ("unproven", lambda o: replace(o, unproven=(NO_DPD,)), Verdict.FAIL,
     f"not all that was asked for was seen: {NO_DPD}", None),
    ("unproven", lambda o: replace(o, unproven=(NO_DPD, NO_NAT), deleted=False), Verdict.FAIL,
     f"{NO_DPD}; {NO_NAT}", None),
    ("unproven", lambda o: replace(o, unproven=(NO_DPD,), undeclared=(CLAIM,)), Verdict.FAIL,
     NO_DPD, None),
    ("delete-untold", lambda o: replace(o, deleted=None), Verdict.INCONCLUSIVE, "Delete", None),
    ("delete-untold", lambda o: replace(o, delete_seen=None), Verdict.INCONCLUSIVE, "Delete", None),
    ("not-deleted", lambda o: replace(o, deleted=False), Verdict.FAIL, "still held SAs", None),
    ("delete-unseen", lambda o: replace(o, delete_seen=False),
     Verdict.FAIL, "no Delete was seen", None),
    ("works-undeclared", lambda o: replace(o, undeclared=(CLAIM,)), Verdict.PASS,
     f"works although not declared ({CLAIM})", None),
    ("works-by-wire", by_wire, Verdict.PASS,
     "strongswan-5.9.8 holds the SAs asked for, under their keys libreswan-4.10 was asked", None),
    ("one-way", lambda o: traffic(by_wire(o), backward_seen=0, backward_decrypted=0), Verdict.FAIL,
     "from libreswan-4.10 to strongswan-5.9.8", None),
    ("undecrypted", lambda o: traffic(by_wire(o), backward_decrypted=1), Verdict.FAIL,
     "from responder libreswan-4.10 (1 of 3 packets)", None),
    ("disagreement", lambda o: child(by_wire(o), "initiator", mode="transport"), Verdict.FAIL,
     "ESP mode of initiator", STRONGSWAN),
    ("nothing", lambda o: by_wire(bare(o)), Verdict.INCONCLUSIVE, "neither end says why", None),
    ("delete-unseen", lambda o: by_wire(replace(o, delete_seen=False)), Verdict.FAIL,
     "no Delete was seen", None),
    ("works-undeclared", lambda o: by_wire(replace(o, undeclared=(CLAIM,))), Verdict.PASS,
     "works although not declared", None),
    ("works", lambda o: o, Verdict.PASS, "traffic passed both ways", None),
    ("works", lambda o: replace(o, **refused("INITIAL-CONTACT")), Verdict.PASS, "both ends", None),
    ("works", lambda o: child(o, "responder", pfs="none"), Verdict.PASS, "both ends", None),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)]
)
def test_each_rule_judges_what_it_is_for(good: Observation, case: Case) -> None:
    rule, change, verdict, reason, fault = case
    seen = change(good)
    assert next(row.name for row in RULES if row.find(seen)) == rule
    judgement = judge(seen)
    assert judgement.verdict is verdict
    assert reason in judgement.reason
    assert judgement.fault == fault


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, id=rule.name) for rule in RULES if rule.verdict is Verdict.FAIL]
)
def test_fails_rest_on_a_requirement_or_on_their_own_words(rule: Any) -> None:
    own_words = {"not-alive", "divergence", "disagreement", "gave-up", "unproven"}
    assert rule.requirement or rule.name in own_words


def test_a_disagreement_names_its_section(good: Observation) -> None:
    assert judge(child(good, "responder", mode="transport")).requirement == "RFC 2407 4.5"


@pytest.mark.parametrize(
    ("missing", "requirement"),
    [
        ("auth=xauth-init-psk: no Transaction", "draft-beaulieu-ike-xauth-02 5"),
        ("mode_config=pull: no Transaction", "draft-dukes-ike-mode-cfg-02 2"),
        ("fragmentation=yes: no fragments", "[MS-IKEE] 3.3"),
        (NO_NAT, "RFC 3947 4"),
        (NO_DPD, "RFC 3706 5.2"),
        ("event=rekey: no second Quick Mode", "RFC 2408 4.3"),
        (f"event=rekey: no second Quick Mode: at all, {NO_DPD}", "RFC 2408 4.3"),
    ],
)
def test_what_was_not_proven_names_its_section(
    good: Observation, missing: str, requirement: str
) -> None:
    """That of the first thing that is missing; the reason names them all."""
    judgement = judge(replace(good, unproven=(missing, "nat=initiator: no")))
    assert judgement.requirement == requirement
    assert missing in judgement.reason
    assert "nat=initiator: no" in judgement.reason


def test_each_rule_comes_before_what_it_makes_meaningless() -> None:
    """Whether all was proven is asked once traffic is, and before the Delete is judged."""
    names = [rule.name for rule in RULES]
    assert names.index("undecrypted") < names.index("unproven") < names.index("delete-untold")


@settings(
    max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_a_pass_always_rests_on_proof_and_silence_is_never_unsupported(
    good: Observation, data: st.DataObject
) -> None:
    """Whatever is combined: no pass without all proof, no unsupported without a refusal."""
    ends = [good, bare(good), at(good, "responder", child=None), by_wire(good)]
    seen = replace(
        data.draw(st.sampled_from(ends)),
        undeclared=data.draw(st.sampled_from([(), (CLAIM,)])),
        timed_out=data.draw(st.booleans()),
        traffic=data.draw(
            st.sampled_from([None, good.traffic, traffic(good, forward_seen=0).traffic])
        ),
        deleted=data.draw(st.sampled_from([None, False, True])),
        delete_seen=data.draw(st.sampled_from([None, False, True])),
        alive=data.draw(st.sampled_from([None, False, True])),
        error=data.draw(st.sampled_from([None, "broke"])),
        wire_notifies=data.draw(st.sampled_from([(), refused()["wire_notifies"]])),
        unproven=data.draw(st.sampled_from([(), (NO_DPD,)])),
    )
    verdict = judge(seen).verdict
    if verdict is Verdict.PASS:
        assert seen.initiator.child
        assert seen.responder.child or seen.responder.observed == "wire"
        assert (seen.traffic, seen.deleted, seen.delete_seen) == (good.traffic, True, True)
        assert seen.alive is not False
        assert not seen.error
        assert not seen.timed_out
        assert not seen.unproven
    if verdict is Verdict.UNSUPPORTED:
        assert seen.undeclared
        assert seen.wire_notifies
    if seen.error:
        assert verdict is Verdict.ERROR


@pytest.mark.parametrize(
    "verdicts",
    [pair for size in range(3) for pair in itertools.product(Verdict, repeat=size)],
    ids="-".join,
)
def test_only_cells_without_a_fact_make_the_status_nonzero(verdicts: tuple[Verdict, ...]) -> None:
    factless = {Verdict.INCONCLUSIVE, Verdict.ERROR} & set(verdicts)
    assert exit_status(verdicts) == (1 if factless else 0)


def test_a_cookie_that_a_peer_does_not_tell_is_not_compared(good: Observation) -> None:
    """Pluto tells no cookies: that it is silent is no disagreement; what it tells still counts."""
    silent = ike(good, "responder", cookie_initiator="", cookie_responder="")
    assert judge(silent).verdict is Verdict.PASS
