"""New Group Mode: groups under private numbers, agreed on and then used (RFC 2409 5.6)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.crypto.dh import (
    GROUPS,
    GroupParameters,
    InvalidGroupError,
    InvalidPublicValueError,
)
from conformance.crypto.random import seeded_random
from conformance.ikev1.attributes import Attribute
from conformance.ikev1.config import Phase1Proposal, Phase2Proposal
from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    GroupAgreed,
    IsakmpEstablished,
    MessageRejected,
    MessageSent,
)
from conformance.ikev1.policies import NewGroupPolicy
from conformance.ikev1.private_groups import group_attributes, read_group

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBER = 32768
NAME = "private-32768"
ACCEPT = {"new_groups": NewGroupPolicy(accept=True)}
SPELLED = (4, 5, 6, 7, 8, 9, 10, 15, 16)
"""The attributes that spell a group out, but for what its type has none of."""
FIRST, LAST = 7, 8
"""The datagrams of New Group Mode after Main Mode's six."""


def offering(parameters: GroupParameters, number: int = NUMBER) -> dict[str, Any]:
    """An initiator that brings a group along."""
    return {"new_groups": NewGroupPolicy(((number, parameters),))}


def with_pfs(make_pair: Callable[..., Any], parameters: GroupParameters) -> Any:
    """A pair whose Quick Mode needs the group."""
    return make_pair(
        phase2=Phase2Proposal("aes128", "sha256", "tunnel", NAME),
        initiator=offering(parameters),
        responder=ACCEPT,
    )


@pytest.mark.covers(*(f"attr1:{number}" for number in SPELLED), by="self")
@pytest.mark.covers("exchange:33", "group:32768", "feature:explicit-groups", by="self")
@pytest.mark.covers("grouptype:{group}", by="self")
@pytest.mark.parametrize("group", ["modp1024", "ecp256", "ec2n155", "ec2n185"])
def test_group_is_agreed_on_and_used(make_pair: Callable[..., Any], group: str) -> None:
    """Quick Mode with the group as PFS; both ends tell of the same parameters."""
    parameters = GROUPS[group].parameters
    pair = with_pfs(make_pair, parameters)
    pair.handshake()
    (mine,), (yours,) = pair.of_initiator(GroupAgreed), pair.of_responder(GroupAgreed)
    assert (mine.number, mine.name, mine.parameters) == (NUMBER, NAME, parameters)
    assert yours == replace(mine, role=yours.role)
    (left,), (right,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert left.pfs == NAME
    assert left.encryption_key_in == right.encryption_key_out
    sent = [one.exchange for one in pair.of_initiator(MessageSent)]
    assert sent.index(ExchangeType.NEW_GROUP_MODE) < sent.index(ExchangeType.QUICK_MODE)


def test_group_is_used_in_a_later_phase_1(make_pair: Callable[..., Any]) -> None:
    """What is preferred but not agreed on yet is not offered; later it is, by its number alone."""
    usual = Phase1Proposal("aes128", "sha256", "ecp256")
    more = {"phase1": (replace(usual, group=NAME), usual)}
    group = offering(GROUPS["modp1024"].parameters)
    pair = make_pair(initiator=group | more, responder=ACCEPT | more)
    pair.handshake()
    pair.handshake()
    assert [event.group for event in pair.of_initiator(IsakmpEstablished)] == ["ecp256", NAME]
    assert len(pair.of_responder(IsakmpEstablished)) == 2


def test_group_can_be_proposed_at_any_time(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(responder=ACCEPT)
    pair.handshake()
    pair.initiator.propose_group(40000, GROUPS["modp768"].parameters, pair.now)
    pair.deliver()
    assert pair.of_responder(GroupAgreed)[0].name == "private-40000"


PRIME = GROUPS["modp1024"].parameters
CURVE = GROUPS["ecp256"].parameters
BINARY = GROUPS["ec2n155"].parameters
REFUSED = [
    ("number", offering(PRIME, 2), "group 2 is not one for private use"),
    ("not prime", offering(replace(PRIME, prime=PRIME.prime - 2)), "p is not prime"),
    ("generator 1", offering(replace(PRIME, generator_one=1)), "the generator is not between"),
    ("short", offering(replace(PRIME, prime=65537)), "outside the sizes"),
    ("off the curve", offering(replace(CURVE, generator_two=5)), "not a point of the curve"),
    ("wrong order", offering(replace(CURVE, order=CURVE.order + 2)), "the order is not that"),
    ("reducible", offering(replace(BINARY, prime=BINARY.prime ^ 2)), "not irreducible"),
    ("no type", offering(replace(PRIME, group_type=9)), "group type 9 is unknown"),
]


@pytest.mark.parametrize(
    ("policy", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_unacceptable_group(
    make_pair: Callable[..., Any], policy: dict[str, Any], reason: str
) -> None:
    """RFC 2409 5.6: ATTRIBUTES-NOT-SUPPORTED; the initiator gives up and begins no Quick Mode."""
    pair = make_pair(initiator=policy, responder=ACCEPT)
    pair.handshake()
    rejected = pair.of_responder(MessageRejected)[0]
    assert rejected.notify is NotifyType.ATTRIBUTES_NOT_SUPPORTED
    assert reason in rejected.reason
    failed = pair.of_initiator(ExchangeFailed)[0]
    assert "ATTRIBUTES-NOT-SUPPORTED" in failed.reason
    assert not pair.of_initiator(GroupAgreed)
    assert not pair.of_initiator(ChildInstalled)


@pytest.mark.parametrize("policy", [{}, {"new_groups": NewGroupPolicy()}])
def test_no_group_is_wanted(make_pair: Callable[..., Any], policy: dict[str, Any]) -> None:
    pair = make_pair(initiator=offering(PRIME), responder=policy)
    pair.handshake()
    assert "none is wanted" in pair.of_responder(MessageRejected)[0].reason


def test_number_keeps_its_group(make_pair: Callable[..., Any]) -> None:
    """The same group again is agreed on again; another under its number is refused."""
    pair = make_pair(responder=ACCEPT)
    pair.handshake()
    for parameters in (PRIME, PRIME, GROUPS["modp768"].parameters):
        pair.initiator.propose_group(NUMBER, parameters, pair.now)
        pair.deliver()
    assert len(pair.of_responder(GroupAgreed)) == 2
    assert "another group already" in pair.of_responder(MessageRejected)[0].reason


def test_groups_have_an_end(make_pair: Callable[..., Any]) -> None:
    """However many a peer proposes, it cannot fill the memory; known ones stay good."""
    pair = make_pair(responder=ACCEPT)
    pair.handshake()
    for number in (*range(NUMBER, NUMBER + 70), NUMBER):
        pair.initiator.propose_group(number, GROUPS["ec2n155"].parameters, 0.0)
        pair.deliver()
    agreed = [one.number for one in pair.of_responder(GroupAgreed)]
    assert agreed == [*range(NUMBER, NUMBER + 64), NUMBER]
    refused = {one.notify for one in pair.of_responder(MessageRejected)}
    assert refused == {NotifyType.ATTRIBUTES_NOT_SUPPORTED}


def test_unknown_private_group(make_pair: Callable[..., Any]) -> None:
    """An initiator cannot begin with it."""
    pair = make_pair(Phase1Proposal("aes128", "sha256", NAME))
    with pytest.raises(LocalError, match="private-32768 was not agreed on"):
        pair.initiator.initiate(0.0)


def test_quick_mode_needs_a_group_that_is_not_agreed_on(make_pair: Callable[..., Any]) -> None:
    """An initiator that brings no group along is told so before anything is sent."""
    pair = make_pair(phase2=Phase2Proposal("aes128", "sha256", "tunnel", NAME), responder=ACCEPT)
    with pytest.raises(LocalError, match="private-32768 was not agreed on"):
        pair.initiator.initiate(0.0)
    assert pair.initiator.datagrams_to_send(0.0) == []


@pytest.mark.parametrize("number", [0, -1, 65536])
def test_number_must_fit(number: int) -> None:
    with pytest.raises(LocalError, match="does not fit two octets"):
        NewGroupPolicy(((number, PRIME),))


def test_responder_does_not_know_the_group(make_pair: Callable[..., Any]) -> None:
    """Agreed on with another endpoint only, it is refused, without a public value."""
    initiator = with_pfs(make_pair, PRIME)
    initiator.handshake()
    stranger = make_pair(phase2=Phase2Proposal("aes128", "sha256", "tunnel", NAME))
    pair = type(initiator)(initiator.initiator, stranger.responder)
    pair.initiator.terminate(0.0)
    pair.initiator.datagrams_to_send(0.0)
    pair.handshake()
    rejected = pair.of_responder(MessageRejected)[0]
    assert rejected.notify is NotifyType.NO_PROPOSAL_CHOSEN
    assert "was not agreed on" in rejected.reason


@pytest.mark.parametrize("lost", [FIRST, LAST])
def test_loss_is_made_good(make_pair: Callable[..., Any], lost: int) -> None:
    pair = with_pfs(make_pair, PRIME)
    pair.handshake(lambda number, data: [] if number == lost else [data])
    pair.pass_time()
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(GroupAgreed)) == 1


def test_repeated_datagrams_change_nothing(make_pair: Callable[..., Any]) -> None:
    pair = with_pfs(make_pair, PRIME)
    pair.handshake(lambda number, data: [data, data] if number < 20 else [data])
    assert len(pair.of_responder(GroupAgreed)) == len(pair.of_responder(ChildInstalled)) == 1
    assert not pair.of_initiator(MessageRejected) + pair.of_responder(MessageRejected)


@pytest.mark.parametrize("number", [FIRST, LAST])
@pytest.mark.parametrize("change", ["flipped", "truncated"])
def test_damage_is_refused(make_pair: Callable[..., Any], number: int, change: str) -> None:
    """A damaged message agrees on nothing, wherever the damage is."""
    probe = with_pfs(make_pair, GROUPS["ecp256"].parameters)
    probe.handshake()
    size = len(probe.sent[number - 1])
    for index in range(28, size, 13):

        def damage(count: int, data: bytes, at: int = index) -> list[bytes]:
            if count != number:
                return [data] if count < number else []
            flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            return [flipped if change == "flipped" else data[:at]]

        pair = with_pfs(make_pair, GROUPS["ecp256"].parameters)
        pair.handshake(damage)
        agreed = pair.of_responder if number == FIRST else pair.of_initiator
        assert not agreed(GroupAgreed)
        assert agreed(MessageRejected)


def test_attributes_of_a_group() -> None:
    """Numbers that are basic in RFC 2409 Appendix A take two octets, all others stand as TLV."""
    attributes = group_attributes(NUMBER, CURVE)
    assert [(one.type, one.basic) for one in attributes] == [
        (4, True), (5, True), (6, False), (7, False), (8, False), (9, False), (10, False),
        *([(15, True)] if CURVE.field_size else []), (16, False),
    ]  # fmt: skip
    assert read_group(attributes).parameters == CURVE
    for odd in (Attribute(1, b"\0\7", basic=True), attributes[0]):
        with pytest.raises(ValueError, match="out of place"):
            read_group((*attributes, odd))


@given(
    kind=st.integers(0, 4),
    numbers=st.dictionaries(st.sampled_from(SPELLED[2:]), st.integers(0, 1 << 700)),
    like=st.sampled_from(["modp768", "ecp256", "ec2n155"]),
    kept=st.sets(st.sampled_from(SPELLED[2:])),
)
@settings(max_examples=150, deadline=None)
def test_any_numbers_make_a_group_or_none(
    kind: int, numbers: dict[int, int], like: str, kept: set[int]
) -> None:
    """Whatever is spelled out, it is a group that can be used or an InvalidGroupError."""
    good = GROUPS[like].parameters.as_attributes()
    values = numbers | {number: good[number] for number in kept & set(good)} | {4: NUMBER}
    values[5] = good[5] if len(kept) > len(SPELLED) // 2 else kind
    attributes = [
        Attribute(number, value.to_bytes((value.bit_length() + 7) // 8), basic=False)
        for number, value in values.items()
    ]
    try:
        row = read_group(attributes)
    except InvalidGroupError:
        return
    mine, yours = (row.generate(seeded_random(name)) for name in ("one", "other"))
    with suppress(InvalidPublicValueError):
        assert mine.exchange(yours.public) == yours.exchange(mine.public)
