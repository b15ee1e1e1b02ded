"""Phase 1 in a group that is spelled out instead of numbered (RFC 2409 Appendix A)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.dh import GROUPS, GroupParameters
from conformance.ikev1.attributes import PHASE_1, Attribute, describe
from conformance.ikev1.config import Phase1Proposal
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.describe import describe_payload
from conformance.ikev1.errors import LocalError, PeerError
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    IsakmpEstablished,
    MessageRejected,
    MessageSent,
)
from conformance.ikev1.proposals import PHASE_1_NEGOTIATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.payloads import Transform

PHASE1 = Phase1Proposal("aes128", "sha256", "modp1024")


def spelled_out(name: str) -> Phase1Proposal:
    """A group with a number, by its parameters all the same."""
    return replace(PHASE1, group=f"explicit {name}", group_parameters=GROUPS[name].parameters)


def offered(name: str) -> Transform:
    """The transform that spells a group out."""
    (proposal,) = PHASE_1_NEGOTIATION.offer((spelled_out(name),), b"").proposals
    return proposal.transforms[0]


SPELLED_OUT = {
    "modp768": (5, 6, 7),
    "modp2048": (5, 6, 7),
    "modp1024s160": (5, 6, 7, 16),
    "ec2n155": (5, 6, 7, 9, 10, 15, 16),
    "ecp224": (5, 6, 7, 8, 9, 10, 16),
}
"""Groups of every type, and the attributes that at least make them."""


@pytest.mark.covers("attr1:5", "attr1:6", "attr1:7", "attr1:8", "attr1:9", "attr1:10", by="self")
@pytest.mark.covers("attr1:15", "attr1:16", by="self")
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
@pytest.mark.parametrize("name", SPELLED_OUT)
def test_handshake(make_pair: Callable[..., Any], name: str, exchange: str) -> None:
    """Both ends compute in it; no group description is sent."""
    config = {"exchange": exchange}
    pair = make_pair(spelled_out(name), initiator=config, responder=config)
    pair.handshake()
    (mine,), (yours,) = pair.of_initiator(IsakmpEstablished), pair.of_responder(IsakmpEstablished)
    assert mine.encryption_key == yours.encryption_key
    assert mine.group == f"explicit {name}"
    assert pair.of_responder(ChildInstalled)
    for cls in (MessageRejected, ExchangeFailed):
        assert not pair.of_initiator(cls) + pair.of_responder(cls)
    assert {one.type for one in offered(name).attributes} >= set(SPELLED_OUT[name])
    offer = pair.of_initiator(MessageSent)[0].payloads[0]
    assert "group description" not in offer
    assert "group prime" in offer
    assert len(offer) < 1000


def test_a_group_that_has_no_number(make_pair: Callable[..., Any]) -> None:
    """The prime 2^521 - 1 with generator 3: nobody's but ours."""
    own = replace(PHASE1, group="ours", group_parameters=GroupParameters(1, 2**521 - 1, 3))
    pair = make_pair(own)
    pair.handshake()
    (mine,) = pair.of_initiator(IsakmpEstablished)
    assert mine.group == "ours"
    sent = [m for m in pair.of_initiator(MessageSent) if m.payloads[0].startswith("KE")]
    assert sent[0].payloads[0] == "KE (66 octets)"


def test_either_by_number_or_spelled_out(make_pair: Callable[..., Any]) -> None:
    """An offer of both; the responder knows one of them."""
    for known in (spelled_out("ecp224"), PHASE1):
        pair = make_pair(
            initiator={"phase1": (spelled_out("ecp224"), PHASE1)}, responder={"phase1": (known,)}
        )
        pair.handshake()
        assert pair.of_initiator(IsakmpEstablished)[0].group == known.group


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"generator_one": 3}, "group generator one"),
        ({"prime": GROUPS["modp768"].parameters.prime}, "group prime"),
        ({"order": (GROUPS["modp1024"].parameters.prime - 1) // 2}, "group order"),
    ],
)
def test_another_group_is_refused(
    make_pair: Callable[..., Any], change: dict[str, int], name: str
) -> None:
    """Nobody computes in a group that is not configured, however good it may be."""
    theirs = spelled_out("modp1024")
    parameters = replace(GROUPS["modp1024"].parameters, **change)
    pair = make_pair(replace(theirs, group_parameters=parameters), responder={"phase1": (theirs,)})
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.notify is NotifyType.NO_PROPOSAL_CHOSEN
    assert rejected.divergence is not None
    assert rejected.divergence.name == name
    assert len(str(rejected.divergence)) < 300


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        (GroupParameters(1, 2**520, 3), "not prime"),
        (GroupParameters(1, 2**521 - 1, 1), "generator"),
        (GroupParameters(9, 2**521 - 1, 3), "type"),
        (GroupParameters(1, 23, 3), "bits"),
    ],
)
def test_parameters_that_make_no_group(parameters: GroupParameters, word: str) -> None:
    with pytest.raises(LocalError, match=word):
        replace(PHASE1, group="bad", group_parameters=parameters)


def test_long_numbers_are_abbreviated() -> None:
    """A transcript is for people: octets and both ends of what is longer than eight."""
    prime = next(one for one in offered("modp768").attributes if one.type == 6)
    assert describe(PHASE_1, prime) == "group prime ffffffff..ffffffff (96 octets)"


@pytest.mark.parametrize("number", [6, 77])
def test_numbers_too_long_for_decimal_digits(number: int) -> None:
    """Python refuses to write more than 4300 digits; a peer may send more."""
    long = Attribute(number, b"\xff" * 4000, basic=False)
    sa = PHASE_1_NEGOTIATION.offer((PHASE1,), b"")
    transform = offered("modp1024")._replace(attributes=(long,))
    sa = replace(sa, proposals=(replace(sa.proposals[0], transforms=(transform,)),))
    assert "(4000 octets)" in describe_payload(sa)
    with pytest.raises(PeerError):
        PHASE_1_NEGOTIATION.choose(sa, (PHASE1,), b"")
    with pytest.raises(PeerError) as caught:
        PHASE_1_NEGOTIATION.verify(PHASE_1_NEGOTIATION.offer((PHASE1,), b""), sa, (PHASE1,))
    assert len(str(caught.value.divergence)) < 500
