"""Aggressive Mode with pre-shared keys: whole handshakes, and all that must not make one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.ciphers import CIPHERS
from conformance.ikev1.config import Identification, Phase1Proposal
from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    IsakmpEstablished,
    MessageRejected,
    MessageSent,
    NotifyReceived,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_FREE = {1: set[int](), 2: {44, 52, 54, 55}, 3: set[int]()}
"""By message, the octets that no hash covers and nobody looks at."""
AGGRESSIVE = {"exchange": "aggressive"}
I, R = "initiator", "responder"  # noqa: E741 - the roles' letters in the RFC

IDENTITIES = [
    Identification.fqdn("road.example.net"),
    Identification.user_fqdn("warrior@example.net"),
    Identification.key_id(b"\x00\xffgroup"),
    Identification.ipv4_addr("10.0.0.1"),
]


def aggressive(make_pair: Callable[..., Any], **overrides: Any) -> Any:
    """A pair in Aggressive Mode; initiator= and responder= change their configuration."""
    for who in (I, R):
        overrides[who] = {**AGGRESSIVE, **overrides.get(who, {})}
    return make_pair(**overrides)


def assert_stands(pair: Any) -> None:
    """Both ends agree on phase 1 and on one child, and nobody objected to anything."""
    (mine,), (yours,) = pair.of_initiator(IsakmpEstablished), pair.of_responder(IsakmpEstablished)
    assert mine.encryption_key == yours.encryption_key
    (mine,), (yours,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert mine.encryption_key_in == yours.encryption_key_out
    for cls in (MessageRejected, ExchangeFailed):
        assert not pair.of_initiator(cls) + pair.of_responder(cls)


@pytest.mark.covers("exchange:4", "auth:psk", "cipher:{cipher}", by="self")
@pytest.mark.parametrize("protected", [False, True], ids=["clear", "encrypted"])
@pytest.mark.parametrize("cipher", ["aes128", "aes256", "3des"])
def test_three_messages_then_quick_mode(
    make_pair: Callable[..., Any], *, cipher: str, protected: bool
) -> None:
    """RFC 2409 5.4; the third message in the clear or not, whichever the initiator likes."""
    phase1 = Phase1Proposal(cipher, "sha256", "ecp256")
    overrides = {"phase1": (phase1,), "protect_aggressive_proof": protected}
    pair = aggressive(make_pair, initiator=overrides, responder={"phase1": (phase1,)})
    pair.handshake()
    assert_stands(pair)
    sent, answers = (
        [
            (event.encrypted, [line.split(maxsplit=1)[0] for line in event.payloads])
            for event in events(MessageSent)
            if event.exchange is ExchangeType.AGGRESSIVE
        ]
        for events in (pair.of_initiator, pair.of_responder)
    )
    assert sent == [(False, ["SA", "KE", "NONCE", "ID"]), (protected, ["HASH"])]
    assert answers == [(False, ["SA", "KE", "NONCE", "ID", "HASH"])]
    (established,) = pair.of_responder(IsakmpEstablished)
    assert len(established.encryption_key) == CIPHERS[cipher].key_size


@pytest.mark.covers("id:{identity.type}", by="self")
@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda one: f"type {one.type}")
def test_the_responder_finds_the_secret_by_identity(
    make_pair: Callable[..., Any], identity: Identification
) -> None:
    """RFC 2409 5.4: several secrets, the right one for each identity."""
    secrets = tuple((one, f"secret of {one}".encode()) for one in IDENTITIES)
    pair = aggressive(
        make_pair,
        initiator={"local_id": identity, "psk": f"secret of {identity}".encode()},
        responder={"remote_id": None, "psk_by_id": secrets},
    )
    pair.handshake()
    assert_stands(pair)
    (event,) = pair.of_responder(IsakmpEstablished)
    assert event.peer_id == identity


@pytest.mark.covers("auth:psk", "id:1", by="self")
def test_main_mode_finds_the_secret_by_address(make_pair: Callable[..., Any]) -> None:
    """RFC 2409 5.4: in Main Mode the key can only be identified by the address."""
    by_name = (Identification.fqdn("road.example.net"), b"of the name")
    by_address = (Identification.ipv4_addr("10.0.0.1"), b"of the address")
    pair = make_pair(
        initiator={"local_id": by_name[0], "psk": by_address[1]},
        responder={"remote_id": None, "psk_by_id": (by_name, by_address)},
    )
    pair.handshake()
    assert_stands(pair)


@pytest.mark.covers("notify:23", by="self")
def test_another_secret_is_named_by_both_ends(make_pair: Callable[..., Any]) -> None:
    """HASH_R differs at the initiator, who says so; no child comes of it."""
    pair = aggressive(make_pair, responder={"psk": b"another"})
    pair.handshake()
    (failure,) = pair.of_initiator(ExchangeFailed)
    assert failure.divergence.name == "HASH_R"
    notifies = {event.notify_type for event in pair.of_responder(NotifyReceived)}
    assert NotifyType.INVALID_HASH_INFORMATION in notifies
    assert not pair.of_initiator(ChildInstalled)
    assert "HASH_R differs" in failure.reason


def test_an_unknown_identity_is_refused_at_once(make_pair: Callable[..., Any]) -> None:
    pair = aggressive(make_pair, initiator={"local_id": Identification.fqdn("stranger")})
    pair.handshake()
    rejected = pair.of_responder(MessageRejected)[0]
    assert rejected.notify is NotifyType.INVALID_ID_INFORMATION
    assert rejected.divergence.name == "IDii"
    assert "stranger" in rejected.divergence.got
    assert pair.of_initiator(ExchangeFailed)


@pytest.mark.parametrize(("mine", "yours"), [("main", "aggressive"), ("aggressive", "main")])
def test_a_responder_answers_the_configured_exchange_alone(
    make_pair: Callable[..., Any], mine: str, yours: str
) -> None:
    pair = make_pair(initiator={"exchange": mine}, responder={"exchange": yours})
    pair.handshake()
    pair.pass_time()
    assert pair.of_responder(MessageRejected)
    assert not pair.of_responder(MessageSent)
    assert pair.of_initiator(ExchangeFailed)


@pytest.mark.parametrize("other", [("group", "modp2048"), ("cipher", "aes256")])
def test_the_group_cannot_be_negotiated(make_pair: Callable[..., Any], other: Any) -> None:
    """RFC 2409 5: one group in all transforms of Aggressive Mode; other values may differ."""
    name, value = other
    second = {"cipher": "aes128", "hash": "sha256", "group": "ecp256", name: value}
    proposals = (Phase1Proposal("aes128", "sha256", "ecp256"), Phase1Proposal(**second))
    overrides = {"phase1": proposals}
    if name == "group":
        with pytest.raises(LocalError, match="one group"):
            aggressive(make_pair, initiator=overrides)
        return
    pair = aggressive(make_pair, initiator=overrides, responder={"phase1": proposals[1:]})
    pair.handshake()
    assert_stands(pair)
    assert pair.of_initiator(IsakmpEstablished)[0].cipher == value


def test_an_unknown_exchange_is_no_configuration(make_pair: Callable[..., Any]) -> None:
    with pytest.raises(LocalError, match="unknown exchange 'rude'"):
        make_pair(initiator={"exchange": "rude"})


CAUGHT = [
    ("wrong-hash-i", I, NotifyType.INVALID_HASH_INFORMATION, "HASH_I differs"),
    ("wrong-hash-r", R, NotifyType.INVALID_HASH_INFORMATION, "HASH_R differs"),
    ("altered-chosen-transform", R, NotifyType.BAD_PROPOSAL_SYNTAX, "none that we offered"),
    ("short-nonce", I, NotifyType.PAYLOAD_MALFORMED, "nonce has 7 octets"),
    ("short-nonce", R, NotifyType.PAYLOAD_MALFORMED, "nonce has 7 octets"),
    ("short-public-value", I, NotifyType.INVALID_KEY_INFORMATION, "63 octets"),
    ("short-public-value", R, NotifyType.INVALID_KEY_INFORMATION, "63 octets"),
    ("nonzero-message-id", I, NotifyType.INVALID_MESSAGE_ID, "message ID 0x00000001"),
    ("reserved-octet", R, NotifyType.PAYLOAD_MALFORMED, "reserved octet"),
]


@pytest.mark.parametrize(("name", "who", "notify", "reason"), CAUGHT)
def test_the_partner_catches_a_deviation(
    make_pair: Callable[..., Any], name: str, who: str, notify: NotifyType, reason: str
) -> None:
    pair = aggressive(make_pair, **{f"{who}_deviations": (name,)})
    pair.handshake()
    rejected = (pair.of_responder if who == I else pair.of_initiator)(MessageRejected)[0]
    assert (rejected.notify, reason in rejected.reason) == (notify, True)
    assert not (pair.of_initiator(ChildInstalled) and pair.of_responder(ChildInstalled))


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_each_lost_message_is_made_good(make_pair: Callable[..., Any], lost: int) -> None:
    """Repetitions carry the exchange over the loss of any one message."""
    pair = aggressive(make_pair)
    pair.handshake(lambda number, data: [] if number == lost else [data])
    pair.pass_time()
    assert pair.of_responder(ChildInstalled)
    assert pair.of_initiator(ChildInstalled)


def changed_copies(target: int, data: bytes) -> Iterable[bytes]:
    """Every truncation (with a length field that fits) and every octet with one bit flipped.

    Not authenticated and of no consequence are, in the answer, the numbers of proposal and
    transform and RESERVED2: HASH_R covers the offer, not the answer (RFC 2409 5).
    """
    for size in range(len(data)):
        yield data[:24] + size.to_bytes(4) + data[28:size] if size >= 28 else data[:size]
    for index in (index for index in range(len(data)) if index not in _FREE[target]):
        yield data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


@pytest.mark.parametrize("protected", [False, True], ids=["clear", "encrypted"])
@pytest.mark.parametrize("target", [1, 2, 3])
def test_changed_messages_never_raise_nor_establish(
    make_pair: Callable[..., Any], *, target: int, protected: bool
) -> None:
    """Each copy ends in a drop, a notify or an event; none authenticates a phase 1."""
    pair = aggressive(make_pair, initiator={"protect_aggressive_proof": protected})
    pair.handshake()
    for copy in changed_copies(target, pair.sent[target - 1]):
        other = aggressive(make_pair, initiator={"protect_aggressive_proof": protected})
        other.handshake(lambda number, data, copy=copy: [copy] if number == target else [data])
        rejected = other.of_initiator(MessageRejected) + other.of_responder(MessageRejected)
        both = other.of_initiator(ChildInstalled) and other.of_responder(ChildInstalled)
        assert rejected or not other.of_responder(IsakmpEstablished)
        assert not both
