"""X.509 certificates for IKE: names, usage, validity, chain and revocation (RFC 4945 5, RFC 5280).

The chain is walked here and not by the library's verifier: that one speaks the Web PKI's profile,
which knows neither DSA keys nor SHA-1 nor short RSA keys, all of which IKEv1 peers have.
"""

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

_LONGEST_CHAIN = 8
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
}
_UNREADABLE = (
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
        except _UNREADABLE as error:
            raise MalformedCertificateError(f"not an X.509 certificate: {error}") from error
        return cls(der, parsed)

    @property
    def public_key(self) -> PublicKey:
        """The subject's key; raises MalformedCertificateError."""
        try:
            return PublicKey(self.parsed.public_key())
        except _UNREADABLE as error:
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
        for one in self._names():
            if isinstance(one, x509.DNSName):
                names.append(("dns", one.value.encode()))
            elif isinstance(one, x509.RFC822Name):
                names.append(("email", one.value.encode()))
            elif isinstance(one, x509.UniformResourceIdentifier):
                names.append(("uri", one.value.encode()))
            elif isinstance(one, x509.IPAddress) and hasattr(one.value, "packed"):
                names.append(("ip", one.value.packed))
        return tuple(names)

    def _names(self) -> Iterable[x509.GeneralName]:
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
        except (*_UNREADABLE, InvalidSignature):
            return False
        return True

    def check_authority(self, below: int) -> None:
        """Raise CertificateError unless it may issue, with so many authorities below it."""
        try:
            basic = self.parsed.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            basic = None
        if basic is None or not basic.ca:
            raise CertificateError(f"{self.name} is no authority (basicConstraints)")
        if basic.path_length is not None and below > basic.path_length:
            raise CertificateError(f"{self.name} allows {basic.path_length} authorities below it")
        with suppress(x509.ExtensionNotFound):
            usage = self.parsed.extensions.get_extension_for_class(x509.KeyUsage).value
            if not usage.key_cert_sign:
                raise CertificateError(f"key usage of {self.name} lacks keyCertSign")

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
    except _UNREADABLE as error:
        raise MalformedCertificateError("not a PKCS #7 SignedData") from error


def wrap_pkcs7(certificates: Sequence[Certificate]) -> bytes:
    """The certificates as a degenerate PKCS #7 SignedData in DER."""
    return pkcs7.serialize_certificates([one.parsed for one in certificates], Encoding.DER)


def verify_chain(
    leaf: Certificate,
    others: Sequence[Certificate],
    authorities: Sequence[Certificate],
    revocations: Sequence[bytes],
    now: float,
) -> None:
    """Raise CertificateError unless the leaf is good at a time (seconds since 1970).

    Its chain over others must end in one of the trusted authorities; a revocation list counts
    where its issuer is in the chain.
    """
    trusted = {one.der for one in authorities}
    current, lists = leaf, [_revocation_list(one) for one in revocations]
    for below in range(_LONGEST_CHAIN):
        current.check_now(now)
        if current.der in trusted:
            return
        issuers = [one for one in (*authorities, *others) if one.issued(current)]
        if not issuers:
            raise UnknownAuthorityError(
                f"the issuer of {current.name} is unknown: {current.parsed.issuer.rfc4514_string()}"
            )
        issuer = issuers[0]
        issuer.check_authority(below)
        _check_revocation(current, issuer, lists, now)
        current = issuer
    raise UnknownAuthorityError(f"no authority within {_LONGEST_CHAIN} certificates")


def _revocation_list(der: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_der_x509_crl(der)
    except _UNREADABLE as error:
        raise MalformedCertificateError("not an X.509 revocation list") from error


def _signed(one: x509.CertificateRevocationList, issuer: Certificate) -> bool:
    try:
        return one.is_signature_valid(issuer.parsed.public_key())  # type: ignore[arg-type]
    except _UNREADABLE:
        return False


def _check_revocation(
    subject: Certificate,
    issuer: Certificate,
    lists: Sequence[x509.CertificateRevocationList],
    now: float,
) -> None:
    """Raise CertificateError where a list of the issuer names the subject or is out of date."""
    for one in lists:
        if one.issuer != issuer.parsed.subject:
            continue
        if not _signed(one, issuer):
            raise CertificateError(f"the revocation list of {issuer.name} has a wrong signature")
        if one.next_update_utc is not None and now > one.next_update_utc.timestamp():
            raise CertificateError(f"the revocation list of {issuer.name} is out of date")
        if one.get_revoked_certificate_by_serial_number(subject.parsed.serial_number) is not None:
            raise CertificateError(f"{subject.name} is revoked")
