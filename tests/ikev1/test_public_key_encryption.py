"""Public key encryption, original and revised: whole handshakes, and what must not make one."""

# ruff: noqa: PLR0917 (one argument for each factor)

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ikev1_authentication as generator
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from conformance.crypto import rsa
from conformance.crypto.asymmetric import PrivateKey
from conformance.crypto.certificates import Certificate
from conformance.crypto.random import seeded_random
from conformance.ikev1 import keys
from conformance.ikev1.authentication import encrypted as module
from conformance.ikev1.authentication.encrypted import EncryptionMethod, RevisedEncryption
from conformance.ikev1.config import Identification, Phase1Proposal
from conformance.ikev1.constants import NotifyType, PayloadType
from conformance.ikev1.deviations import Seams
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    IsakmpEstablished,
    MessageRejected,
    MessageSent,
)
from conformance.ikev1.message import parse_header, parse_message
from conformance.ikev1.methods import METHOD_ROWS
from conformance.ikev1.payloads import Hash, OpaquePayload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VECTORS = Path(__file__).parents[2] / "vectors"
RECORDED = json.loads((VECTORS / "ikev1" / "authentication.json").read_text())
MADE = RECORDED["credentials"]
NAMES = RECORDED["names"]
METHODS, EXCHANGES = ("rsa-enc", "rsa-rev"), ("main", "aggressive")
BOTH = [
    pytest.param(*row, marks=pytest.mark.covers(f"auth:{METHOD_ROWS[row[0]].number}", by="self"))
    for row in product(METHODS, EXCHANGES)
]
I, R = "initiator", "responder"  # noqa: E741 - the roles' letters in the RFC


@cache
def recorded(auth: str, role: str) -> Any:
    """The credentials of the vectors; reading a private key takes its time."""
    return generator.credentials(MADE, auth, role)


@cache
def key_of(role: str) -> PrivateKey:
    return PrivateKey.load(MADE["rsa-sig"][role]["key"].encode())


def certificate_of(role: str, kind: str = "rsa-sig") -> Certificate:
    return Certificate.parse(bytes.fromhex(MADE[kind][role]["certificate"]))


def encrypted_pair(
    make_pair: Callable[..., Any], auth: str, exchange: str = "main", **changes: Any
) -> Any:
    """A pair with the recorded keys; initiator= and responder= change the credentials."""
    overrides = {}
    for role, other in ((I, R), (R, I)):
        credentials = recorded(auth, role)
        overrides[role] = {
            "exchange": exchange,
            "phase1": (Phase1Proposal("aes128", "sha256", "ecp256", auth),),
            "local_id": Identification.fqdn(NAMES[role]),
            "remote_id": Identification.fqdn(NAMES[other]),
            "credentials": replace(credentials, **changes.get(role, {})),
            **changes.get(f"{role}_config", {}),
        }
    return make_pair(**overrides)


def assert_stands(pair: Any) -> None:
    """Both ends agree on phase 1 and on one child, and nobody objected to anything."""
    for cls in (MessageRejected, ExchangeFailed):
        assert not pair.of_initiator(cls) + pair.of_responder(cls)
    (mine,), (yours,) = pair.of_initiator(IsakmpEstablished), pair.of_responder(IsakmpEstablished)
    assert mine.encryption_key == yours.encryption_key
    assert (str(mine.peer_id), str(yours.peer_id)) == tuple(
        f"FQDN {NAMES[role]}" for role in (R, I)
    )
    (mine,), (yours,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert mine.encryption_key_in == yours.encryption_key_out


def kinds(pair: Any, number: int) -> list[str]:
    """The payloads of one of the initiator's messages by name."""
    return [one.split(maxsplit=1)[0] for one in pair.of_initiator(MessageSent)[number].payloads]


@pytest.mark.covers("auth:{auth}", "exchange:{exchange}", by="self")
@pytest.mark.parametrize(("auth", "exchange"), BOTH)
def test_whole_handshakes(make_pair: Callable[..., Any], auth: str, exchange: str) -> None:
    """RFC 2409 5.2 and 5.3; with HASH(1), and in the revised mode with the certificate."""
    pair = encrypted_pair(make_pair, auth, exchange)
    pair.handshake()
    assert_stands(pair)
    wanted = {
        "rsa-enc": ["HASH", "KE", "ID", "NONCE"],
        "rsa-rev": ["HASH", "NONCE", "KE", "ID", "CERT"],
    }[auth]
    assert kinds(pair, 1 if exchange == "main" else 0)[-len(wanted) :] == wanted


@pytest.mark.covers("auth:{auth}", by="self")
@pytest.mark.parametrize(("auth", "exchange"), BOTH)
def test_with_raw_public_keys(make_pair: Callable[..., Any], auth: str, exchange: str) -> None:
    """Known keys need neither HASH(1) nor a certificate."""
    changes = {
        role: {
            "certificates": (),
            "authorities": (),
            "peer_certificate": None,
            "peer_key": key_of(other).public,
        }
        for role, other in ((I, R), (R, I))
    }
    pair = encrypted_pair(make_pair, auth, exchange, **changes)
    pair.handshake()
    assert_stands(pair)
    assert not {"HASH", "CERT"} & set(kinds(pair, 1 if exchange == "main" else 0))


@pytest.mark.parametrize(("auth", "exchange"), BOTH)
def test_identities_do_not_show(make_pair: Callable[..., Any], auth: str, exchange: str) -> None:
    """RFC 2409 5.2: identity protection in Aggressive Mode too; nonces do not show either."""
    pair = encrypted_pair(make_pair, auth, exchange)
    pair.handshake()
    for name in NAMES.values():
        assert not [data for data in pair.sent if name.encode() in data]


@pytest.mark.parametrize(("auth", "exchange", "who"), [*product(METHODS, EXCHANGES, (I, R))])
def test_a_peer_without_the_private_key(
    make_pair: Callable[..., Any], auth: str, exchange: str, who: str
) -> None:
    """It reads no nonce, so that nothing stands, and no exception tells why."""
    other = PrivateKey(generate_private_key(65537, 2048))
    pair = encrypted_pair(make_pair, auth, exchange, **{who: {"private_key": other}})
    pair.handshake()
    pair.pass_time()
    assert pair.of_initiator(MessageRejected) + pair.of_responder(MessageRejected)
    assert not pair.of_initiator(ChildInstalled)
    assert not pair.of_responder(ChildInstalled)


@pytest.mark.parametrize(("auth", "exchange"), BOTH)
def test_a_certificate_that_is_not_ours(
    make_pair: Callable[..., Any], auth: str, exchange: str
) -> None:
    """HASH(1) names another certificate than the responder has."""
    changes = {"peer_certificate": certificate_of(I)}
    pair = encrypted_pair(make_pair, auth, exchange, initiator=changes)
    pair.handshake()
    told = pair.of_responder(MessageRejected)[0]
    assert told.notify is NotifyType.INVALID_HASH_INFORMATION
    assert told.divergence.name == "HASH(1)"


def replaced(payload: Any, payload_type: PayloadType, change: Callable[[bytes], bytes]) -> Any:
    if payload.payload_type is not payload_type:
        return payload
    return OpaquePayload(payload_type, change(payload.data))


MUTANTS = [
    ("rsa-enc", PayloadType.ID, lambda data: data[:-1], NotifyType.INVALID_KEY_INFORMATION),
    ("rsa-enc", PayloadType.NONCE, lambda data: data + b"x", NotifyType.INVALID_KEY_INFORMATION),
    ("rsa-rev", PayloadType.NONCE, lambda data: data[1:], NotifyType.INVALID_KEY_INFORMATION),
    ("rsa-rev", PayloadType.KE, lambda data: data[:-1], NotifyType.UNEQUAL_PAYLOAD_LENGTHS),
    ("rsa-rev", PayloadType.KE, lambda data: data[:-16], None),
    ("rsa-rev", PayloadType.ID, lambda data: data[:-16] + bytes(16), None),
]


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(("auth", "kind", "change", "notify"), MUTANTS)
def test_a_broken_body_is_refused(
    make_pair: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    auth: str,
    exchange: str,
    kind: PayloadType,
    change: Callable[[bytes], bytes],
    notify: NotifyType | None,
) -> None:
    """Lengths that no key gives and padding that is none end in a notify."""
    genuine = EncryptionMethod.write_keys

    def write_keys(self: EncryptionMethod, phase_1: Any) -> Any:
        return tuple(replaced(one, kind, change) for one in genuine(self, phase_1))

    monkeypatch.setattr(EncryptionMethod, "write_keys", write_keys)
    pair = encrypted_pair(make_pair, auth, exchange)
    pair.handshake()
    told = pair.of_responder(MessageRejected)[0]
    assert notify in {None, told.notify}
    assert not pair.of_responder(IsakmpEstablished)


def test_the_nonce_comes_first(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 2409 5.3: after the optional HASH(1) the first payload MUST be the nonce."""
    genuine = RevisedEncryption.encrypt

    def encrypt(self: RevisedEncryption, *values: Any) -> Any:
        nonce, *others = genuine(self, *values)
        return (*others, nonce)

    monkeypatch.setattr(RevisedEncryption, "encrypt", encrypt)
    pair = encrypted_pair(make_pair, "rsa-rev")
    pair.handshake()
    assert "nonce must come first" in pair.of_responder(MessageRejected)[0].reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"certificates": (certificate_of(I, "dss-sig"),)}, "not one for RSA encryption"),
        ({"certificates": (certificate_of(R),)}, "does not say"),
        ({"certificates": ()}, "sent no certificate"),
    ],
)
def test_the_initiators_certificate_is_judged(
    make_pair: Callable[..., Any], change: dict[str, Any], reason: str
) -> None:
    """Revised mode: the responder encrypts only to a certificate that it accepts."""
    pair = encrypted_pair(make_pair, "rsa-rev", initiator=change)
    pair.handshake()
    assert reason in pair.of_responder(MessageRejected)[0].reason
    assert not pair.of_initiator(ChildInstalled)


def test_hash_1_belongs_to_encryption_alone(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Aggressive Mode with a pre-shared key it has no row."""
    pair = make_pair(initiator={"exchange": "aggressive"}, responder={"exchange": "aggressive"})
    genuine = Seams.payloads

    def payloads(self: Seams, position: Any, sent: Any) -> Any:
        return (*genuine(self, position, sent), Hash(bytes(32)))

    monkeypatch.setattr(Seams, "payloads", payloads)
    pair.handshake()
    assert pair.of_responder(MessageRejected)[0].notify is NotifyType.INVALID_PAYLOAD_TYPE


def test_configuration_is_checked(make_pair: Callable[..., Any]) -> None:
    """An RSA key of ours, one of the peer's, and room for what is encrypted."""
    dsa_key = PrivateKey.load(MADE["dss-sig"][I]["key"].encode())
    for change, words in [
        ({"initiator": {"private_key": dsa_key}}, "an RSA private key"),
        ({"initiator": {"peer_key": dsa_key.public}}, "an RSA key of the peer"),
        ({"initiator": {"peer_certificate": None}}, "the peer's key or certificate"),
        ({"initiator_config": {"local_id": Identification.fqdn("a" * 242)}}, "longer than"),
        ({"initiator_config": {"nonce_size": 256}}, "longer than"),
    ]:
        with pytest.raises(LocalError, match=words):
            encrypted_pair(make_pair, "rsa-enc", **change)


# -- pieces ------------------------------------------------------------------------------------


@given(data=st.binary(max_size=245))
def test_rsa_round_trip(data: bytes) -> None:
    """Whatever fits comes back, and the padding follows the injected source."""
    key = key_of(R)
    sealed = rsa.encrypt(key.public, data, seeded_random(1))
    assert len(sealed) == 256
    assert rsa.decrypt(key, sealed) == data
    assert sealed == rsa.encrypt(key.public, data, seeded_random(1))
    assert sealed != rsa.encrypt(key.public, data, seeded_random(2))


def test_rsa_limits_and_implicit_rejection() -> None:
    """Too much is refused; a wrong block gives octets, always the same, and no error."""
    key = key_of(R)
    with pytest.raises(ValueError, match="246 octets exceed"):
        rsa.encrypt(key.public, bytes(246), seeded_random(1))
    assert rsa.decrypt(key, b"\x11" * 256) == rsa.decrypt(key, b"\x11" * 256)
    with pytest.raises(ValueError, match=r"."):
        rsa.decrypt(key, b"short")


def test_ephemeral_key_is_that_of_the_rfc() -> None:
    """RFC 2409 5.3: Ne = prf(N_b, CKY); K1 = prf(Ne, 0), K2 = prf(Ne, K1)."""
    ne = hmac.digest(b"nonce", b"cookie", hashlib.md5)
    assert keys.ephemeral_key("md5", b"nonce", b"cookie", 16) == ne
    first = hmac.digest(ne, b"\0", hashlib.md5)
    second = hmac.digest(ne, first, hashlib.md5)
    assert keys.ephemeral_key("md5", b"nonce", b"cookie", 24) == (first + second)[:24]


@pytest.mark.parametrize(("size", "zeros"), [(0, 7), (1, 6), (7, 0), (8, 7)])
def test_padding_is_that_of_the_rfc(size: int, zeros: int) -> None:
    """RFC 2409 5.3: zeros, then their number; always at least one octet."""
    padded = module._padded(b"x" * size, 8)  # noqa: SLF001 (a formula of the RFC)
    assert padded == b"x" * size + bytes(zeros) + bytes([zeros])


# -- changed messages --------------------------------------------------------------------------


def changed_copies(data: bytes) -> Iterable[bytes]:
    """A sample of truncations with a length field that fits, and of flipped bits."""
    for size in range(28, len(data), 37):
        yield data[:24] + size.to_bytes(4) + data[28:size]
    for index in (i for i in range(0, len(data), 17) if i not in {44, 52, 54, 55}):
        yield data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


@pytest.mark.parametrize(
    ("auth", "exchange", "target"),
    [
        *product(METHODS, ("main",), (3, 4)),
        *product(METHODS, ("aggressive",), (1, 2)),
    ],
)
def test_changed_key_exchanges_never_raise_nor_establish(
    make_pair: Callable[..., Any], auth: str, exchange: str, target: int
) -> None:
    """The messages with the encrypted bodies: none that was changed leads to a child."""
    pair = encrypted_pair(make_pair, auth, exchange)
    pair.handshake()
    original = pair.sent[target - 1]
    assert parse_message(parse_header(original), original)[0].payloads
    for copy in changed_copies(original):
        other = encrypted_pair(make_pair, auth, exchange)
        other.handshake(lambda number, data, copy=copy: [copy] if number == target else [data])
        assert not (other.of_initiator(ChildInstalled) and other.of_responder(ChildInstalled))
