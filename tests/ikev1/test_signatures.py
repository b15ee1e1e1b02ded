"""Signature authentication: whole handshakes, and every certificate and signature not to trust."""

# ruff: noqa: ARG005, PLR0917 (one signature for all mistakes; one argument for each factor)

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ikev1_authentication as generator
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from conformance.crypto.asymmetric import PrivateKey
from conformance.crypto.certificates import Certificate
from conformance.crypto.random import seeded_random
from conformance.crypto.signatures import SIGNATURES
from conformance.ikev1.authentication.signed import SignatureMethod
from conformance.ikev1.config import Identification, Phase1Proposal
from conformance.ikev1.constants import CertificateEncoding, IdType, NotifyType
from conformance.ikev1.deviations import Seams
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    IsakmpEstablished,
    MessageRejected,
    MessageSent,
    NotifyReceived,
)
from conformance.ikev1.message import (
    parse_header,
    parse_message,
    write_chain,
    write_datagram,
)
from conformance.ikev1.methods import METHOD_ROWS
from conformance.ikev1.payloads import CertificatePayload, CertificateRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VECTORS = Path(__file__).parents[2] / "vectors"
RECORDED = json.loads((VECTORS / "ikev1" / "authentication.json").read_text())
MADE = RECORDED["credentials"]
METHODS = [
    pytest.param(name, marks=pytest.mark.covers(f"auth:{METHOD_ROWS[name].number}", by="self"))
    for name in SIGNATURES
]
NAMES = RECORDED["names"]
I, R = "initiator", "responder"  # noqa: E741 - the roles' letters in the RFC
DIGEST = {"rsa-sig": 32, "dss-sig": 20, "ecdsa-256": 32, "ecdsa-384": 48, "ecdsa-521": 64}


@cache
def recorded(auth: str, role: str) -> Any:
    """The credentials of the vectors; reading a private key takes its time."""
    return generator.credentials(MADE, auth, role)


@cache
def key_of(*path: str) -> Any:
    """A recorded private key, as the library's object."""
    found = MADE
    for name in path:
        found = found[name]
    return serialization.load_pem_private_key(found["key"].encode(), None)


def signed_pair(
    make_pair: Callable[..., Any], auth: str = "rsa-sig", exchange: str = "main", **changes: Any
) -> Any:
    """A pair with the recorded keys.

    initiator= and responder= change the credentials, initiator_config= and responder_config= more.
    """
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
    return make_pair(**overrides, **changes.get("pair", {}))


def assert_stands(pair: Any) -> None:
    """Both ends agree on phase 1 and on one child, and nobody objected to anything."""
    for cls in (MessageRejected, ExchangeFailed):
        assert not pair.of_initiator(cls) + pair.of_responder(cls)
    (mine,), (yours,) = pair.of_initiator(IsakmpEstablished), pair.of_responder(IsakmpEstablished)
    assert mine.encryption_key == yours.encryption_key
    (mine,), (yours,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert mine.encryption_key_in == yours.encryption_key_out


def refusal(pair: Any) -> MessageRejected:
    """Run the handshake; what the responder says of the first message it refuses."""
    pair.handshake()
    told: MessageRejected = pair.of_responder(MessageRejected)[0]
    assert pair.of_responder(ExchangeFailed)
    assert not pair.of_responder(ChildInstalled)
    assert told.notify in {event.notify_type for event in pair.of_initiator(NotifyReceived)}
    return told


def test_vectors_replay_octet_for_octet() -> None:
    """From seeds and recorded keys every message and key comes out as recorded."""
    assert generator.build(MADE) == RECORDED


@pytest.mark.covers("auth:{auth}", "exchange:{exchange}", "attr1:3", "cert:4", by="self")
@pytest.mark.covers("payload:CERT", "payload:CR", "payload:SIG", by="self")
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
@pytest.mark.parametrize("auth", METHODS)
def test_with_certificates(make_pair: Callable[..., Any], auth: str, exchange: str) -> None:
    """CERTREQ names the authority, CERT precedes SIG; both ends end with the same keys."""
    pair = signed_pair(make_pair, auth, exchange)
    pair.handshake()
    assert_stands(pair)
    lines = [line for event in pair.of_initiator(MessageSent) for line in event.payloads]
    kinds = [line.split(maxsplit=1)[0] for line in lines]
    assert kinds.count("CR") == 1
    assert kinds[kinds.index("CERT") + 1] == "SIG"


@pytest.mark.covers("auth:{auth}", "exchange:{exchange}", by="self")
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
@pytest.mark.parametrize("auth", METHODS)
def test_with_raw_public_keys(make_pair: Callable[..., Any], auth: str, exchange: str) -> None:
    """Known keys need neither CERT nor CERTREQ."""
    changes = {}
    for role, other in ((I, R), (R, I)):
        peer = PrivateKey.load(MADE[auth][other]["key"].encode()).public
        changes[role] = {"certificates": (), "authorities": (), "peer_key": peer}
    pair = signed_pair(make_pair, auth, exchange, **changes)
    pair.handshake()
    assert_stands(pair)
    lines = [line for event in pair.of_initiator(MessageSent) for line in event.payloads]
    assert not [line for line in lines if line.startswith(("CERT", "CR"))]


@pytest.mark.covers("cert:1", "feature:pkcs7", by="self")
@pytest.mark.parametrize("who", [I, R])
def test_certificates_in_pkcs7(make_pair: Callable[..., Any], who: str) -> None:
    """RFC 2408 3.9 encoding 1 carries the same certificates."""
    pair = signed_pair(make_pair, **{who: {"wrapped": True}})
    pair.handshake()
    assert_stands(pair)
    events = pair.of_initiator if who == I else pair.of_responder
    lines = [line for event in events(MessageSent) for line in event.payloads]
    assert [line for line in lines if line.startswith("CERT PKCS7-X509")]


@pytest.mark.parametrize("asked", [True, False])
def test_certificates_on_request(make_pair: Callable[..., Any], *, asked: bool) -> None:
    """Sent when asked for; a peer that knows our key does not ask."""
    peer = PrivateKey.load(MADE["rsa-sig"][I]["key"].encode()).public
    responder = {} if asked else {"peer_key": peer}
    pair = signed_pair(make_pair, initiator={"send": "requested"}, responder=responder)
    pair.handshake()
    assert_stands(pair)
    lines = [line for event in pair.of_initiator(MessageSent) for line in event.payloads]
    assert bool([line for line in lines if line.startswith("CERT")]) is asked


ASKED = CertificateRequest(CertificateEncoding.X509_SIGNATURE, b"")
EARLY = CertificatePayload(CertificateEncoding.X509_SIGNATURE, b"any octets")


def with_payload(data: bytes, payload: Any) -> bytes:
    """A message in the clear with a payload behind its own."""
    message, _ = parse_message(parse_header(data), data)
    return write_datagram(message.header, write_chain([*message.payloads, payload]))[0]


@pytest.mark.parametrize("number", [1, 2])
def test_a_certificate_may_come_before_it_is_needed(
    make_pair: Callable[..., Any], number: int
) -> None:
    """It "MUST be accepted at any point during an exchange" (RFC 2408 3.9)."""
    pair = signed_pair(make_pair)
    pair.handshake(lambda index, data: [with_payload(data, EARLY) if index == number else data])
    assert_stands(pair)


@pytest.mark.parametrize(("number", "asker", "asked"), [(1, I, R), (2, R, I)])
def test_a_request_counts_in_the_first_messages_too(
    make_pair: Callable[..., Any], number: int, asker: str, asked: str
) -> None:
    """It "MUST be accepted at any point during the exchange", and is answered (RFC 2408 3.10)."""
    peer = PrivateKey.load(MADE["rsa-sig"][asked]["key"].encode()).public
    changes = {asker: {"peer_key": peer}, asked: {"send": "requested"}}
    for changed in (False, True):
        pair = signed_pair(make_pair, **changes)
        pair.handshake(
            lambda index, data, changed=changed: [
                with_payload(data, ASKED) if changed and index == number else data
            ]
        )
        assert_stands(pair)
        events = pair.of_initiator if asked == I else pair.of_responder
        lines = [line for event in events(MessageSent) for line in event.payloads]
        assert bool([line for line in lines if line.startswith("CERT")]) is changed


@pytest.mark.parametrize("auth", METHODS)
def test_signatures_cover_the_hash_as_the_rfc_says(auth: str) -> None:
    """Every flipped octet and every other length is no signature; equal randomness repeats."""
    row, digest = SIGNATURES[auth], bytes(range(DIGEST[auth]))
    key = PrivateKey.load(MADE[auth][I]["key"].encode())
    signature = row.sign(key, digest, seeded_random(1))
    assert row.verify(key.public, digest, signature)
    assert signature == row.sign(key, digest, seeded_random(1))
    assert not row.verify(key.public, digest[::-1], signature)
    for index in range(len(signature)):
        changed = bytearray(signature)
        changed[index] ^= 1
        assert not row.verify(key.public, digest, bytes(changed))
        assert not row.verify(key.public, digest, signature[:index])
    other = PrivateKey.load(MADE[auth][R]["key"].encode())
    assert not row.verify(other.public, digest, signature)


def test_rsa_is_a_private_key_encryption_of_the_bare_hash() -> None:
    """RFC 2409 5.1: PKCS #1 block type 1 without the hash's OID, by bare arithmetic."""
    key = key_of("rsa-sig", I)
    digest = bytes(range(32))
    signature = SIGNATURES["rsa-sig"].sign(PrivateKey(key), digest, seeded_random(1))
    numbers = key.public_key().public_numbers()
    block = pow(int.from_bytes(signature), numbers.e, numbers.n).to_bytes(256)
    assert block == b"\0\1" + b"\xff" * (256 - 3 - 32) + b"\0" + digest


def test_dss_is_r_followed_by_s() -> None:
    """FIPS 186-4 4.7 recomputed: v = r, for a signature made with the injected k."""
    key = key_of("dss-sig", I)
    digest = bytes(range(20))
    signature = SIGNATURES["dss-sig"].sign(PrivateKey(key), digest, seeded_random(1))
    public = key.public_key().public_numbers()
    group = public.parameter_numbers
    r, s = int.from_bytes(signature[:20]), int.from_bytes(signature[20:])
    w = pow(s, -1, group.q)
    u1, u2 = int.from_bytes(digest) * w % group.q, r * w % group.q
    v = pow(group.g, u1, group.p) * pow(public.y, u2, group.p) % group.p % group.q
    assert len(signature) == 40
    assert v == r


# -- signatures that are none ------------------------------------------------------------------


def digest_info(key: Any, digest: bytes) -> bytes:
    prehashed = utils.Prehashed(hashes.SHA256())
    signature: bytes = key.sign(digest, padding.PKCS1v15(), prehashed)
    return signature


def as_der(signature: bytes) -> bytes:
    half = len(signature) // 2
    return utils.encode_dss_signature(
        int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
    )


MISTAKES = [
    ("rsa-sig", lambda row, key, h, rnd: digest_info(key.key, h), "over a DigestInfo"),
    ("rsa-sig", lambda row, key, h, rnd: row.sign(key, h[::-1], rnd), "it is over"),
    ("rsa-sig", lambda row, key, h, rnd: row.sign(key, h, rnd)[:-1], "255 octets"),
    ("rsa-sig", lambda row, key, h, rnd: bytes(256), "another key signed"),
    ("dss-sig", lambda row, key, h, rnd: as_der(row.sign(key, h, rnd)), "DER SEQUENCE"),
    ("ecdsa-256", lambda row, key, h, rnd: as_der(row.sign(key, h, rnd)), "DER SEQUENCE"),
    ("ecdsa-256", lambda row, key, h, rnd: b"", "0 octets"),
    ("ecdsa-521", lambda row, key, h, rnd: bytes(132), "no known mistake"),
]


@pytest.mark.parametrize("who", [I, R])
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
@pytest.mark.parametrize(("auth", "mistake", "explanation"), MISTAKES)
def test_a_wrong_signature_is_explained(
    make_pair: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    who: str,
    exchange: str,
    auth: str,
    mistake: Callable[..., bytes],
    explanation: str,
) -> None:
    """INVALID-SIGNATURE, and the mistake in the divergence."""
    pair = signed_pair(make_pair, auth, exchange)
    genuine = SIGNATURES[auth]
    own = PrivateKey.load(MADE[auth][who]["key"].encode())

    def sign(_: Any, digest: bytes, random: Any) -> bytes:
        return mistake(genuine, own, digest, random)

    wrong = SignatureMethod(genuine._replace(sign_hash=sign))
    original = SignatureMethod.write_proof

    def write_proof(self: SignatureMethod, phase_1: Any) -> Any:
        return original(wrong if phase_1.role.value == who else self, phase_1)

    monkeypatch.setattr(SignatureMethod, "write_proof", write_proof)
    told = refusal(pair) if who == I else late_refusal(pair)
    assert told.notify is NotifyType.INVALID_SIGNATURE
    assert told.divergence is not None
    assert told.divergence.name == ("SIG_I" if who == I else "SIG_R")
    assert explanation in told.divergence.explanation


def late_refusal(pair: Any) -> MessageRejected:
    """What the initiator says of the responder's proof; in Main Mode that one stands already."""
    pair.handshake()
    told: MessageRejected = pair.of_initiator(MessageRejected)[0]
    assert pair.of_initiator(ExchangeFailed)
    assert not pair.of_initiator(ChildInstalled)
    return told


DEVIATIONS = [
    ("wrong-sig-i", I, NotifyType.INVALID_SIGNATURE, "SIG_I differs"),
    ("wrong-sig-r", R, NotifyType.INVALID_SIGNATURE, "SIG_R differs"),
    ("no-certificate", I, NotifyType.CERTIFICATE_UNAVAILABLE, "sent no certificate"),
    ("no-certificate", R, NotifyType.CERTIFICATE_UNAVAILABLE, "sent no certificate"),
]


@pytest.mark.parametrize("auth", METHODS)
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
@pytest.mark.parametrize(("name", "who", "notify", "reason"), DEVIATIONS)
def test_the_partner_catches_a_deviation(
    make_pair: Callable[..., Any],
    auth: str,
    exchange: str,
    name: str,
    who: str,
    notify: NotifyType,
    reason: str,
) -> None:
    """Every signature method, both exchanges; the notify reaches the one who deviates."""
    deviant = {f"{who}_deviations": (name,)}
    pair = signed_pair(make_pair, auth, exchange, pair=deviant)
    pair.handshake()
    partner, other = (
        (pair.of_responder, pair.of_initiator)
        if who == I
        else (pair.of_initiator, pair.of_responder)
    )
    told = partner(MessageRejected)[0]
    assert (told.notify, reason in told.reason) == (notify, True)
    assert not (pair.of_initiator(ChildInstalled) and pair.of_responder(ChildInstalled))
    assert notify in {event.notify_type for event in other(NotifyReceived)}


# -- certificates not to trust -----------------------------------------------------------------


def leaf(
    *more: tuple[x509.ExtensionType, bool], name: str = NAMES[I], **kwargs: Any
) -> Certificate:
    """A certificate for the initiator's key; kwargs are those of the generator's issue()."""
    made = generator
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    ca, key = key_of("authority"), key_of("rsa-sig", I)
    issuer = kwargs.pop("issuer", ("Example CA", ca))
    return Certificate.parse(made.issue(*issuer, name, key, ((names, False), *more), **kwargs))


def usage(**true: bool) -> x509.KeyUsage:
    """A KeyUsage with only these bits."""
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: true.get(bit, False) for bit in bits})


@cache
def stranger() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


SERVER_AUTH = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")])
IPSEC_IKE = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.17")])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
AUTHORITY, BAD = NotifyType.INVALID_CERT_AUTHORITY, NotifyType.INVALID_CERTIFICATE

UNTRUSTED: list[tuple[str, Callable[[], Certificate], NotifyType, str]] = [
    ("expired", lambda: leaf(years=(-3, -1)), BAD, "has expired"),
    ("not yet", lambda: leaf(years=(1, 2)), BAD, "not valid before"),
    ("usage", lambda: leaf((usage(key_encipherment=True), True)), BAD, "digitalSignature"),
    ("purpose", lambda: leaf((SERVER_AUTH, False)), BAD, "extended key usage"),
    ("critical", lambda: leaf((UNKNOWN, True)), BAD, "critical extension 1.2.3.4"),
    ("stranger", lambda: leaf(issuer=("Who CA", stranger())), AUTHORITY, "issuer of"),
    ("forged", lambda: leaf(issuer=("Example CA", stranger())), AUTHORITY, "issuer of"),
]


@pytest.mark.covers("notify:{notify}", by="self")
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
@pytest.mark.parametrize(
    ("build", "notify", "reason"), [row[1:] for row in UNTRUSTED], ids=[row[0] for row in UNTRUSTED]
)
def test_a_bad_certificate_is_refused(
    make_pair: Callable[..., Any],
    exchange: str,
    build: Callable[[], Certificate],
    notify: NotifyType,
    reason: str,
) -> None:
    """RFC 4945 5.1, RFC 5280 6.1: each requirement broken alone."""
    pair = signed_pair(make_pair, exchange=exchange, initiator={"certificates": (build(),)})
    told = refusal(pair)
    assert told.notify is notify
    assert reason in told.reason


@pytest.mark.parametrize(
    "more",
    [
        (usage(digital_signature=True), True),
        (usage(content_commitment=True), True),
        (IPSEC_IKE, True),
        (UNKNOWN, False),
    ],
)
def test_a_good_usage_is_accepted(
    make_pair: Callable[..., Any], more: tuple[x509.ExtensionType, bool]
) -> None:
    pair = signed_pair(make_pair, initiator={"certificates": (leaf(more),)})
    pair.handshake()
    assert_stands(pair)


def test_the_certificate_must_say_the_identity(make_pair: Callable[..., Any]) -> None:
    """RFC 4945 3.1: what the ID payload claims stands in the subjectAltName."""
    certificate = leaf(name="other.example.net")
    told = refusal(signed_pair(make_pair, initiator={"certificates": (certificate,)}))
    assert told.notify is NotifyType.INVALID_ID_INFORMATION
    assert told.divergence is not None
    assert told.divergence.name == "IDii"
    assert "other.example.net" in told.divergence.expected
    assert told.divergence.explanation == "the certificate says another identity"


def test_identities_of_every_kind(make_pair: Callable[..., Any]) -> None:
    """Address, names in any case and the subject's DN are found; a KEY_ID cannot be."""
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("Host.example.net"),
            x509.RFC822Name("me@example.net"),
            x509.IPAddress(ip_address("10.0.0.1")),
        ]
    )
    made = generator
    der = made.issue(
        "Example CA", key_of("authority"), "x", key_of("rsa-sig", I), ((names, False),)
    )
    certificate = Certificate.parse(der)
    identities = [
        (Identification.fqdn("host.EXAMPLE.net"), True),
        (Identification.user_fqdn("me@example.net"), True),
        (Identification.ipv4_addr("10.0.0.1"), True),
        (Identification(IdType.DER_ASN1_DN, certificate.subject), True),
        (Identification.ipv4_addr("10.0.0.9"), False),
        (Identification.fqdn("me@example.net"), False),
        (Identification.key_id(b"x"), False),
    ]
    for identity, good in identities:
        pair = signed_pair(
            make_pair,
            initiator={"certificates": (certificate,)},
            initiator_config={"local_id": identity},
            responder_config={"remote_id": None},
        )
        pair.handshake()
        assert bool(pair.of_responder(IsakmpEstablished)) is good


@pytest.mark.covers("notify:28", by="self")
def test_no_certificate_at_all(make_pair: Callable[..., Any]) -> None:
    told = refusal(signed_pair(make_pair, initiator={"send": "never"}))
    assert told.notify is NotifyType.CERTIFICATE_UNAVAILABLE


def test_a_certificate_of_another_kind_of_key(make_pair: Callable[..., Any]) -> None:
    """A DSA key in the certificate, an RSA signature beside it."""
    other = Certificate.parse(bytes.fromhex(MADE["dss-sig"][I]["certificate"]))
    told = refusal(signed_pair(make_pair, initiator={"certificates": (other,)}))
    assert told.notify is NotifyType.INVALID_CERTIFICATE
    assert "not one for rsa-sig" in told.reason


def recoded(monkeypatch: pytest.MonkeyPatch, *, encoding: int, keep: bool) -> None:
    """CERT payloads leave with another encoding; with keep there is a good one behind each."""
    genuine = Seams.payloads

    def payloads(self: Seams, position: Any, sent: Any) -> Any:
        out: list[Any] = []
        for one in genuine(self, position, sent):
            if isinstance(one, CertificatePayload):
                out.append(replace(one, encoding=CertificateEncoding(encoding)))
                out += [one] if keep else []
            else:
                out.append(one)
        return tuple(out)

    monkeypatch.setattr(Seams, "payloads", payloads)


def encodings(*numbers: int) -> list[Any]:
    return [
        pytest.param(one, marks=pytest.mark.covers(f"cert:{one}", by="self")) for one in numbers
    ]


@pytest.mark.parametrize("encoding", encodings(0, 2, 3, 6, 9, 10))
def test_encodings_that_nobody_understands(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, encoding: int
) -> None:
    """Alone they are refused by name; beside a certificate they are passed over."""
    recoded(monkeypatch, encoding=encoding, keep=False)
    told = refusal(signed_pair(make_pair, "ecdsa-256"))
    assert told.notify is NotifyType.CERT_TYPE_UNSUPPORTED
    assert told.reason.endswith(CertificateEncoding(encoding).label)
    monkeypatch.undo()
    recoded(monkeypatch, encoding=encoding, keep=True)
    pair = signed_pair(make_pair, "ecdsa-256")
    pair.handshake()
    assert_stands(pair)


@pytest.mark.parametrize("encoding", encodings(5))
def test_certificates_for_key_exchange(
    make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, encoding: int
) -> None:
    """RFC 2408 3.9: the same X.509, for another use; what counts is the key usage in it."""
    recoded(monkeypatch, encoding=encoding, keep=False)
    pair = signed_pair(make_pair, "ecdsa-256")
    pair.handshake()
    assert_stands(pair)


def intermediate(*extensions: tuple[x509.ExtensionType, bool]) -> Certificate:
    ca = key_of("authority")
    return Certificate.parse(
        generator.issue("Example CA", ca, "Between CA", stranger(), extensions)
    )


CA = (x509.BasicConstraints(ca=True, path_length=None), True)


@pytest.mark.covers("feature:pkcs7", "feature:chain", by="self")
def test_a_chain_over_an_intermediate_authority(make_pair: Callable[..., Any]) -> None:
    """It comes with the leaf, in one CERT each or in one PKCS #7."""
    own = leaf(issuer=("Between CA", stranger()))
    for wrapped in (False, True):
        chain = {"certificates": (own, intermediate(CA)), "wrapped": wrapped}
        pair = signed_pair(make_pair, initiator=chain)
        pair.handshake()
        assert_stands(pair)


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ((), "is no authority"),
        (((x509.BasicConstraints(ca=False, path_length=None), True),), "is no authority"),
        ((CA, (usage(digital_signature=True), True)), "lacks keyCertSign"),
    ],
)
def test_not_everybody_is_an_authority(
    make_pair: Callable[..., Any], extensions: Any, reason: str
) -> None:
    own = leaf(issuer=("Between CA", stranger()))
    chain = {"certificates": (own, intermediate(*extensions))}
    told = refusal(signed_pair(make_pair, initiator=chain))
    assert told.notify is NotifyType.INVALID_CERTIFICATE
    assert reason in told.reason


def revocation_list(*revoked: Certificate, key: Any = None, days: int = 30) -> bytes:
    """A list of the recorded authority."""
    now = generator.NOW
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(generator.distinguished("Example CA"))
        .last_update(now - timedelta(days=60))
        .next_update(now + timedelta(days=days))
    )
    for one in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(one.parsed.serial_number)
            .revocation_date(now - timedelta(days=60))
            .build()
        )
    signed = builder.sign(key or key_of("authority"), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


@pytest.mark.covers("feature:crl", by="self")
def test_revocation(make_pair: Callable[..., Any]) -> None:
    """A list counts when its issuer signed it and it is not out of date."""
    (own,) = generator.credentials(MADE, "rsa-sig", I).certificates
    lists = [
        (revocation_list(), None),
        (revocation_list(own), "is revoked"),
        (revocation_list(key=stranger()), "wrong signature"),
        (revocation_list(days=-1), "out of date"),
        (b"\x30\x00", "revocation list"),
    ]
    for der, reason in lists:
        pair = signed_pair(make_pair, responder={"revocations": (der,)})
        if reason is None:
            pair.handshake()
            assert_stands(pair)
        else:
            assert reason in refusal(pair).reason


# -- configuration -----------------------------------------------------------------------------


def test_credentials_must_fit_the_method(make_pair: Callable[..., Any]) -> None:
    wrong = generator.credentials(MADE, "ecdsa-384", I)
    for credentials in (None, wrong):
        with pytest.raises(LocalError, match="ecdsa-256 needs credentials"):
            signed_pair(make_pair, "ecdsa-256", initiator_config={"credentials": credentials})
    with pytest.raises(LocalError, match="peer's key or a trusted authority"):
        signed_pair(make_pair, "ecdsa-256", initiator={"authorities": ()})
    with pytest.raises(LocalError, match="a clock is needed"):
        replace(wrong, clock=None)
    with pytest.raises(LocalError, match="always, requested, never"):
        replace(wrong, send="sometimes")


def test_no_private_key_in_any_repr() -> None:
    """Neither numbers nor PEM; a key that cannot be read is not quoted."""
    credentials = generator.credentials(MADE, "rsa-sig", I)
    assert "PRIVATE" not in repr(credentials)
    assert "private_key" not in repr(credentials)
    with pytest.raises(ValueError, match="not an unencrypted PEM key") as raised:
        PrivateKey.load(b"hush hush")
    assert "hush" not in str(raised.value)


# -- changed messages --------------------------------------------------------------------------


def changed_copies(data: bytes) -> Iterable[bytes]:
    """Truncations with a length field that fits, and octets with one bit flipped: a sample."""
    for size in range(28, len(data), 13):
        yield data[:24] + size.to_bytes(4) + data[28:size]
    for index in (i for i in range(0, len(data), 5) if i not in {44, 52, 54, 55}):
        yield data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


def request_changed(before: bytes, after: bytes) -> bool:
    """Whether two datagrams in the clear differ within their CERTREQ alone."""
    messages = [parse_message(parse_header(data), data)[0] for data in (before, after)]
    kept = [
        [one for one in message.payloads if not isinstance(one, CertificateRequest)]
        for message in messages
    ]
    return kept[0] == kept[1]


@pytest.mark.parametrize(
    ("exchange", "target"), [("main", 5), ("main", 6), ("aggressive", 2), ("aggressive", 3)]
)
def test_changed_proofs_never_raise_nor_establish(
    make_pair: Callable[..., Any], exchange: str, target: int
) -> None:
    """The messages with CERT and SIG; only a CERTREQ in the clear can change unnoticed."""
    pair = signed_pair(make_pair, "ecdsa-256", exchange)
    pair.handshake()
    for copy in changed_copies(pair.sent[target - 1]):
        other = signed_pair(make_pair, "ecdsa-256", exchange)
        other.handshake(lambda number, data, copy=copy: [copy] if number == target else [data])
        mine, yours = other.of_initiator(ChildInstalled), other.of_responder(ChildInstalled)
        if mine and yours:
            assert exchange == "aggressive"
            assert mine[0].encryption_key_in == yours[0].encryption_key_out
            assert len(copy) == len(pair.sent[target - 1])
            assert request_changed(pair.sent[target - 1], copy)
