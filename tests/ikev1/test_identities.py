"""Identities of every type: shown, expected, found in certificates, and finding the secret.

RFC 2407 4.6.2, RFC 3554 3, RFC 4945 3.1.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ikev1_authentication as generator
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from conformance.crypto.certificates import Certificate
from conformance.ikev1.buffer import Reader
from conformance.ikev1.certificates import check_name
from conformance.ikev1.config import Identification, Phase1Proposal
from conformance.ikev1.constants import IdType, NotifyType
from conformance.ikev1.errors import PeerError
from conformance.ikev1.events import ChildInstalled, ExchangeFailed, MessageRejected
from conformance.ikev1.message import write_body

if TYPE_CHECKING:
    from collections.abc import Callable

MADE = json.loads(
    (Path(__file__).parents[2] / "vectors" / "ikev1" / "authentication.json").read_text()
)["credentials"]
MANY = Identification.of_several(
    (Identification.fqdn("a.example.net"), Identification.ipv4_addr("10.0.0.1"))
)
# (identity, body, as transcripts show it)
BODIES = [
    (Identification.ipv4_addr("10.0.0.1"), "010000000a000001", "IPV4-ADDR 10.0.0.1"),
    (Identification.fqdn("a.net"), "02000000612e6e6574", "FQDN a.net"),
    (Identification.user_fqdn("me@a.net"), "030000006d6540612e6e6574", "USER-FQDN me@a.net"),
    (
        Identification.selector("2001:db8::1/128"),
        "0500000020010db8000000000000000000000001",
        "IPV6-ADDR 2001:db8::1",
    ),
    (
        Identification.dn("CN=a,O=b"),
        "090000003018310a3008060355040a0c0162310a300806035504030c0161",
        "DER-ASN1-DN CN=a,O=b",
    ),
    (
        Identification.general_name("dns", "a.net"),
        "0a0000008205612e6e6574",
        "DER-ASN1-GN dns:a.net",
    ),
    (Identification.key_id(b"\x01\xff"), "0b00000001ff", "KEY-ID 01ff"),
    (
        MANY,
        "0c0000000000001502000000612e6578616d706c652e6e65740000000c010000000a000001",
        "LIST [FQDN a.example.net, IPV4-ADDR 10.0.0.1]",
    ),
]


@pytest.mark.parametrize(("identity", "body", "text"), BODIES, ids=[row[2] for row in BODIES])
def test_bodies(identity: Identification, body: str, text: str) -> None:
    """Written as drawn, read back, and shown in words."""
    assert write_body(identity).hex() == body
    assert Identification.parse(Reader(bytes.fromhex(body))) == identity
    assert str(identity) == text


@pytest.mark.parametrize("kind", [IdType.DER_ASN1_DN, IdType.DER_ASN1_GN, IdType.LIST])
def test_octets_that_say_nothing_are_shown_as_they_are(kind: IdType) -> None:
    assert str(Identification(kind, b"\x01\x02")) == f"{kind.label} 0102"


INNER = write_body(Identification.fqdn("a"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\3",
        b"\0\0\0\xff" + INNER,
        b"\0\0\0\4",
        b"\0\0" + (4 + len(write_body(MANY))).to_bytes(2) + write_body(MANY),
    ],
)
def test_lists_that_are_none(data: bytes) -> None:
    """Empty, truncated, without an identity, or with a list within (RFC 3554 3)."""
    assert Identification(IdType.LIST, data).members is None


# -- pre-shared keys ---------------------------------------------------------------------------

PSK_IDENTITIES = [
    (Identification.ipv4_addr("10.0.0.1"), Identification.ipv4_addr("10.0.0.9")),
    (Identification.selector("2001:db8::1/128"), Identification.selector("2001:db8::2/128")),
    (Identification.fqdn("left.example.net"), Identification.fqdn("right.example.net")),
    (Identification.user_fqdn("me@example.net"), Identification.user_fqdn("you@example.net")),
    (Identification.dn("CN=left,O=Example"), Identification.dn("CN=right,O=Example")),
    (Identification.general_name("dns", "left"), Identification.general_name("dns", "right")),
    (Identification.key_id(b"group 1"), Identification.key_id(b"group 2")),
    (MANY, Identification.of_several((Identification.fqdn("b.example.net"),))),
]
BY_TYPE = [
    pytest.param(
        *pair,
        id=IdType(pair[0].type).label,
        marks=pytest.mark.covers(f"id:{int(pair[0].type)}", by="self"),
    )
    for pair in PSK_IDENTITIES
]


@pytest.mark.parametrize(("mine", "other"), BY_TYPE)
def test_aggressive_mode_finds_the_secret_by_identity(
    make_pair: Callable[..., Any], mine: Identification, other: Identification
) -> None:
    """Every type names a secret; that of another identity is not used."""
    secrets = ((other, b"of another"), (mine, b"of mine"))
    for secret, good in ((b"of mine", True), (b"of another", False)):
        pair = make_pair(
            initiator={"exchange": "aggressive", "local_id": mine, "psk": secret},
            responder={"exchange": "aggressive", "remote_id": None, "psk_by_id": secrets},
        )
        pair.handshake()
        assert bool(pair.of_responder(ChildInstalled)) is good


@pytest.mark.parametrize(("mine", "other"), BY_TYPE)
def test_main_mode_finds_the_secret_by_address(
    make_pair: Callable[..., Any], mine: Identification, other: Identification
) -> None:
    """The identity comes too late to choose by (RFC 2409 5.4), but it is still checked."""
    address = Identification.ipv4_addr("10.0.0.1")
    secrets = ((other, b"wrong"), (address, b"by address"))
    for expected in (mine, other):
        pair = make_pair(
            initiator={"local_id": mine, "psk": b"by address"},
            responder={"remote_id": expected, "psk_by_id": secrets},
        )
        pair.handshake()
        assert bool(pair.of_responder(ChildInstalled)) is (expected == mine)
        if expected == other:
            told = pair.of_responder(MessageRejected)[0]
            assert told.notify is NotifyType.INVALID_ID_INFORMATION
            assert told.divergence.got == str(mine)


EXPECTED = [
    (Identification.fqdn("Left.Example.NET"), Identification.fqdn("left.example.net"), True),
    (Identification.dn("CN=*,O=example"), Identification.dn("CN=left,O=Example"), True),
    (Identification.dn("CN=*,O=Other"), Identification.dn("CN=left,O=Example"), False),
    (Identification.key_id(b"A"), Identification.key_id(b"a"), False),
    (Identification.fqdn("a"), Identification.user_fqdn("a"), False),
]


@pytest.mark.parametrize(("expected", "sent", "good"), EXPECTED)
def test_what_is_expected(
    make_pair: Callable[..., Any], expected: Identification, sent: Identification, *, good: bool
) -> None:
    """Names in any case, a DN by some of its attributes (RFC 4945 3.1.2, 3.1.5)."""
    pair = make_pair(initiator={"local_id": sent}, responder={"remote_id": expected})
    pair.handshake()
    assert bool(pair.of_responder(ChildInstalled)) is good


def test_a_malformed_list_is_refused(make_pair: Callable[..., Any]) -> None:
    """Also where any identity would do."""
    broken = Identification(IdType.LIST, b"\0\0\0\xff")
    pair = make_pair(initiator={"local_id": broken}, responder={"remote_id": None})
    pair.handshake()
    told = pair.of_responder(MessageRejected)[0]
    assert told.notify is NotifyType.INVALID_ID_INFORMATION
    assert "malformed" in told.divergence.explanation
    assert not pair.of_responder(ChildInstalled)


# -- certificates ------------------------------------------------------------------------------


def certificate() -> Certificate:
    """One with a name of every kind; its subject is CN=x, O=Example."""
    alternative = x509.SubjectAlternativeName(
        [
            x509.DNSName("Host.example.net"),
            x509.RFC822Name("me@example.net"),
            x509.UniformResourceIdentifier("https://example.net/"),
            x509.IPAddress(ip_address("10.0.0.1")),
            x509.IPAddress(ip_address("2001:db8::1")),
        ]
    )
    keys = [
        serialization.load_pem_private_key(one["key"].encode(), None)
        for one in (MADE["authority"], MADE["rsa-sig"]["initiator"])
    ]
    return Certificate.parse(
        generator.issue("Example CA", keys[0], "x", keys[1], ((alternative, False),))
    )


HELD = [
    (Identification.ipv4_addr("10.0.0.1"), True),
    (Identification.ipv4_addr("10.0.0.2"), False),
    (Identification.selector("2001:db8::1/128"), True),
    (Identification.selector("2001:db8::2/128"), False),
    (Identification.selector("10.0.0.0/24"), False),
    (Identification.fqdn("host.EXAMPLE.net"), True),
    (Identification.fqdn("example.net"), False),
    (Identification.user_fqdn("Me@example.net"), True),
    (Identification.user_fqdn("you@example.net"), False),
    (Identification.dn("CN=x,O=Example"), True),
    (Identification.dn("CN=X,O=Example"), False),
    (Identification(IdType.DER_ASN1_DN, b""), False),
    (Identification.general_name("dns", "host.example.net"), True),
    (Identification.general_name("dns", "other.example.net"), False),
    (Identification.general_name("email", "me@example.net"), True),
    (Identification.general_name("uri", "https://example.net/"), True),
    (Identification.general_name("ip", "10.0.0.1"), True),
    (Identification.general_name("ip", "10.0.0.2"), False),
    (Identification.general_name("dn", "CN=x,O=Example"), True),
    (Identification(IdType.DER_ASN1_GN, b"junk"), False),
    (Identification.key_id(b"x"), False),
    (Identification(200, b"x"), False),
    (
        Identification.of_several(
            (Identification.fqdn("host.example.net"), Identification.ipv4_addr("10.0.0.1"))
        ),
        True,
    ),
    (MANY, False),
    (Identification(IdType.LIST, b""), False),
]


@pytest.mark.parametrize(("identity", "held"), HELD, ids=[str(one) for one, _ in HELD])
def test_what_a_certificate_says(identity: Identification, *, held: bool) -> None:
    """Binary comparison of subject and address, names in any case, every member of a list."""
    if held:
        check_name(certificate(), identity, "IDii")
        return
    with pytest.raises(PeerError) as raised:
        check_name(certificate(), identity, "IDii")
    assert raised.value.notify is NotifyType.INVALID_ID_INFORMATION
    assert raised.value.divergence is not None
    assert "ip 2001:db8::1" in raised.value.divergence.expected


@pytest.mark.parametrize("exchange", ["main", "aggressive"])
@pytest.mark.parametrize("subject", ["certificate", "text"])
def test_a_handshake_by_distinguished_names(
    make_pair: Callable[..., Any], exchange: str, subject: str
) -> None:
    """From the certificate's subject, or from text that encodes to the same."""
    overrides = {}
    for role in ("initiator", "responder"):
        credentials = generator.credentials(MADE, "rsa-sig", role)
        (own,) = credentials.certificates
        local = Identification.dn(own.subject if subject == "certificate" else own.name)
        overrides[role] = {
            "exchange": exchange,
            "phase1": (Phase1Proposal("aes128", "sha256", "ecp256", "rsa-sig"),),
            "local_id": local,
            "remote_id": Identification.dn("CN=*,O=Example"),
            "credentials": credentials,
        }
    pair = make_pair(**overrides)
    pair.handshake()
    for cls in (MessageRejected, ExchangeFailed):
        assert not pair.of_initiator(cls) + pair.of_responder(cls)
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1
