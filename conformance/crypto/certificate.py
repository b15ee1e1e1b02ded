"""One X.509 certificate for IKE: names, usage, validity (RFC 4945 5, RFC 5280 4)."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from conformance.crypto.asymmetric import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_IKE_PURPOSES = {
    ObjectIdentifier("1.3.6.1.5.5.7.3.17"),
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
"""id-kp-ipsecIKE or any: one of them, where an extended key usage stands (RFC 4945 5.1.3.12)."""
_UNDERSTOOD = {
    x509.BasicConstraints.oid,
    x509.KeyUsage.oid,
    x509.ExtendedKeyUsage.oid,
    x509.SubjectAlternativeName.oid,
    x509.NameConstraints.oid,
}
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for octets that are no certificate."""


class CertificateError(ValueError):
    """A certificate that is not acceptable, and why."""


class MalformedCertificateError(CertificateError):
    """Octets that are no certificate or revocation list."""


class UnknownAuthorityError(CertificateError):
    """No chain leads to a trusted authority."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A parsed certificate."""

    der: bytes = field(repr=False)
    parsed: x509.Certificate

    @classmethod
    def parse(cls, der: bytes) -> Certificate:
        """From DER; raises MalformedCertificateError."""
        try:
            parsed = _loaded(der)
            _ = parsed.extensions, parsed.subject, parsed.issuer  # parsed lazily by the library
        except UNREADABLE as error:
            raise MalformedCertificateError(f"not an X.509 certificate: {error}") from error
        return cls(der, parsed)

    @property
    def public_key(self) -> PublicKey:
        """The subject's key; raises MalformedCertificateError."""
        try:
            return PublicKey(self.parsed.public_key())
        except UNREADABLE as error:
            raise MalformedCertificateError("public key of an unknown algorithm") from error

    @property
    def subject(self) -> bytes:
        """The subject's distinguished name in DER, as ID_DER_ASN1_DN and CERTREQ carry it."""
        return self.parsed.subject.public_bytes()

    @property
    def has_subject(self) -> bool:
        """Whether the subject is more than an empty name."""
        return bool(self.parsed.subject.rdns)

    @property
    def alternative_names(self) -> tuple[tuple[str, bytes], ...]:
        """(kind, value) of the subjectAltName: "dns", "email", "uri" or "ip"."""
        names: list[tuple[str, bytes]] = []
        for one in self.general_names:
            if isinstance(one, x509.DNSName):
                names.append(("dns", one.value.encode()))
            elif isinstance(one, x509.RFC822Name):
                names.append(("email", one.value.encode()))
            elif isinstance(one, x509.UniformResourceIdentifier):
                names.append(("uri", one.value.encode()))
            elif isinstance(one, x509.IPAddress) and hasattr(one.value, "packed"):
                names.append(("ip", one.value.packed))
        return tuple(names)

    @property
    def general_names(self) -> Iterable[x509.GeneralName]:
        """The subjectAltName."""
        try:
            return self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return ()

    def check_usage(self) -> None:
        """Raise CertificateError unless it may sign in IKE (RFC 4945 5.1.3.2 and 5.1.3.12)."""
        with suppress(x509.ExtensionNotFound):
            usage = self.parsed.extensions.get_extension_for_class(x509.KeyUsage).value
            if not (usage.digital_signature or usage.content_commitment):
                raise CertificateError("key usage has neither digitalSignature nor nonRepudiation")
        self.check_purpose()

    def check_encipherment(self) -> None:
        """Raise CertificateError unless data may be encrypted to it (RFC 5280 4.2.1.3)."""
        with suppress(x509.ExtensionNotFound):
            usage = self.parsed.extensions.get_extension_for_class(x509.KeyUsage).value
            if not (usage.key_encipherment or usage.data_encipherment):
                raise CertificateError("key usage has neither keyEncipherment nor dataEncipherment")
        self.check_purpose()

    def check_purpose(self) -> None:
        """Raise CertificateError where the extended key usage excludes IKE."""
        with suppress(x509.ExtensionNotFound):
            purposes = self.parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            if not _IKE_PURPOSES & set(purposes):
                raise CertificateError("extended key usage names neither ipsecIKE nor any")

    def issued(self, other: Certificate) -> bool:
        """Whether this one's key signed the other, whose issuer it is by name."""
        try:
            other.parsed.verify_directly_issued_by(self.parsed)
        except (*UNREADABLE, InvalidSignature):
            return False
        return True

    def check_authority(self, below: int) -> None:
        """Raise CertificateError unless it may issue, with so many authorities below it."""
        if not self.is_authority:
            raise CertificateError(f"{self.name} is no authority (basicConstraints)")
        basic = self.parsed.extensions.get_extension_for_class(x509.BasicConstraints).value
        if basic.path_length is not None and below > basic.path_length:
            raise CertificateError(f"{self.name} allows {basic.path_length} authorities below it")
        with suppress(x509.ExtensionNotFound):
            usage = self.parsed.extensions.get_extension_for_class(x509.KeyUsage).value
            if not usage.key_cert_sign:
                raise CertificateError(f"key usage of {self.name} lacks keyCertSign")

    @property
    def is_authority(self) -> bool:
        """Whether it says that it may issue."""
        with suppress(x509.ExtensionNotFound):
            return self.parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        return False

    @property
    def may_sign_lists(self) -> bool:
        """Whether its key usage, where it has one, allows revocation lists (RFC 5280 4.2.1.3)."""
        with suppress(x509.ExtensionNotFound):
            return self.parsed.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
        return True

    def check_now(self, now: float) -> None:
        """Raise CertificateError outside of its validity, or for a critical unknown extension."""
        if now < self.parsed.not_valid_before_utc.timestamp():
            raise CertificateError(
                f"{self.name} is not valid before {self.parsed.not_valid_before_utc}"
            )
        if now > self.parsed.not_valid_after_utc.timestamp():
            raise CertificateError(f"{self.name} has expired at {self.parsed.not_valid_after_utc}")
        for one in self.parsed.extensions:
            if one.critical and one.oid not in _UNDERSTOOD:
                raise CertificateError(
                    f"{self.name} has the critical extension {one.oid.dotted_string}"
                )

    @property
    def name(self) -> str:
        """The subject for people."""
        return self.parsed.subject.rfc4514_string() or "a certificate without subject"


def _loaded(der: bytes) -> x509.Certificate:
    """Also one whose serial number is not positive: RFC 5280 4.1.2.2 wants such ones handled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der)


def parse_pkcs7(der: bytes) -> list[Certificate]:
    """The certificates of a PKCS #7 SignedData; raises MalformedCertificateError."""
    try:
        return [
            Certificate.parse(one.public_bytes(Encoding.DER))
            for one in pkcs7.load_der_pkcs7_certificates(der)
        ]
    except UNREADABLE as error:
        raise MalformedCertificateError("not a PKCS #7 SignedData") from error


def wrap_pkcs7(certificates: Sequence[Certificate]) -> bytes:
    """The certificates as a degenerate PKCS #7 SignedData in DER."""
    return pkcs7.serialize_certificates([one.parsed for one in certificates], Encoding.DER)
