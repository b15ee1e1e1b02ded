"""A certificate authority for one lab, and what it issues (RFC 5280, RFC 4945).

Keys come from the library's own generator: nothing here can or need be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

VALIDITY = timedelta(days=2)
"""On both sides of now, so that clocks which differ do no harm."""

KEYS: dict[str, Callable[[], PrivateKey]] = {
    "rsa-sig": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ecdsa-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-521": lambda: ec.generate_private_key(ec.SECP521R1()),
}
"""Authentication method -> a fresh key of the kind it signs with."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate, its key and the authority it leads to."""

    name: str
    """Unlike every other's; daemons keep the pair under it."""
    certificate: bytes
    """X.509, DER."""
    authority: bytes
    """The issuer's certificate, X.509, DER."""
    private_key: bytes = field(repr=False)
    """PKCS#8, PEM, not encrypted."""
    bundle: bytes = field(repr=False)
    """All three as PKCS#12 under the password ``PASSWORD``."""


PASSWORD = "lab"  # noqa: S105 - protects nothing: the keys live as long as a lab
"""The password of every bundle; NSS imports none without one."""


class Authority:
    """Issues certificates for addresses, with digitalSignature and an IKE-friendly profile."""

    def __init__(self, bundle: bytes, now: datetime) -> None:
        """From what ``create`` gave; ``now`` is the middle of every validity."""
        key, certificate, _ = pkcs12.load_key_and_certificates(bundle, PASSWORD.encode())
        if not isinstance(key, rsa.RSAPrivateKey) or certificate is None:
            raise ValueError("the bundle holds no authority")
        self._key, self._certificate, self._now = key, certificate, now

    @staticmethod
    def create(now: datetime) -> bytes:
        """A fresh authority, key and certificate, as PKCS#12 under ``PASSWORD``."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = _name(f"ipsec-conformance CA {x509.random_serial_number() % 2**32:08x}")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        certificate = (
            _builder(name, name, (key.public_key(), key.public_key()), now)
            .add_extension(constraints, critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
        return pkcs12.serialize_key_and_certificates(b"CA", key, certificate, None, encryption)

    def issue(self, address: str, method: str) -> Credentials:
        """A certificate whose subjectAltName is the address (RFC 4945 3.1.1); KeyError for psk."""
        key, issuers_key = KEYS[method](), self._key.public_key()
        name = f"{method}-{address}-{x509.random_serial_number() % 2**32:08x}"
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.IPSEC_IKE])
        certificate = (
            _builder(
                _name(name), self._certificate.subject, (key.public_key(), issuers_key), self._now
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(alternative, critical=False)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(uses, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Credentials(
            name=name,
            certificate=certificate.public_bytes(serialization.Encoding.DER),
            authority=self._certificate.public_bytes(serialization.Encoding.DER),
            private_key=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            bundle=pkcs12.serialize_key_and_certificates(
                name.encode(),
                key,
                certificate,
                [self._certificate],
                serialization.BestAvailableEncryption(PASSWORD.encode()),
            ),
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, keys: tuple[PublicKey, rsa.RSAPublicKey], now: datetime
) -> x509.CertificateBuilder:
    """What all certificates have; ``keys`` are the subject's and the issuer's."""
    key, issuers_key = keys
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers_key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALIDITY)
        .not_valid_after(now + VALIDITY)
        .add_extension(authority, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(**set_bits: bool) -> x509.KeyUsage:
    bits = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment"),
            *("data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"),
            *("encipher_only", "decipher_only"),
        ),
        False,
    )
    return x509.KeyUsage(**(bits | set_bits))
