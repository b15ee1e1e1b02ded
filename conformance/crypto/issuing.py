"""A certificate authority for one lab, and what it issues (RFC 5280, RFC 4945).

Keys come from the library's own generator: nothing here can or need be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    PrivateKey = rsa.RSAPrivateKey | dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey
    PublicKey = rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey

VALIDITY = timedelta(days=2)
"""On both sides of now, so that clocks which differ do no harm."""
_AROUND_NOW = (-VALIDITY, VALIDITY)
_BELOW_A_NEW_ONE = 1
"""How many authorities may stand below one that create() made."""


class KeyRow(NamedTuple):
    """The key that an authentication method needs."""

    generate: Callable[[], PrivateKey]
    usage: str
    """The bit of the certificate's key usage."""


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _dss() -> dsa.DSAPrivateKey:
    """The DSS of 1998, with a q of 160 bits for SHA-1."""
    return dsa.generate_private_key(1024)  # noqa: S505


# fmt: off
KEYS = {
    "rsa-sig":   KeyRow(_rsa, "digital_signature"),
    "dss-sig":   KeyRow(_dss, "digital_signature"),
    "ecdsa-256": KeyRow(lambda: ec.generate_private_key(ec.SECP256R1()), "digital_signature"),
    "ecdsa-384": KeyRow(lambda: ec.generate_private_key(ec.SECP384R1()), "digital_signature"),
    "ecdsa-521": KeyRow(lambda: ec.generate_private_key(ec.SECP521R1()), "digital_signature"),
    "rsa-enc":   KeyRow(_rsa, "key_encipherment"),
    "rsa-rev":   KeyRow(_rsa, "key_encipherment"),
}
"""Authentication method -> a fresh key of the kind it signs with or is encrypted to."""
# fmt: on


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate, its key and the authority it leads to."""

    name: str
    """Unlike every other's; daemons keep the pair under it."""
    certificate: bytes
    """X.509, DER."""
    authority: bytes
    """The certificate of the authority to be trusted, X.509, DER."""
    private_key: bytes = field(repr=False)
    """PKCS#8, PEM, not encrypted."""
    bundle: bytes = field(repr=False)
    """All of them as PKCS#12 under the password ``PASSWORD``."""
    chain: tuple[bytes, ...] = ()
    """Authorities between the certificate and the trusted one, issuer first, X.509, DER."""


PASSWORD = "lab"  # noqa: S105 - protects nothing: the keys live as long as a lab
"""The password of every bundle; NSS imports none without one."""


class Authority:
    """Issues certificates for addresses, further authorities and lists of what it revoked."""

    def __init__(self, bundle: bytes, now: datetime) -> None:
        """From what ``create`` gave; ``now`` is the middle of every validity."""
        key, certificate, above = pkcs12.load_key_and_certificates(bundle, PASSWORD.encode())
        if not isinstance(key, rsa.RSAPrivateKey) or certificate is None:
            raise ValueError("the bundle holds no authority")
        self._key, self._certificate, self._now = key, certificate, now
        self._above = tuple(above)

    @staticmethod
    def create(now: datetime, validity: tuple[timedelta, timedelta] = _AROUND_NOW) -> bytes:
        """A fresh authority, key and certificate, as PKCS#12 under ``PASSWORD``."""
        key = _rsa()
        name = _authority_name("CA")
        builder = _builder(name, name, (key.public_key(), key.public_key()), now, validity)
        certificate = _as_authority(builder, _BELOW_A_NEW_ONE).sign(key, hashes.SHA256())
        return _bundle(b"CA", key, certificate, ())

    @property
    def certificate(self) -> bytes:
        """Its own certificate, X.509, DER."""
        return _der(self._certificate)

    def intermediate(self) -> Authority:
        """A fresh authority that this one vouches for, and that vouches for none itself."""
        key, issuers_key = _rsa(), self._key.public_key()
        keys = (key.public_key(), issuers_key)
        name, issuer = _authority_name("intermediate CA"), self._certificate.subject
        builder = _builder(name, issuer, keys, self._now, _AROUND_NOW)
        certificate = _as_authority(builder, 0).sign(self._key, hashes.SHA256())
        above = (self._certificate, *self._above)
        return Authority(_bundle(b"intermediate CA", key, certificate, above), self._now)

    def crl(
        self,
        revoked: Iterable[bytes] = (),
        validity: tuple[timedelta, timedelta] = _AROUND_NOW,
    ) -> bytes:
        """A revocation list in DER that names certificates (DER), good between two times from now.

        A list that ends before now is out of date. Its number grows with the time that it begins.
        """
        begin = self._now + validity[0]
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(begin)
            .next_update(self._now + validity[1])
            .add_extension(x509.CRLNumber(int(begin.timestamp())), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(
                x509.load_der_x509_certificate(one).serial_number
            )
            builder = builder.add_revoked_certificate(
                entry.revocation_date(self._now + validity[0]).build()
            )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def issue(
        self,
        address: str,
        method: str,
        *,
        names: Iterable[str] = (),
        validity: tuple[timedelta, timedelta] = _AROUND_NOW,
    ) -> Credentials:
        """A certificate whose subjectAltName is the address (RFC 4945 3.1.1); KeyError for psk.

        Further names are FQDNs or, with an "@", user FQDNs. The validity counts from now: one that
        ends before it gives an expired certificate.
        """
        row = KEYS[method]
        key, issuers_key = row.generate(), self._key.public_key()
        # In a nickname NSS takes a colon for the end of a token's name.
        place = address.replace(":", ".")
        name = f"{method}-{place}-{x509.random_serial_number() % 2**32:08x}"
        keys, issuer = (key.public_key(), issuers_key), self._certificate.subject
        alternative = [x509.IPAddress(ip_address(address)), *map(_alternative, names)]
        certificate = (
            _builder(_name(name), issuer, keys, self._now, validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
            .add_extension(_usage(**{row.usage: True}), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.IPSEC_IKE]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        *chain, trusted = (self._certificate, *self._above)
        return Credentials(
            name=name,
            certificate=_der(certificate),
            authority=_der(trusted),
            private_key=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            bundle=_bundle(name.encode(), key, certificate, (*chain, trusted)),
            chain=tuple(_der(one) for one in chain),
        )


def _bundle(
    name: bytes, key: PrivateKey, certificate: x509.Certificate, above: Iterable[x509.Certificate]
) -> bytes:
    encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
    others = tuple(above) or None
    return pkcs12.serialize_key_and_certificates(name, key, certificate, others, encryption)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _alternative(name: str) -> x509.GeneralName:
    return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


def _as_authority(builder: x509.CertificateBuilder, below: int) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=below)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    keys: tuple[PublicKey, rsa.RSAPublicKey],
    now: datetime,
    validity: tuple[timedelta, timedelta],
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
        .not_valid_before(now + validity[0])
        .not_valid_after(now + validity[1])
        .add_extension(authority, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority_name(kind: str) -> x509.Name:
    return _name(f"ipsec-conformance {kind} {x509.random_serial_number() % 2**32:08x}")


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
