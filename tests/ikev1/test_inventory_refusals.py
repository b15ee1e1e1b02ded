"""What the registries have and the reference has not is refused, in so many words.

RFC 2408 3 and 5, RFC 2409 5 and Appendix A, RFC 2407 4: by a responder in an offer, by either end
in a message.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1.attributes import Attribute
from conformance.ikev1.constants import Doi, ExchangeType, NotifyType, PayloadType, Protocol
from conformance.ikev1.deviations import DEVIATIONS, Deviation, Position
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    IsakmpEstablished,
    MessageRejected,
    NotifyReceived,
    NotifySent,
)
from conformance.ikev1.message import Header, write_chain, write_datagram
from conformance.ikev1.payloads import (
    Notification,
    OpaquePayload,
    Payload,
    SecurityAssociation,
    Transform,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PEER = ("10.0.0.1", 500)
FIRST, ANSWER = Position(ExchangeType.MAIN_MODE, 1), Position(ExchangeType.MAIN_MODE, 2)
OFFER = Position(ExchangeType.QUICK_MODE, 1)
Payloads = tuple[Payload, ...]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, ...]]:
    """Have one message changed before it is written and hashed: gives the deviation's name."""

    def register(position: Position, change: Callable[[Payloads], Payloads]) -> tuple[str, ...]:
        row = Deviation("said", "for this test", (position,), payloads=change)
        monkeypatch.setitem(DEVIATIONS, row.name, row)
        return (row.name,)

    return register


def with_sa(change: Callable[[SecurityAssociation], SecurityAssociation]) -> Any:
    """A change of the SA payload."""
    return lambda payloads: tuple(
        change(one) if isinstance(one, SecurityAssociation) else one for one in payloads
    )


def with_attribute(number: int, value: int) -> Any:
    """An SA whose one transform has another value of an attribute, or has it besides."""

    def change(sa: SecurityAssociation) -> SecurityAssociation:
        (proposal,) = sa.proposals
        (transform,) = proposal.transforms
        others = [one for one in transform.attributes if one.type != number]
        attributes = (Attribute(number, value.to_bytes(2), basic=True), *others)
        transform = Transform(transform.number, transform.transform_id, attributes)
        return replace(sa, proposals=(replace(proposal, transforms=(transform,)),))

    return with_sa(change)


def with_transform(protocol: int, transform_id: int) -> Any:
    """An SA whose one transform is another one, of another protocol."""

    def change(sa: SecurityAssociation) -> SecurityAssociation:
        (proposal,) = sa.proposals
        (first,) = proposal.transforms
        transform = Transform(first.number, transform_id, first.attributes)
        proposal = replace(proposal, protocol=Protocol(protocol), transforms=(transform,))
        return replace(sa, proposals=(proposal,))

    return with_sa(change)


def refusal(pair: Any, *, child: bool = False) -> MessageRejected:
    """Nothing is agreed on; the responder's reason, told to the initiator."""
    pair.handshake()
    assert not pair.of_responder(ChildInstalled if child else IsakmpEstablished)
    rejected: MessageRejected = pair.of_responder(MessageRejected)[0]
    assert pair.of_responder(NotifySent)[0].notify_type is rejected.notify
    assert pair.of_initiator(NotifyReceived)[0].notify_type is rejected.notify
    assert pair.of_initiator(ExchangeFailed)
    return rejected


def test_the_fixture_changes_nothing_by_itself(
    make_pair: Callable[..., Any], say: Callable[..., tuple[str, ...]]
) -> None:
    """What is refused below is refused for what it says, not for being changed."""
    for position in (FIRST, ANSWER, OFFER):
        deviations = say(position, with_sa(lambda sa: sa))
        pair = make_pair(initiator_deviations=deviations, responder_deviations=deviations)
        pair.handshake()
        assert pair.of_initiator(ChildInstalled)


# -- payloads ------------------------------------------------------------------------------------

REFUSED_PAYLOADS = [
    *(pytest.param(n, marks=pytest.mark.covers(f"payload:{n}", by="self")) for n in range(15, 20)),
    pytest.param(22, marks=pytest.mark.covers("payload:22", by="self")),
    *(
        pytest.param(n, marks=pytest.mark.covers("payload:unassigned", by="self"))
        for n in (23, 64, 127)
    ),
]


@pytest.mark.parametrize("position", [FIRST, ANSWER], ids=["by the responder", "by the initiator"])
@pytest.mark.parametrize("number", REFUSED_PAYLOADS)
def test_payloads_of_other_protocols(
    make_pair: Callable[..., Any],
    say: Callable[..., tuple[str, ...]],
    number: int,
    position: Position,
) -> None:
    """GDOI's, and those that nobody has assigned, are INVALID-PAYLOAD-TYPE."""
    extra = OpaquePayload(PayloadType(number), b"\1\0\0\0\x0a\0\0\1")  # 16 was NAT-OA once
    deviations = say(position, lambda payloads: (*payloads, extra))
    pair = make_pair(initiator_deviations=deviations, responder_deviations=deviations)
    pair.handshake()
    events = pair.of_responder if position is FIRST else pair.of_initiator
    assert not pair.of_initiator(IsakmpEstablished) + pair.of_responder(IsakmpEstablished)
    rejected = events(MessageRejected)[0]
    assert rejected.notify is NotifyType.INVALID_PAYLOAD_TYPE
    assert PayloadType(number).label in rejected.reason


@pytest.mark.covers("payload:private", by="self")
@pytest.mark.parametrize("position", [FIRST, ANSWER, OFFER])
@pytest.mark.parametrize("number", [128, 129, 133, 255])
def test_private_payloads_are_passed_over(
    make_pair: Callable[..., Any],
    say: Callable[..., tuple[str, ...]],
    number: int,
    position: Position,
) -> None:
    extra = OpaquePayload(PayloadType(number), b"private")
    deviations = say(position, lambda payloads: (*payloads, extra))
    pair = make_pair(initiator_deviations=deviations, responder_deviations=deviations)
    pair.handshake()
    assert pair.of_initiator(ChildInstalled)
    assert not pair.of_initiator(MessageRejected) + pair.of_responder(MessageRejected)


@pytest.mark.covers("payload:0", by="self")
def test_payload_none_ends_the_chain(make_pair: Callable[..., Any]) -> None:
    """A message whose header says NONE has no payload at all (RFC 2408 3.1)."""
    pair = make_pair()
    header = Header(b"i" * 8, bytes(8), ExchangeType.MAIN_MODE)
    datagram, _ = write_datagram(header, b"")
    pair.responder.receive_datagram(datagram, PEER, 0.0)
    pair.deliver()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.notify is NotifyType.PAYLOAD_MALFORMED


# -- the head of SA ------------------------------------------------------------------------------

HEADS = [
    (0, 1, NotifyType.DOI_NOT_SUPPORTED, "doi:0"),
    (2, 1, NotifyType.DOI_NOT_SUPPORTED, "doi:2"),
    (1, 3, NotifyType.SITUATION_NOT_SUPPORTED, "situation:2"),
    (1, 5, NotifyType.SITUATION_NOT_SUPPORTED, "situation:4"),
    (1, 2, NotifyType.SITUATION_NOT_SUPPORTED, "situation:2"),
]


@pytest.mark.parametrize("phase", [FIRST, OFFER], ids=["phase 1", "phase 2"])
@pytest.mark.parametrize(
    ("head", "notify"),
    [
        pytest.param((doi, situation), notify, marks=pytest.mark.covers(row, by="self"))
        for doi, situation, notify, row in HEADS
    ],
)
def test_other_domains_and_situations(
    make_pair: Callable[..., Any],
    say: Callable[..., tuple[str, ...]],
    head: tuple[int, int],
    notify: NotifyType,
    phase: Position,
) -> None:
    doi, situation = head
    other = SecurityAssociation((), Doi(doi), situation, bytes(16))
    pair = make_pair(initiator_deviations=say(phase, with_sa(lambda _: other)))
    assert refusal(pair, child=phase is OFFER).notify is notify


@pytest.mark.covers("situation:1", "doi:1", by="self")
def test_the_situation_of_every_offer(make_pair: Callable[..., Any]) -> None:
    """DOI IPSEC and SIT_IDENTITY_ONLY, in the octets of the first message (RFC 2407 4.6.1)."""
    pair = make_pair()
    pair.handshake()
    assert pair.sent[0][32:40].hex() == "0000000100000001"


# -- phase 1 transforms --------------------------------------------------------------------------

PHASE_1_VALUES: list[tuple[int, str, list[tuple[str, tuple[int, ...]]]]] = [
    (1, "encryption algorithm", [("cipher:13", (13,)), ("cipher:aead", (18, 19, 20))]),
    (1, "encryption algorithm", [("cipher:24", (24,)), ("cipher:65001", (65001,))]),
    (1, "encryption algorithm", [("cipher:65002", (65002,)), ("cipher:65289", (65289,))]),
    (1, "encryption algorithm", [("cipher:sm", (127, 128, 129))]),
    (2, "hash algorithm", [("hash:20", (20,))]),
    (3, "authentication method", [("auth:6", (6,)), ("auth:7", (7,)), ("auth:8", (8,))]),
    (4, "group description", [("group:ec2n-draft", tuple(range(6, 14))), ("group:31", (31, 32))]),
    (13, "prf", [("attr1:13", (1,))]),
    (17, "attribute 17", [("attr1:unknown", (1,))]),
    (20, "attribute 20", [("attr1:unknown", (2,))]),
    (16384, "attribute 16384", [("attr1:unknown", (1,))]),
]
"""An attribute, its name, and (row, values) for each row."""


@pytest.mark.parametrize(
    ("attribute", "name", "value"),
    [
        pytest.param(attribute, name, value, marks=pytest.mark.covers(row, by="self"))
        for attribute, name, rows in PHASE_1_VALUES
        for row, values in rows
        for value in values
    ],
)
def test_phase_1_values_that_we_do_not_have(
    make_pair: Callable[..., Any],
    say: Callable[..., tuple[str, ...]],
    attribute: int,
    name: str,
    value: int,
) -> None:
    """The value is named; where only the attribute is at fault, so does the notify."""
    deviations = say(FIRST, with_attribute(attribute, value))
    rejected = refusal(make_pair(initiator_deviations=deviations))
    assert rejected.notify is (
        NotifyType.NO_PROPOSAL_CHOSEN if attribute < 5 else NotifyType.ATTRIBUTES_NOT_SUPPORTED
    )
    assert rejected.divergence is not None
    assert rejected.divergence.name == name
    assert rejected.divergence.got.split()[0] == str(value)


# -- phase 2 transforms --------------------------------------------------------------------------

TRANSFORMS: list[tuple[int, list[tuple[str, tuple[int, ...]]]]] = [
    (3, [(f"esp:{n}", (n,)) for n in (1, 8, 9, 10, 17, 249, 250, 251)]),
    (3, [("esp:camellia-modes", (24, 25, 26, 27))]),
    (2, [(f"ah:{n}", (n,)) for n in (4, 10, 251, 252)]),
    (4, [(f"ipcomp:{n}", (n,)) for n in (1, 3, 4)]),
]
"""A protocol, and (row, transforms) for each row."""


@pytest.mark.parametrize(
    ("protocol", "transform_id"),
    [
        pytest.param(protocol, number, marks=pytest.mark.covers(row, by="self"))
        for protocol, rows in TRANSFORMS
        for row, numbers in rows
        for number in numbers
    ],
)
def test_phase_2_transforms_that_we_do_not_have(
    make_pair: Callable[..., Any],
    say: Callable[..., tuple[str, ...]],
    protocol: int,
    transform_id: int,
) -> None:
    deviations = say(OFFER, with_transform(protocol, transform_id))
    rejected = refusal(make_pair(initiator_deviations=deviations), child=True)
    assert rejected.notify is NotifyType.NO_PROPOSAL_CHOSEN


PHASE_2_VALUES = [
    (4, "encapsulation mode", 61440, "encap:61440"),
    *((5, "authentication algorithm", n, f"integ:{n}") for n in (3, 4, 10, 252)),
    *((n, "", 1, f"attr2:{n}") for n in (7, 8, 9, 10, 12, 13, 14, 15)),
]


@pytest.mark.parametrize(
    ("attribute", "name", "value"),
    [
        pytest.param(attribute, name, value, marks=pytest.mark.covers(row, by="self"))
        for attribute, name, value, row in PHASE_2_VALUES
    ],
)
def test_phase_2_values_that_we_do_not_have(
    make_pair: Callable[..., Any],
    say: Callable[..., tuple[str, ...]],
    attribute: int,
    name: str,
    value: int,
) -> None:
    deviations = say(OFFER, with_attribute(attribute, value))
    rejected = refusal(make_pair(initiator_deviations=deviations), child=True)
    assert rejected.notify in {
        NotifyType.NO_PROPOSAL_CHOSEN,
        NotifyType.ATTRIBUTES_NOT_SUPPORTED,
    }
    if name:
        assert rejected.divergence is not None
        assert rejected.divergence.name == name


# -- exchanges and notifies ----------------------------------------------------------------------


@pytest.mark.covers("exchange:private", by="self")
@pytest.mark.parametrize("number", [7, 31, 35, 239, 240, 244, 255])
@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_exchanges_that_nobody_has_agreed_on(
    make_pair: Callable[..., Any], number: int, role: str
) -> None:
    pair = make_pair()
    pair.handshake()
    (established,) = pair.of_responder(IsakmpEstablished)
    header = Header(established.cookie_i, established.cookie_r, ExchangeType(number), 9)
    datagram, _ = write_datagram(header, b"")
    source = ("10.0.0.2", 500) if role == "initiator" else PEER
    getattr(pair, role).receive_datagram(datagram, source, 0.0)
    pair.deliver()
    (rejected,) = getattr(pair, f"of_{role}")(MessageRejected)
    assert rejected.notify is NotifyType.INVALID_EXCHANGE_TYPE


NOTIFIES = (*range(1, 31), 16384, 24576, 24577, 24578, 36136, 36137)


@pytest.mark.covers("notify:{number}", by="self")
@pytest.mark.parametrize("number", NOTIFIES)
@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_every_notify_in_the_clear_during_main_mode(
    make_pair: Callable[..., Any], role: str, number: int
) -> None:
    """An error ends the exchange and a status does not (RFC 2408 3.14.1); both are events."""
    pair = make_pair()
    pair.initiator.initiate(0.0)
    ((first, _),) = pair.initiator.datagrams_to_send(0.0)
    pair.responder.receive_datagram(first, PEER, 0.0)
    ((second, _),) = pair.responder.datagrams_to_send(0.0)
    cookie_r = second[8:16]
    header = Header(first[:8], cookie_r, ExchangeType.INFORMATIONAL, 9, next_payload=PayloadType.N)
    datagram, _ = write_datagram(header, write_chain([Notification(NotifyType(number))]))
    source = ("10.0.0.2", 500) if role == "initiator" else PEER
    getattr(pair, role).receive_datagram(datagram, source, 0.0)
    pair.deliver()
    events = getattr(pair, f"of_{role}")
    (notify,) = events(NotifyReceived)
    assert (notify.notify_type, notify.protected) == (number, False)
    assert bool(events(ExchangeFailed)) is (number < 16384)
