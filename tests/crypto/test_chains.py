"""Chains, revocation lists and name constraints: every way in which a certificate is not good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_network
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from conformance.crypto.certificates import Certificate, CertificateError, verify_chain

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
Extension = tuple[x509.ExtensionType, bool]
CA: Extension = (x509.BasicConstraints(ca=True, path_length=None), True)


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """One key for each name."""
    del name
    return ec.generate_private_key(ec.SECP256R1())


def distinguished(name: str, *more: x509.NameAttribute[str]) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")
    return x509.Name([organization, *more, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def issue(
    issuer: str, name: str, *extensions: Extension, subject: x509.Name | None = None
) -> Certificate:
    builder = (
        x509.CertificateBuilder()
        .issuer_name(distinguished(issuer))
        .subject_name(distinguished(name) if subject is None else subject)
        .public_key(key(name).public_key())
        .serial_number(int.from_bytes(name.encode()))
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Certificate.parse(builder.sign(key(issuer), hashes.SHA256()).public_bytes(Encoding.DER))


def crl(
    issuer: str,
    *revoked: Certificate,
    begin: timedelta = -DAY,
    end: timedelta = DAY,
    signer: str = "",
    extensions: tuple[Extension, ...] = (),
) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(distinguished(issuer))
        .last_update(NOW + begin)
        .next_update(NOW + end)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.parsed.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(NOW - DAY).build())
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key(signer or issuer), hashes.SHA256()).public_bytes(Encoding.DER)


ROOT = issue("root", "root", CA)
BETWEEN = issue("root", "between", CA)
LEAF = issue("root", "leaf")
LOW = issue("between", "low")


def verify(leaf: Certificate, *lists: bytes, root: Certificate = ROOT, **more: Any) -> None:
    others = more.pop("others", [BETWEEN])
    verify_chain(leaf, others, [root], lists, NOW.timestamp(), **more)


def test_authorities_in_a_circle() -> None:
    """Two that vouch for each other lead nowhere, and the walk ends."""
    circle = [issue("left", "right", CA), issue("right", "left", CA)]
    with pytest.raises(CertificateError, match="no authority within 8 certificates"):
        verify(issue("left", "low"), others=circle)


# -- revocation --------------------------------------------------------------------------------


def scope(**true: Any) -> Extension:
    """An issuingDistributionPoint."""
    fields: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**fields, **true}), True


KEY_COMPROMISE = frozenset([x509.ReasonFlags.key_compromise])
DELTA: Extension = (x509.DeltaCRLIndicator(1), True)
NUMBER: Extension = (x509.CRLNumber(1), False)
OTHER = issue("root", "other")

# (what, lists, is a list required, what is wrong)
LISTS: list[tuple[str, list[bytes], bool, str]] = [
    ("none wanted", [], False, ""),
    ("none there", [], True, "no revocation list of"),
    ("of another issuer", [crl("between")], True, "no revocation list of"),
    ("in order", [crl("root", extensions=(NUMBER,))], True, ""),
    ("names another", [crl("root", OTHER)], True, ""),
    ("names it", [crl("root", LEAF)], False, "is revoked"),
    ("one of two names it", [crl("root"), crl("root", LEAF)], False, "is revoked"),
    ("an old one names it", [crl("root"), crl("root", LEAF, end=-DAY / 2)], False, "is revoked"),
    ("out of date", [crl("root", end=-DAY / 2)], False, "is out of date"),
    ("not yet", [crl("root", begin=DAY / 2)], False, "is not valid yet"),
    ("an old one beside a good one", [crl("root", end=-DAY / 2), crl("root")], True, ""),
    ("forged", [crl("root", signer="leaf")], False, "wrong signature"),
    ("a forged one names it", [crl("root", LEAF, signer="leaf"), crl("root")], True, ""),
    ("delta", [crl("root", extensions=(DELTA,))], True, "does not cover"),
    ("authorities only", [crl("root", extensions=(scope(only_contains_ca_certs=True),))], True,
     "does not cover"),
    ("hosts only", [crl("root", extensions=(scope(only_contains_user_certs=True),))], True, ""),
    ("indirect", [crl("root", extensions=(scope(indirect_crl=True),))], True, "does not cover"),
    ("some reasons", [crl("root", extensions=(scope(only_some_reasons=KEY_COMPROMISE),))], True,
     "does not cover"),
    ("junk", [b"\x30\x00"], False, "not an X.509 revocation list"),
]  # fmt: skip


@pytest.mark.covers("cert:7", "feature:crl", by="self")
@pytest.mark.parametrize(
    ("lists", "required", "reason"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS]
)
def test_lists(lists: list[bytes], reason: str, *, required: bool) -> None:
    if not reason:
        verify(LEAF, *lists, require_crl=required)
        return
    with pytest.raises(CertificateError, match=reason):
        verify(LEAF, *lists, require_crl=required)


def test_every_issuer_of_a_chain_needs_its_list() -> None:
    both = [crl("root"), crl("between")]
    verify(LOW, *both, require_crl=True)
    for one in both:
        with pytest.raises(CertificateError, match="no revocation list of"):
            verify(LOW, one, require_crl=True)
    with pytest.raises(CertificateError, match="CN=between,O=Example is revoked"):
        verify(LOW, crl("root", BETWEEN), crl("between"), require_crl=True)


def test_a_list_for_hosts_says_nothing_of_authorities() -> None:
    hosts = crl("root", extensions=(scope(only_contains_user_certs=True),))
    with pytest.raises(CertificateError, match="does not cover"):
        verify(LOW, hosts, crl("between"), require_crl=True)


def test_an_authority_that_may_sign_no_lists() -> None:
    bits = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    root = issue("root", "root", CA, (x509.KeyUsage(key_cert_sign=True, **bits), True))
    with pytest.raises(CertificateError, match="without cRLSign"):
        verify(LEAF, crl("root"), root=root)


# -- name constraints --------------------------------------------------------------------------


def constrained(
    *permitted: x509.GeneralName, excluded: tuple[x509.GeneralName, ...] = ()
) -> Certificate:
    constraints = x509.NameConstraints(list(permitted) or None, list(excluded) or None)
    return issue("root", "between", CA, (constraints, True))


def host(*names: x509.GeneralName, subject: x509.Name | None = None) -> Certificate:
    alternative: list[Extension] = (
        [(x509.SubjectAlternativeName(list(names)), True)] if names else []
    )
    return issue("between", "host", *alternative, subject=subject)


def net(text: str) -> x509.GeneralName:
    return x509.IPAddress(ip_network(text))


def address(text: str) -> x509.GeneralName:
    return x509.IPAddress(ip_network(text).network_address)


DNS, MAIL, URI = x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier
EXAMPLE = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "EXAMPLE")]))
ELSEWHERE = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Else")]))

# (permitted, a name, good)
PERMITTED: list[tuple[x509.GeneralName, x509.GeneralName, bool]] = [
    (DNS("example.net"), DNS("example.net"), True),
    (DNS("example.net"), DNS("a.Example.net"), True),
    (DNS("example.net"), DNS("badexample.net"), False),
    (DNS("example.net"), DNS("example.com"), False),
    (DNS("example.net"), MAIL("me@example.com"), True),
    (MAIL("example.net"), MAIL("me@example.net"), True),
    (MAIL("example.net"), MAIL("me@a.example.net"), False),
    (MAIL(".example.net"), MAIL("me@a.example.net"), True),
    (MAIL("me@example.net"), MAIL("me@example.net"), True),
    (MAIL("me@example.net"), MAIL("you@example.net"), False),
    (URI("example.net"), URI("https://example.net:1/x"), True),
    (URI("example.net"), URI("https://a.example.net/x"), False),
    (URI(".example.net"), URI("https://me@a.example.net/x"), True),
    (net("10.0.0.0/8"), address("10.1.2.3"), True),
    (net("10.0.0.0/8"), address("11.1.2.3"), False),
    (net("2001:db8::/32"), address("2001:db8::1"), True),
    (net("2001:db8::/32"), address("2001:db9::1"), False),
    (net("10.0.0.0/8"), address("2001:db8::1"), False),
    (EXAMPLE, DNS("a"), True),
    (ELSEWHERE, DNS("a"), False),
    (DNS("example.net"), x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), True),
]


@pytest.mark.parametrize(("subtree", "name", "good"), PERMITTED)
def test_name_constraints(subtree: x509.GeneralName, name: x509.GeneralName, *, good: bool) -> None:
    """RFC 5280 4.2.1.10: permitted is only what lies within, excluded whatever does."""
    names = (name,) if not isinstance(subtree, x509.DirectoryName) else ()
    cases = [(constrained(subtree), good)]
    if type(subtree) is type(name) or not names:
        cases.append((constrained(excluded=(subtree,)), not good))
    for between, fine in cases:
        if fine:
            verify(host(*names), others=[between])
            continue
        with pytest.raises(CertificateError, match="may not vouch for"):
            verify(host(*names), others=[between])


def test_a_mail_address_in_the_subject_is_constrained_too() -> None:
    mail = x509.NameAttribute(NameOID.EMAIL_ADDRESS, "me@example.com")
    subject = distinguished("host", mail)
    between = constrained(MAIL("example.net"))
    with pytest.raises(CertificateError, match=r"may not vouch for me@example\.com"):
        verify(host(subject=subject), others=[between])
    verify(host(DNS("a"), subject=subject), others=[between])


def test_constraints_of_an_unknown_kind() -> None:
    between = constrained(x509.RegisteredID(x509.ObjectIdentifier("1.2.3")))
    with pytest.raises(CertificateError, match="unknown kind"):
        verify(host(DNS("a")), others=[between])


def test_the_root_constrains_all_below() -> None:
    root = issue("root", "root", CA, (x509.NameConstraints([DNS("example.net")], None), True))
    verify(host(DNS("a.example.net")), root=root)
    with pytest.raises(CertificateError, match=r"may not vouch for a\.example\.com"):
        verify(host(DNS("a.example.com")), root=root)


def test_no_octets_of_a_list_raise_anything_else() -> None:
    """A changed list is malformed, forged or of another issuer; none hides that it was required."""
    genuine = crl("root", OTHER, extensions=(NUMBER, scope(only_contains_user_certs=True)))
    verify(LEAF, genuine, require_crl=True)
    for index in range(len(genuine)):
        changed = genuine[:index] + bytes([genuine[index] ^ 0x11]) + genuine[index + 1 :]
        for octets in (changed, genuine[:index]):
            with pytest.raises(CertificateError):
                verify(LEAF, octets, require_crl=True)
