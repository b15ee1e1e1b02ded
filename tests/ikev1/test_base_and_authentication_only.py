"""Base and Authentication Only: whole exchanges, their proofs, and what happens to bad messages."""

from __future__ import annotations

import hmac
import importlib.util
import json
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.signatures import SIGNATURES
from conformance.ikev1.config import Config, Identification, Phase1Proposal
from conformance.ikev1.constants import ExchangeType, NotifyType, PayloadType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    IsakmpEstablished,
    MessageReceived,
    MessageRejected,
    MessageSent,
    NotifyReceived,
    PeerAuthenticated,
)
from conformance.ikev1.message import parse_header, parse_message

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = Path(__file__).parents[2] / "vectors"
RECORDED = json.loads((VECTORS / "ikev1" / "exchanges.json").read_text())
NAMES = {"initiator": "left.example.net", "responder": "right.example.net"}
METHODS = ["psk", *SIGNATURES]
LENGTH = {"base": 4, "authentication-only": 3}
"""Messages of each exchange."""
RESULT = {"base": IsakmpEstablished, "authentication-only": PeerAuthenticated}
BOTH = pytest.mark.parametrize("exchange", list(LENGTH))


@cache
def script(name: str) -> Any:
    """A script that writes vectors."""
    spec = importlib.util.spec_from_file_location(name, VECTORS / "generate" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def generator() -> Any:
    """The script that wrote the vectors of these exchanges."""
    script("ikev1_authentication")
    return script("ikev1_exchanges")


def paired(make_pair: Callable[..., Any], exchange: str, auth: str = "psk", **more: Any) -> Any:
    """A pair with the recorded keys.

    initiator= and responder= change the configurations, pair= says more to make_pair().
    """
    overrides = {}
    made = generator().recorded_credentials()
    for role, other in (("initiator", "responder"), ("responder", "initiator")):
        overrides[role] = {
            "exchange": exchange,
            "phase1": (Phase1Proposal("aes128", "sha256", "ecp256", auth),),
            "local_id": Identification.fqdn(NAMES[role]),
            "remote_id": Identification.fqdn(NAMES[other]),
            "credentials": script("ikev1_authentication").credentials(made, auth, role),
            **more.get(role, {}),
        }
    return make_pair(**overrides, **more.get("pair", {}))


def test_vectors_replay_octet_for_octet() -> None:
    """From seeds and recorded keys every message and key comes out as recorded."""
    assert generator().build(generator().recorded_credentials()) == RECORDED


@pytest.mark.covers("exchange:1", by="self")
@pytest.mark.parametrize("auth", METHODS)
def test_base(make_pair: Callable[..., Any], auth: str) -> None:
    """Four messages in the clear, then a Quick Mode under equal keys."""
    pair = paired(make_pair, "base", auth)
    pair.handshake()
    (mine,), (yours,) = pair.of_initiator(IsakmpEstablished), pair.of_responder(IsakmpEstablished)
    assert mine.encryption_key == yours.encryption_key
    assert [str(mine.peer_id), str(yours.peer_id)] == [
        "FQDN right.example.net",
        "FQDN left.example.net",
    ]
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1
    assert not pair.of_initiator(MessageRejected) + pair.of_responder(MessageRejected)
    first = [one for one in pair.of_initiator(MessageSent) if one.exchange is ExchangeType.BASE]
    assert len(first) == 2
    assert not any(one.encrypted for one in first)


@pytest.mark.covers("exchange:3", by="self")
@pytest.mark.parametrize("auth", METHODS)
def test_authentication_only(make_pair: Callable[..., Any], auth: str) -> None:
    """Three messages; both know the other's identity, and nothing follows."""
    pair = paired(make_pair, "authentication-only", auth)
    pair.handshake()
    (mine,), (yours,) = pair.of_initiator(PeerAuthenticated), pair.of_responder(PeerAuthenticated)
    assert [str(mine.peer_id), str(yours.peer_id)] == [
        "FQDN right.example.net",
        "FQDN left.example.net",
    ]
    assert len(pair.sent) == LENGTH["authentication-only"]
    with pytest.raises(LocalError, match="no ISAKMP SA stands"):
        pair.initiator.start_quick_mode(pair.now)
    pair.initiator.terminate(pair.now)
    assert pair.initiator.datagrams_to_send(pair.now) == []
    assert pair.initiator.get_timer() is pair.responder.get_timer() is None


def prf(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, sha256).digest()


def bodies(datagram: bytes) -> dict[PayloadType, bytes]:
    """The bodies of a message in the clear by payload type."""
    message, _ = parse_message(parse_header(datagram), datagram)
    types = (payload.payload_type for payload in message.payloads)
    return dict(zip(types, message.bodies, strict=True))


def test_proofs_of_base_are_those_of_the_draft(make_pair: Callable[..., Any]) -> None:
    """Recomputed from the messages with nothing but HMAC."""
    pair = paired(make_pair, "base")
    pair.handshake()
    one, two, three, four = (bodies(data) for data in pair.sent[:4])
    cky_i, cky_r = pair.sent[3][:8], pair.sent[3][8:16]
    skeyid = prf(b"secret", one[PayloadType.NONCE] + two[PayloadType.NONCE])
    sa, g_xi, g_xr = one[PayloadType.SA], three[PayloadType.KE], four[PayloadType.KE]
    hash_i = prf(skeyid, g_xi + cky_i + cky_r + sa + one[PayloadType.ID])
    hash_r = prf(skeyid, g_xr + g_xi + cky_r + cky_i + sa + two[PayloadType.ID])
    assert three[PayloadType.HASH] == hash_i
    assert four[PayloadType.HASH] == hash_r


def test_signatures_of_base_cover_what_the_draft_says(make_pair: Callable[..., Any]) -> None:
    """Keyed with hash(Ni_b | Nr_b); both cover IDii."""
    pair = paired(make_pair, "base", "rsa-sig")
    pair.handshake()
    one, two, three, four = (bodies(data) for data in pair.sent[:4])
    cookies = pair.sent[3][:16]
    key = sha256(one[PayloadType.NONCE] + two[PayloadType.NONCE]).digest()
    rest = cookies + one[PayloadType.SA] + one[PayloadType.ID]
    g_xi, g_xr = three[PayloadType.KE], four[PayloadType.KE]
    made, row = generator().recorded_credentials(), SIGNATURES["rsa-sig"]
    for role, message, covered in (
        ("initiator", three, g_xi + rest),
        ("responder", four, g_xi + g_xr + rest),
    ):
        credentials = script("ikev1_authentication").credentials(made, "rsa-sig", role)
        public = credentials.certificates[0].public_key
        assert row.verify(public, prf(key, covered), message[PayloadType.SIG])


def test_proofs_of_authentication_only(make_pair: Callable[..., Any]) -> None:
    """RFC 2409's formulas without public values."""
    pair = paired(make_pair, "authentication-only")
    pair.handshake()
    one, two, three = (bodies(data) for data in pair.sent)
    cky_i, cky_r = pair.sent[2][:8], pair.sent[2][8:16]
    skeyid = prf(b"secret", one[PayloadType.NONCE] + two[PayloadType.NONCE])
    sa = one[PayloadType.SA]
    assert two[PayloadType.HASH] == prf(skeyid, cky_r + cky_i + sa + two[PayloadType.ID])
    assert three[PayloadType.HASH] == prf(skeyid, cky_i + cky_r + sa + three[PayloadType.ID])


@BOTH
@pytest.mark.parametrize("auth", ["psk", "ecdsa-256"])
def test_loss_is_made_good(make_pair: Callable[..., Any], exchange: str, auth: str) -> None:
    """Whichever message is lost, both ends get the result, once."""
    for lost in range(1, LENGTH[exchange] + 1):
        pair = paired(make_pair, exchange, auth)
        pair.handshake(lambda number, data, lost=lost: [] if number == lost else [data])
        pair.pass_time()
        result = RESULT[exchange]
        assert len(pair.of_initiator(result)) == len(pair.of_responder(result)) == 1


@BOTH
def test_repeated_datagrams_change_nothing(make_pair: Callable[..., Any], exchange: str) -> None:
    pair = paired(make_pair, exchange)
    pair.handshake(lambda number, data: [data, data] if number < 30 else [data])
    result = RESULT[exchange]
    assert len(pair.of_initiator(result)) == len(pair.of_responder(result)) == 1
    assert not pair.of_initiator(MessageRejected) + pair.of_responder(MessageRejected)
    assert any(one.repeated for one in pair.of_responder(MessageReceived))


@BOTH
@pytest.mark.parametrize("change", ["flipped", "truncated"])
def test_damage_never_authenticates(
    make_pair: Callable[..., Any], exchange: str, change: str
) -> None:
    """Any octet of the last two messages: the receiver does not believe the sender."""
    probe = paired(make_pair, exchange)
    probe.handshake()
    for number in range(LENGTH[exchange] - 1, LENGTH[exchange] + 1):
        for index in range(28, len(probe.sent[number - 1]), 7):

            def damage(
                count: int, data: bytes, number: int = number, at: int = index
            ) -> list[bytes]:
                if count != number:
                    return [data] if count < number else []
                flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                return [flipped if change == "flipped" else data[:at]]

            pair = paired(make_pair, exchange)
            pair.handshake(damage)
            to_responder = number % 2 == 1
            receiver = pair.of_responder if to_responder else pair.of_initiator
            assert receiver(MessageRejected)
            assert not receiver(RESULT[exchange])


# (deviation, who deviates, notify that answers it)
DEVIATIONS = [
    ("wrong-sig-i", "initiator", NotifyType.INVALID_SIGNATURE),
    ("wrong-sig-r", "responder", NotifyType.INVALID_SIGNATURE),
    ("no-certificate", "initiator", NotifyType.CERTIFICATE_UNAVAILABLE),
    ("no-certificate", "responder", NotifyType.CERTIFICATE_UNAVAILABLE),
]


@BOTH
@pytest.mark.parametrize("auth", SIGNATURES)
@pytest.mark.parametrize(("name", "who", "notify"), DEVIATIONS)
def test_the_partner_catches_a_deviation(  # noqa: PLR0917 (one argument for each factor)
    make_pair: Callable[..., Any], exchange: str, auth: str, name: str, who: str, notify: NotifyType
) -> None:
    """Every signature method; the notify reaches the one who deviates."""
    pair = paired(make_pair, exchange, auth, pair={f"{who}_deviations": (name,)})
    pair.handshake()
    at_initiator, at_responder = pair.of_initiator, pair.of_responder
    partner, other = (at_responder, at_initiator)[:: 1 if who == "initiator" else -1]
    assert partner(MessageRejected)[0].notify is notify
    assert not partner(RESULT[exchange])
    assert notify in {event.notify_type for event in other(NotifyReceived)}


@BOTH
@pytest.mark.parametrize("number", [1, 2])
def test_proofs_cover_what_came_before(
    make_pair: Callable[..., Any], exchange: str, number: int
) -> None:
    """Any octet of the first two messages; of the answer's SA no proof covers anything."""
    probe = paired(make_pair, exchange)
    probe.handshake()
    data = probe.sent[number - 1]
    start = 28 if number == 1 else 28 + int.from_bytes(data[30:32])
    for index in range(start, len(data)):

        def damage(count: int, data: bytes, at: int = index) -> list[bytes]:
            if count != number:
                return [data]
            return [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]]

        pair = paired(make_pair, exchange)
        pair.handshake(damage)
        result = RESULT[exchange]
        assert not (pair.of_initiator(result) and pair.of_responder(result)), index
        assert pair.of_initiator(MessageRejected) + pair.of_responder(MessageRejected)


@BOTH
@pytest.mark.parametrize("who", ["initiator", "responder"])
def test_another_secret(make_pair: Callable[..., Any], exchange: str, who: str) -> None:
    """The first proof tells; who sent it learns of it by a notify in the clear."""
    pair = paired(make_pair, exchange, **{who: {"psk": b"another"}})
    pair.handshake()
    first = pair.of_responder if exchange == "base" else pair.of_initiator
    other = pair.of_initiator if exchange == "base" else pair.of_responder
    assert first(MessageRejected)[0].notify is NotifyType.INVALID_HASH_INFORMATION
    assert other(ExchangeFailed)
    assert not pair.of_initiator(RESULT[exchange]) + pair.of_responder(RESULT[exchange])


@BOTH
@pytest.mark.parametrize("who", ["initiator", "responder"])
def test_another_identity(make_pair: Callable[..., Any], exchange: str, who: str) -> None:
    """A peer that proves to be somebody else is refused."""
    pair = paired(make_pair, exchange, **{who: {"local_id": Identification.fqdn("mallory")}})
    pair.handshake()
    victim = pair.of_responder if who == "initiator" else pair.of_initiator
    assert victim(MessageRejected)[0].notify is NotifyType.INVALID_ID_INFORMATION
    assert not victim(RESULT[exchange])


@BOTH
def test_no_public_key_encryption(make_pair: Callable[..., Any], exchange: str) -> None:
    with pytest.raises(LocalError, match="has no public key encryption"):
        paired(make_pair, exchange, "rsa-enc")


def test_earlier_proofs_are_forgotten(make_pair: Callable[..., Any]) -> None:
    """Of one peer the latest exchange alone is remembered, and still answers duplicates."""
    pair = paired(make_pair, "authentication-only")
    for _ in range(3):
        pair.handshake()
    assert len(pair.of_responder(PeerAuthenticated)) == 3
    before = len(pair.of_responder(MessageRejected))
    for number in (2, 5, 8):
        pair.responder.receive_datagram(pair.sent[number], ("10.0.0.1", 500), 0.0)
    pair.deliver()
    reasons = [one.reason for one in pair.of_responder(MessageRejected)[before:]]
    assert reasons == ["no ISAKMP SA has these cookies"] * 2


def test_main_mode_is_refused_after_authentication_only(make_pair: Callable[..., Any]) -> None:
    """Nothing else goes on under the cookies of an exchange that made no keys."""
    pair = paired(make_pair, "authentication-only")
    pair.handshake()
    for kind in (ExchangeType.MAIN_MODE, ExchangeType.QUICK_MODE, ExchangeType.INFORMATIONAL):
        data = bytearray(pair.sent[2])
        data[18] = kind
        data[19] = int(kind is not ExchangeType.MAIN_MODE)
        pair.responder.receive_datagram(bytes(data), ("10.0.0.1", 500), 0.0)
    pair.deliver()
    assert len(pair.of_responder(MessageRejected)) == 3


def test_exchange_has_a_name() -> None:
    """Config takes these two beside the usual ones."""
    with pytest.raises(LocalError, match="base, authentication-only"):
        Config(
            b"", *(Identification.ipv4_addr("10.0.0.1"),) * 2, (), (),
            *(Identification.selector("10.0.0.0/8"),) * 2, exchange="identity",
        )  # fmt: skip
