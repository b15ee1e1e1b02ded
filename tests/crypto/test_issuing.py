"""What the lab's authority issues is judged as a peer would judge it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv6Address

import pytest

from conformance.crypto.asymmetric import PrivateKey
from conformance.crypto.certificates import Certificate, CertificateError, verify_chain
from conformance.crypto.issuing import KEYS, PASSWORD, Authority, Credentials

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PAST = (timedelta(days=-2), timedelta(days=-1))


@cache
def root() -> Authority:
    return Authority(Authority.create(NOW), NOW)


@cache
def below() -> Authority:
    return root().intermediate()


def judge(issued: Credentials, *lists: bytes) -> None:
    """As whoever trusts the root alone and was sent the chain."""
    leaf, trusted = Certificate.parse(issued.certificate), Certificate.parse(issued.authority)
    others = [Certificate.parse(one) for one in issued.chain]
    verify_chain(leaf, others, (trusted,), lists, NOW.timestamp())


@pytest.mark.parametrize("method", KEYS)
def test_every_method_has_its_key_and_usage(method: str) -> None:
    issued = root().issue("10.0.0.1", method, names=("host.example.net", "me@example.net"))
    judge(issued)
    certificate = Certificate.parse(issued.certificate)
    assert PrivateKey.load(issued.private_key).public.der == certificate.public_key.der
    wanted = [("ip", bytes([10, 0, 0, 1])), ("dns", b"host.example.net")]
    assert certificate.alternative_names == (*wanted, ("email", b"me@example.net"))
    checks = [certificate.check_usage, certificate.check_encipherment]
    fits, other = checks if KEYS[method].usage == "digital_signature" else reversed(checks)
    fits()
    with pytest.raises(CertificateError, match="key usage"):
        other()


def test_an_address_of_ipv6() -> None:
    """It is the certificate's; in its name a colon would part a token from a nickname (NSS)."""
    issued = root().issue("fd77::10:1", "rsa-sig")
    judge(issued)
    (found,) = Certificate.parse(issued.certificate).alternative_names
    assert found == ("ip", IPv6Address("fd77::10:1").packed)
    assert ":" not in issued.name


def test_an_intermediate_authority() -> None:
    """Its certificates lead to the root over it, and to nothing without it."""
    issued = below().issue("10.0.0.1", "ecdsa-256")
    assert issued.chain == (below().certificate,)
    assert issued.authority == root().certificate
    judge(issued)
    with pytest.raises(CertificateError, match="issuer of"):
        judge(Credentials(issued.name, issued.certificate, issued.authority, b"", b""))


def test_an_intermediate_authority_vouches_for_no_other() -> None:
    with pytest.raises(CertificateError, match="allows 0 authorities below it"):
        judge(below().intermediate().issue("10.0.0.1", "ecdsa-256"))


def test_a_revoked_certificate() -> None:
    issued, other = (root().issue("10.0.0.1", "ecdsa-256") for _ in range(2))
    judge(issued, root().crl())
    revocations = root().crl((issued.certificate,))
    judge(other, revocations)
    with pytest.raises(CertificateError, match="is revoked"):
        judge(issued, revocations)
    with pytest.raises(CertificateError, match="out of date"):
        judge(other, root().crl(validity=PAST))


def test_a_revoked_intermediate_authority() -> None:
    with pytest.raises(CertificateError, match="is revoked"):
        judge(below().issue("10.0.0.1", "ecdsa-256"), root().crl((below().certificate,)))


def test_an_expired_certificate() -> None:
    with pytest.raises(CertificateError, match="has expired"):
        judge(root().issue("10.0.0.1", "ecdsa-256", validity=PAST))


def test_what_is_no_authority() -> None:
    with pytest.raises(ValueError, match="holds no authority"):
        Authority(root().issue("10.0.0.1", "ecdsa-256").bundle, NOW)


def test_no_secret_in_any_repr() -> None:
    text = repr(root().issue("10.0.0.1", "ecdsa-256"))
    assert "PRIVATE" not in text
    assert PASSWORD + "'" not in text
