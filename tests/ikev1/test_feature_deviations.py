"""Deviations in features and in the exchanges beside phase 1 and Quick Mode are caught too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from conformance.crypto.dh import GROUPS
from conformance.crypto.random import seeded_random
from conformance.ikev1.config import ModeConfigPolicy, Phase2Proposal
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.endpoint import Endpoint
from conformance.ikev1.events import ChildDeleted, ChildInstalled, GroupAgreed, MessageRejected
from conformance.ikev1.feature_deviations import FEATURE_DEVIATIONS
from conformance.ikev1.policies import (
    DpdPolicy,
    FragmentationPolicy,
    NatPolicy,
    NewGroupPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Callable

I, R = "initiator", "responder"  # noqa: E741 - the roles' letters in the RFC
HASH = NotifyType.INVALID_HASH_INFORMATION
MALFORMED, SYNTAX = NotifyType.PAYLOAD_MALFORMED, NotifyType.BAD_PROPOSAL_SYNTAX
SPI = NotifyType.INVALID_SPI
GROUP = {
    I: {"new_groups": NewGroupPolicy(((32768, GROUPS["modp768"].parameters),))},
    R: {"new_groups": NewGroupPolicy(accept=True)},
}
DPD = {I: {"dpd": DpdPolicy(idle=10.0)}, R: {"dpd": DpdPolicy(idle=600.0)}}
PULL = {
    I: {"mode_config": ModeConfigPolicy(gateway=False, push=False, values=(("ip4-address", b""),))},
    R: {
        "mode_config": ModeConfigPolicy(
            gateway=True, push=False, values=(("ip4-address", b"abcd"),)
        )
    },
}
NAT = {I: {"nat_traversal": NatPolicy(force=True)}, R: {"nat_traversal": NatPolicy()}}
TRANSPORT = {
    who: {**NAT[who], "phase2": (Phase2Proposal("aes128", "sha256", "transport", None),)}
    for who in NAT
}
FRAGMENTS = {who: {"fragmentation": FragmentationPolicy(size=120)} for who in (I, R)}
ASKED = {who: {"acknowledged_deletes": True} for who in (I, R)}
LIFETIME = {
    R: {
        "responder_lifetime": True,
        "phase2": (Phase2Proposal("aes128", "sha256", "tunnel", None, lifetime_seconds=60),),
    }
}


COMMIT = {R: {"commit": "quick-mode"}}
REPLAY = {R: {"replay_status": True}}


class Row(NamedTuple):
    """A deviation, who deviates, what both are told, and what the partner says of it."""

    name: str
    who: str
    overrides: dict[str, Any]
    notify: NotifyType
    reason: str
    what: str = "handshake"
    """What is done: a handshake, then "terminate" by the deviant or its partner, or "wait"."""


# fmt: off
CAUGHT = (
    Row("wrong-informational-hash",     I, {},    HASH, "HASH(1) differs", "terminate"),
    Row("wrong-informational-hash",     R, {},    HASH, "HASH(1) differs", "terminate"),
    Row("wrong-acknowledged-hash-1",    I, ASKED, HASH, "HASH(1) differs", "terminate"),
    Row("wrong-acknowledged-hash-1",    R, ASKED, HASH, "HASH(1) differs", "terminate"),
    Row("wrong-acknowledged-hash-2",    R, ASKED, HASH, "HASH(2) differs", "be terminated"),
    Row("wrong-acknowledged-hash-2",    I, ASKED, HASH, "HASH(2) differs", "be terminated"),
    Row("answer-to-another-delete",     R, ASKED, MALFORMED, "to something else", "be terminated"),
    Row("wrong-group-hash-1",           I, GROUP, HASH, "HASH(1) differs"),
    Row("wrong-group-hash-2",           R, GROUP, HASH, "HASH(2) differs"),
    Row("altered-group",                R, GROUP, SYNTAX, "none that we offered"),
    Row("wrong-transaction-hash",       I, PULL,  HASH, "HASH(1) differs"),
    Row("wrong-transaction-hash",       R, PULL,  HASH, "HASH(1) differs"),
    Row("other-transaction-identifier", R, PULL,  MALFORMED, "identifier"),
    Row("commit-without-connected",     R, COMMIT, MALFORMED, "CONNECTED missing"),
    Row("dpd-other-sequence",           R, DPD,   SPI, "has sequence number", "wait"),
    Row("dpd-short-sequence",           I, DPD,   MALFORMED, "3 octets of data", "wait"),
    Row("dpd-other-cookies",            I, DPD,   SPI, "names other cookies", "wait"),
    Row("single-nat-d",                 I, NAT,   MALFORMED, "NAT-D payloads of 32 octets"),
    Row("single-nat-d",                 R, NAT,   MALFORMED, "NAT-D payloads of 32 octets"),
    Row("short-nat-d",                  I, NAT,   MALFORMED, "NAT-D payloads of 31, 31 octets"),
    Row("short-nat-d",                  R, NAT,   MALFORMED, "NAT-D payloads of 31, 31 octets"),
    Row("no-original-address",          I, TRANSPORT, MALFORMED, "0 NAT-OA payloads"),
    Row("no-original-address",          R, TRANSPORT, MALFORMED, "0 NAT-OA payloads"),
    Row("fragment-number-zero",         I, FRAGMENTS, MALFORMED, "fragment 0 of"),
    Row("fragment-number-zero",         R, FRAGMENTS, MALFORMED, "fragment 0 of"),
    Row("cut-responder-lifetime",       R, LIFETIME, MALFORMED, "RESPONDER-LIFETIME"),
    Row("odd-replay-status",            R, REPLAY, MALFORMED, "REPLAY-STATUS"),
)
# fmt: on
ELSEWHERE = {"commit-bit-alone"}
"""Nothing is refused, but nothing stands either; below."""


def ended(pair: Any, role: str, config: dict[str, Any], deviations: tuple[str, ...]) -> Endpoint:
    """One end of a pair made anew, knowing its own address."""
    made = pair.initiator if role == I else pair.responder
    return Endpoint(
        replace(made.config, **config),
        made.remote,
        random=seeded_random(role),
        local={I: ("10.0.0.1", 500), R: ("10.0.0.2", 500)}[role],
        deviations=deviations,
    )


def deviant(make_pair: Callable[..., Any], row: Row) -> Any:
    """A pair of which one deviates."""
    pair = make_pair()
    for role in (I, R):
        broken = (row.name,) if row.who == role else ()
        setattr(pair, role, ended(pair, role, row.overrides.get(role, {}), broken))
    return pair


@pytest.mark.covers("feature:deviations", by="self")
@pytest.mark.parametrize("row", CAUGHT, ids=lambda row: f"{row.name}-{row.who}")
def test_the_partner_catches_it(make_pair: Callable[..., Any], row: Row) -> None:
    """The message is rejected for that very reason."""
    pair = deviant(make_pair, row)
    pair.handshake()
    partner = R if row.who == I else I
    if row.what == "wait":
        pair.now = 11.0
        pair.initiator.handle_timer(pair.now)
    elif "terminate" in row.what:
        getattr(pair, row.who if row.what == "terminate" else partner).terminate(pair.now)
    pair.deliver()
    rejected = getattr(pair, f"of_{partner}")(MessageRejected)
    assert (row.notify, True) in [(one.notify, row.reason in one.reason) for one in rejected]
    if row.what == "handshake" and row.overrides is not GROUP:
        assert not (pair.of_initiator(ChildInstalled) and pair.of_responder(ChildInstalled))
    if row.overrides is GROUP:
        assert not (pair.of_initiator(GroupAgreed) and pair.of_responder(GroupAgreed))
    if row.what == "terminate":
        assert not getattr(pair, f"of_{partner}")(ChildDeleted)


def test_commit_bit_alone_keeps_the_partner_waiting(make_pair: Callable[..., Any]) -> None:
    """CONNECTED never comes, so the initiator installs nothing."""
    pair = make_pair(responder_deviations=("commit-bit-alone",))
    pair.handshake()
    pair.pass_time()
    assert pair.of_responder(ChildInstalled)
    assert not pair.of_initiator(ChildInstalled)


def test_every_deviation_has_a_test_and_a_source() -> None:
    names = {row.name for row in FEATURE_DEVIATIONS}
    assert {row.name for row in CAUGHT} | ELSEWHERE == names
    assert all(one.must.rpartition(", ")[2] for one in FEATURE_DEVIATIONS)


@pytest.mark.parametrize("exchange", ["base", "authentication-only"])
@pytest.mark.parametrize(("name", "who"), [("wrong-hash-i", I), ("wrong-hash-r", R)])
def test_wrong_proofs_of_other_exchanges(
    make_pair: Callable[..., Any], exchange: str, name: str, who: str
) -> None:
    """HASH_I and HASH_R of Base and Authentication Only are checked like those of Main Mode."""
    pair = make_pair(
        initiator={"exchange": exchange},
        responder={"exchange": exchange},
        **{f"{who}_deviations": (name,)},
    )
    pair.handshake()
    partner = pair.of_responder if who == I else pair.of_initiator
    assert partner(MessageRejected)[0].notify is HASH
