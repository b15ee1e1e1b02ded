"""Certificates as octets from a stranger: whatever is wrong with them is a CertificateError."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from conformance.crypto.certificates import (
    Certificate,
    CertificateError,
    MalformedCertificateError,
    parse_pkcs7,
    verify_chain,
    wrap_pkcs7,
)

MADE = json.loads(
    (Path(__file__).parents[2] / "vectors" / "ikev1" / "authentication.json").read_text()
)["credentials"]
AUTHORITY = Certificate.parse(bytes.fromhex(MADE["authority"]["certificate"]))
JUNE_2026 = 1780272000.0


def use(certificate: Certificate) -> None:
    """Everything that the protocol asks of a certificate."""
    certificate.check_usage()
    certificate.check_encipherment()
    _ = certificate.public_key, certificate.subject, certificate.alternative_names
    verify_chain(certificate, [certificate], [AUTHORITY], (), JUNE_2026)


@pytest.mark.parametrize("kind", ["rsa-sig", "dss-sig", "ecdsa-521"])
def test_every_flipped_bit_is_refused(kind: str) -> None:
    """No copy of a certificate is accepted, and none raises anything else.

    But for the count of unused bits before the signature: nothing covers it, and the library
    takes any for which those bits are zero.
    """
    der = bytes.fromhex(MADE[kind]["initiator"]["certificate"])
    genuine = Certificate.parse(der)
    use(genuine)
    unused_bits = len(der) - len(genuine.parsed.signature) - 1
    for bit in (bit for bit in range(8 * len(der)) if bit // 8 != unused_bits):
        changed = bytearray(der)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CertificateError):
            use(Certificate.parse(bytes(changed)))


def test_every_truncation_is_malformed() -> None:
    der = bytes.fromhex(MADE["rsa-sig"]["initiator"]["certificate"])
    for size in range(len(der)):
        with pytest.raises(MalformedCertificateError):
            Certificate.parse(der[:size])


def test_pkcs7_round_trip_and_changes() -> None:
    """What is wrapped comes back; changed octets raise nothing but CertificateError."""
    wrapped = wrap_pkcs7([AUTHORITY])
    assert [one.der for one in parse_pkcs7(wrapped)] == [AUTHORITY.der]
    for index in range(len(wrapped)):
        changed = wrapped[:index] + bytes([wrapped[index] ^ 0x11]) + wrapped[index + 1 :]
        with suppress(CertificateError):
            parse_pkcs7(changed)
        with suppress(CertificateError):
            parse_pkcs7(wrapped[:index])


def test_octets_that_are_no_certificate_are_described_without_them() -> None:
    with pytest.raises(MalformedCertificateError, match=r"not an X\.509 certificate"):
        Certificate.parse(b"hush")
