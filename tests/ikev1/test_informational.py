"""Informational exchanges and what other messages may carry beside the exchange's own payloads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.dh import GROUPS
from conformance.crypto.random import seeded_random
from conformance.ikev1 import keys
from conformance.ikev1.constants import ExchangeType, NotifyType, PayloadType, Protocol
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    ExchangeFailed,
    IsakmpDeleted,
    IsakmpEstablished,
    MessageReceived,
    MessageRejected,
    MessageSent,
    NotifyReceived,
    NotifySent,
)
from conformance.ikev1.message import (
    CipherState,
    Header,
    parse_header,
    parse_message,
    write_chain,
    write_datagram,
)
from conformance.ikev1.payloads import (
    Delete,
    Hash,
    KeyExchange,
    Nonce,
    Notification,
    OpaquePayload,
    Payload,
    VendorId,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PEER = ("10.0.0.1", 500)


def skeyid_a(pair: Any) -> bytes:
    """SKEYID_a recomputed from the initiator's seed and what was on the wire."""
    (phase1,) = pair.of_initiator(IsakmpEstablished)
    random = seeded_random("initiator")
    random(8)
    key_pair, nonce_i = GROUPS["ecp256"].generate(random), random(32)
    fourth, _ = parse_message(parse_header(pair.sent[3]), pair.sent[3])
    g_xy = key_pair.exchange(fourth.one(KeyExchange).data)
    cookies, name = (phase1.cookie_i, phase1.cookie_r), phase1.hash
    skeyid = keys.skeyid_psk(name, b"secret", nonce_i, fourth.one(Nonce).data)
    return keys.skeyid_a(name, skeyid, keys.skeyid_d(name, skeyid, g_xy, *cookies), g_xy, *cookies)


def informational(
    pair: Any, payload: Payload, *, good: bool = True, message_id: int = 0x1234
) -> bytes:
    """A protected Informational as the initiator would send it, its HASH(1) good or not."""
    (phase1,) = pair.of_initiator(IsakmpEstablished)
    octets = message_id.to_bytes(4)
    iv = keys.phase2_iv(phase1.hash, pair.sent[5][-16:], octets, 16)
    state = CipherState(phase1.cipher, phase1.encryption_key, iv)
    key = skeyid_a(pair) if good else b"another key"
    value = keys.hash_1(phase1.hash, key, octets, write_chain([payload]))
    header = Header(
        phase1.cookie_i,
        phase1.cookie_r,
        ExchangeType.INFORMATIONAL,
        message_id,
        next_payload=PayloadType.HASH,
    )
    datagram, _ = write_datagram(header, write_chain([Hash(value), payload]), state)
    return datagram


@pytest.mark.covers("exchange:5", "notify:36136", "notify:36137", by="self")
def test_r_u_there_is_answered_once_and_again(make_pair: Callable[..., Any]) -> None:
    """RFC 3706 5.4: the answer carries the same SPI and sequence number."""
    pair = make_pair()
    pair.handshake()
    (phase1,) = pair.of_responder(IsakmpEstablished)
    question = Notification(
        NotifyType.R_U_THERE, spi=phase1.cookie_i + phase1.cookie_r, data=b"\0\0\0\7"
    )
    pair.responder.receive_datagram(informational(pair, question), PEER, 0.0)
    pair.deliver()
    (answer,) = pair.of_initiator(NotifyReceived)
    assert (answer.notify_type, answer.spi, answer.data, answer.protected) == (
        NotifyType.R_U_THERE_ACK,
        question.spi,
        question.data,
        True,
    )
    pair.responder.receive_datagram(informational(pair, question), PEER, 0.0)
    pair.deliver()
    assert len(pair.of_initiator(NotifyReceived)) == 1


@pytest.mark.covers("payload:D", by="self")
@pytest.mark.parametrize(
    ("protocol", "spi"),
    [
        (Protocol.ESP, b"\0\0\1\0"),
        (Protocol.AH, None),
        (Protocol(77), b"\1"),
        (Protocol.ISAKMP, bytes(16)),
    ],
)
def test_delete_of_what_does_not_stand(
    make_pair: Callable[..., Any], protocol: Protocol, spi: bytes | None
) -> None:
    """Unknown SPIs, another protocol's, other cookies: nothing is deleted, nothing rejected."""
    pair = make_pair()
    pair.handshake()
    (child,) = pair.of_responder(ChildInstalled)
    delete = Delete(protocol, (spi or child.spi_out.to_bytes(4),))
    pair.responder.receive_datagram(informational(pair, delete), PEER, 0.0)
    pair.deliver()
    for cls in (ChildDeleted, IsakmpDeleted, MessageRejected):
        assert not pair.of_responder(cls)


@pytest.mark.parametrize("names_it", [True, False])
def test_error_notify_ends_the_quick_mode_it_speaks_of(
    make_pair: Callable[..., Any],
    names_it: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """By SPI; without one only if a single Quick Mode is under way."""
    pair = make_pair()
    pair.handshake()
    for _ in range(2):
        pair.responder.start_quick_mode(1.0)
    pair.responder.datagrams_to_send(1.0)
    offers = [
        event.payloads[1].split("SPI ")[1].split()[0]
        for event in iter(pair.responder.next_event, None)
        if isinstance(event, MessageSent)
    ]
    spi = bytes.fromhex(offers[1]) if names_it else b""
    error = Notification(NotifyType.NO_PROPOSAL_CHOSEN, Protocol.ESP, spi)
    pair.responder.receive_datagram(informational(pair, error), PEER, 1.0)
    pair.deliver()
    assert len(pair.of_responder(ExchangeFailed)) == int(names_it)


def test_ended_exchanges_are_forgotten_in_time(make_pair: Callable[..., Any]) -> None:
    """After many further exchanges an old message ID is new again; memory is bounded."""
    pair = make_pair()
    pair.handshake()
    question = Notification(NotifyType.R_U_THERE, data=b"\0\0\0\7")
    for message_id in (*range(1, 201), 1):
        datagram = informational(pair, question, message_id=message_id)
        pair.responder.receive_datagram(datagram, PEER, 0.0)
        assert len(pair.responder.datagrams_to_send(0.0)) == 1


def test_delete_with_a_wrong_hash_deletes_nothing(make_pair: Callable[..., Any]) -> None:
    """And it is not answered: an Informational never is with an error (RFC 2408 5.15)."""
    pair = make_pair()
    pair.handshake()
    (child,) = pair.of_responder(ChildInstalled)
    delete = Delete(Protocol.ESP, (child.spi_out.to_bytes(4),))
    pair.responder.receive_datagram(informational(pair, delete, good=False), PEER, 0.0)
    assert pair.responder.datagrams_to_send(0.0) == []
    pair.deliver()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.notify is NotifyType.INVALID_HASH_INFORMATION
    assert not pair.of_responder(ChildDeleted)


def test_informational_in_the_clear_is_refused_once_the_sa_stands(
    make_pair: Callable[..., Any],
) -> None:
    """RFC 2409 5.7: after phase 1 a Delete must be protected."""
    pair = make_pair()
    pair.handshake()
    (phase1,) = pair.of_responder(IsakmpEstablished)
    header = Header(
        phase1.cookie_i,
        phase1.cookie_r,
        ExchangeType.INFORMATIONAL,
        7,
        next_payload=PayloadType.D,
    )
    cookies = phase1.cookie_i + phase1.cookie_r
    datagram, _ = write_datagram(header, write_chain([Delete(Protocol.ISAKMP, (cookies,))]))
    pair.responder.receive_datagram(datagram, PEER, 0.0)
    pair.deliver()
    (rejected,) = pair.of_responder(MessageRejected)
    assert "in the clear" in rejected.reason
    assert not pair.of_responder(IsakmpDeleted)


@pytest.mark.parametrize(
    ("notify_type", "fails"),
    [(NotifyType.NO_PROPOSAL_CHOSEN, True), (NotifyType.CONNECTED, False), (40501, False)],
)
def test_notify_in_the_clear_during_main_mode(
    make_pair: Callable[..., Any],
    notify_type: int,
    fails: bool,  # noqa: FBT001 - a column
) -> None:
    """An error ends it, a status does not; both are events."""
    pair = make_pair()
    pair.initiator.initiate(0.0)
    ((first, _),) = pair.initiator.datagrams_to_send(0.0)
    header = Header(
        first[:8], bytes(7) + b"\1", ExchangeType.INFORMATIONAL, 9, next_payload=PayloadType.N
    )
    datagram, _ = write_datagram(header, write_chain([Notification(NotifyType(notify_type))]))
    pair.initiator.receive_datagram(datagram, pair.initiator.remote, 0.0)
    pair.deliver()
    (notify,) = pair.of_initiator(NotifyReceived)
    assert (notify.notify_type, notify.protected, notify.message_id) == (notify_type, False, 9)
    assert bool(pair.of_initiator(ExchangeFailed)) == fails


def test_malformed_informational_in_the_clear(make_pair: Callable[..., Any]) -> None:
    pair = make_pair()
    pair.initiator.initiate(0.0)
    ((first, _),) = pair.initiator.datagrams_to_send(0.0)
    header = Header(first[:8], b"", ExchangeType.INFORMATIONAL, next_payload=PayloadType.N)
    header = replace(header, cookie_r=bytes(8))
    datagram, _ = write_datagram(header, b"\0\0\0\5\0")
    pair.initiator.receive_datagram(datagram, pair.initiator.remote, 0.0)
    pair.deliver()
    (rejected,) = pair.of_initiator(MessageRejected)
    assert rejected.notify is NotifyType.PAYLOAD_MALFORMED


@pytest.mark.parametrize("exchange", [ExchangeType.QUICK_MODE, ExchangeType.INFORMATIONAL])
def test_phase_2_before_phase_1_has_ended(
    make_pair: Callable[..., Any], exchange: ExchangeType
) -> None:
    pair = make_pair()
    pair.initiator.initiate(0.0)
    ((first, _),) = pair.initiator.datagrams_to_send(0.0)
    header = Header(first[:8], bytes(8), exchange, 9, next_payload=PayloadType.HASH)
    state = CipherState("aes128", bytes(16), bytes(16))
    datagram, _ = write_datagram(header, write_chain([Hash(bytes(32))]), state)
    pair.initiator.receive_datagram(datagram, pair.initiator.remote, 0.0)
    pair.deliver()
    (rejected,) = pair.of_initiator(MessageRejected)
    assert "before the ISAKMP SA stands" in rejected.reason


@pytest.mark.covers("notify:7", by="self")
@pytest.mark.parametrize("exchange", [ExchangeType.AGGRESSIVE, ExchangeType.TRANSACTION, 240])
def test_other_exchanges_are_refused(make_pair: Callable[..., Any], exchange: int) -> None:
    pair = make_pair()
    pair.handshake()
    (phase1,) = pair.of_responder(IsakmpEstablished)
    header = Header(phase1.cookie_i, phase1.cookie_r, ExchangeType(exchange), 9)
    datagram, _ = write_datagram(header, b"")
    pair.responder.receive_datagram(datagram, PEER, 0.0)
    pair.deliver()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.notify is NotifyType.INVALID_EXCHANGE_TYPE


def test_exchange_type_may_not_change_under_a_message_id(make_pair: Callable[..., Any]) -> None:
    """RFC 2409 5: no switching of exchange types in the middle of an exchange."""
    pair = make_pair()

    def as_informational(number: int, data: bytes) -> Iterable[bytes]:
        return [data[:18] + b"\5" + data[19:] if number == 9 else data]

    pair.handshake(as_informational)
    assert not pair.of_responder(ChildInstalled)
    (rejected,) = pair.of_responder(MessageRejected)
    assert "INFORMATIONAL in the middle of Quick Mode" in rejected.reason


EXTRAS: list[tuple[Payload, bool]] = [
    (VendorId(b"\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f"), True),
    (Notification(NotifyType.INITIAL_CONTACT), True),
    (OpaquePayload(PayloadType(200), b"private"), True),
    (OpaquePayload(PayloadType.ATTR, b"\1\0\0\0"), False),
    (Hash(b""), False),
]


@pytest.mark.parametrize(("extra", "taken"), EXTRAS)
def test_extra_payloads_in_the_first_message(
    make_pair: Callable[..., Any],
    extra: Payload,
    taken: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """VID, N and private payloads are tolerated; what the table does not list is refused."""
    pair = make_pair()

    def add(number: int, data: bytes) -> Iterable[bytes]:
        if number != 1:
            return [data]
        message, _ = parse_message(parse_header(data), data)
        return [write_datagram(message.header, write_chain([*message.payloads, extra]))[0]]

    pair.handshake(add)
    assert bool(pair.of_responder(IsakmpEstablished)) == taken
    if not taken:
        assert pair.of_responder(MessageRejected)[0].notify is NotifyType.INVALID_PAYLOAD_TYPE
    if isinstance(extra, VendorId):
        assert pair.of_responder(IsakmpEstablished)[0].vendor_ids == (extra.data,)
    if isinstance(extra, Notification):
        (notify,) = pair.of_responder(NotifyReceived)
        assert notify.notify_type is NotifyType.INITIAL_CONTACT


@pytest.mark.parametrize(
    ("payloads", "notify", "reason"),
    [
        ([], NotifyType.PAYLOAD_MALFORMED, "must begin with SA"),
        ([VendorId(b"1")], NotifyType.PAYLOAD_MALFORMED, "must begin with SA"),
    ],
)
def test_first_message_without_sa(
    make_pair: Callable[..., Any], payloads: list[Payload], notify: NotifyType, reason: str
) -> None:
    """Answered in the clear and forgotten at once."""
    pair = make_pair()
    first = payloads[0].payload_type if payloads else PayloadType.NONE
    header = Header(b"\1" * 8, bytes(8), ExchangeType.MAIN_MODE, next_payload=first)
    datagram, _ = write_datagram(header, write_chain(payloads))
    pair.responder.receive_datagram(datagram, PEER, 0.0)
    pair.deliver()
    (rejected,) = pair.of_responder(MessageRejected)
    assert (rejected.notify, rejected.reason) == (notify, f"the message {reason}")
    (sent,) = pair.of_responder(NotifySent)
    assert (sent.notify_type, sent.protected) == (notify, False)
    assert pair.responder.get_timer() is None


def test_missing_nonce(make_pair: Callable[..., Any]) -> None:
    pair = make_pair()

    def strip(number: int, data: bytes) -> Iterable[bytes]:
        if number != 3:
            return [data]
        message, _ = parse_message(parse_header(data), data)
        return [write_datagram(message.header, write_chain(message.payloads[:1]))[0]]

    pair.handshake(strip)
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.reason == "NONCE missing"


def test_every_received_message_is_in_the_transcript(make_pair: Callable[..., Any]) -> None:
    """Also one that cannot be decoded: then without payloads."""
    pair = make_pair()
    pair.handshake(
        lambda number, data: [data[:-1] + bytes([data[-1] ^ 1]) if number == 5 else data]
    )
    undecoded = pair.of_responder(MessageReceived)[2]
    assert undecoded.encrypted
    assert undecoded.datagram[:28] == pair.sent[4][:28]
