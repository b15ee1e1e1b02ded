"""ECDSA signatures against the vectors of RFC 4754, and the payloads that carry signatures."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from conformance.crypto.asymmetric import PrivateKey, PublicKey
from conformance.crypto.random import seeded_random
from conformance.crypto.signatures import SIGNATURES
from conformance.ikev1.buffer import Reader
from conformance.ikev1.constants import CertificateEncoding, PayloadType
from conformance.ikev1.describe import describe_payload
from conformance.ikev1.errors import DecodeError
from conformance.ikev1.message import write_body
from conformance.ikev1.payloads import (
    CertificatePayload,
    CertificateRequest,
    Payload,
    Signature,
    parse_payload,
)

RFC4754 = json.loads(
    (Path(__file__).parents[2] / "vectors" / "crypto" / "rfc4754.json").read_text()
)
CURVES = {
    "ecdsa-256": ec.SECP256R1(),
    "ecdsa-384": ec.SECP384R1(),
    "ecdsa-521": ec.SECP521R1(),
}


@pytest.mark.covers("auth:{case[method]}", by="vector")
@pytest.mark.parametrize("case", RFC4754["cases"], ids=lambda case: case["method"])
def test_rfc4754(case: dict[str, Any]) -> None:
    """The method's own hash; r followed by s verifies, and what we sign has that form too."""
    row, curve = SIGNATURES[case["method"]], CURVES[case["method"]]
    x, y = int(case["public_x"], 16), int(case["public_y"], 16)
    public = PublicKey(ec.EllipticCurvePublicNumbers(x, y, curve).public_key())
    assert row.hash_name
    digest = hashlib.new(row.hash_name, bytes.fromhex(RFC4754["message"])).digest()
    assert int.from_bytes(digest) == int(case["hash"], 16)
    signature = bytes.fromhex(case["r"] + case["s"])
    assert row.verify(public, digest, signature)
    assert not row.verify(public, digest, bytes.fromhex(case["s"] + case["r"]))
    private = PrivateKey(ec.derive_private_key(int(case["private"], 16), curve))
    assert private.public.der == public.der
    own = row.sign(private, digest, seeded_random(1))
    assert len(own) == len(signature)
    assert row.verify(public, digest, own)


# payload, its body in hex, its line in a transcript
PAYLOADS: list[tuple[Payload, str, str]] = [
    (
        CertificatePayload(CertificateEncoding.X509_SIGNATURE, b"\x30\x00"),
        "043000",
        "CERT X509-SIGNATURE (2 octets)",
    ),
    (
        CertificatePayload(CertificateEncoding.PKCS7_X509, b"\x30"),
        "0130",
        "CERT PKCS7-X509 (1 octets)",
    ),
    (
        CertificateRequest(CertificateEncoding.X509_SIGNATURE, b""),
        "04",
        "CR X509-SIGNATURE (0 octets)",
    ),
    (CertificateRequest(CertificateEncoding(99), b"\1"), "6301", "CR 99 (1 octets)"),
    (Signature(b"\1\2"), "0102", "SIG (2 octets)"),
]


@pytest.mark.covers("payload:CERT", "payload:CR", "payload:SIG", by="self")
@pytest.mark.parametrize(("payload", "body", "line"), PAYLOADS)
def test_payloads(payload: Payload, body: str, line: str) -> None:
    """RFC 2408 3.9, 3.10, 3.12: what is written is what is read."""
    assert write_body(payload).hex() == body
    assert parse_payload(payload.payload_type, Reader(bytes.fromhex(body))) == payload
    assert describe_payload(payload) == line


@pytest.mark.parametrize("payload_type", [PayloadType.CERT, PayloadType.CR])
def test_a_missing_encoding_is_a_decode_error(payload_type: PayloadType) -> None:
    with pytest.raises(DecodeError):
        parse_payload(payload_type, Reader(b""))
