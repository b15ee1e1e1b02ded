"""X.509 revocation lists: which of them count, and whether they name a certificate (RFC 5280 6.3).

RFC 4945 5.2: delta lists and lists for some reasons only do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from conformance.crypto.certificate import UNREADABLE, CertificateError, MalformedCertificateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.crypto.certificate import Certificate

RevocationList = x509.CertificateRevocationList
_UNDERSTOOD = {x509.CRLNumber.oid, x509.AuthorityKeyIdentifier.oid}


def parse_list(der: bytes) -> RevocationList:
    """A list from DER; raises MalformedCertificateError."""
    try:
        parsed = x509.load_der_x509_crl(der)
        _ = parsed.extensions, parsed.issuer  # parsed lazily by the library
    except UNREADABLE as error:
        raise MalformedCertificateError("not an X.509 revocation list") from error
    return parsed


def check_revocation(
    subject: Certificate,
    issuer: Certificate,
    lists: Sequence[RevocationList],
    now: float,
    *,
    required: bool,
) -> None:
    """Raise CertificateError where a list of the issuer names the subject, or none is in order.

    Without required a certificate is good when its issuer has no list at all.
    """
    own = [one for one in lists if one.issuer == issuer.parsed.subject]
    faults = [_fault(one, subject, issuer, now) for one in own]
    for one, fault in zip(own, faults, strict=True):
        if fault not in {"", _STALE}:
            continue
        if one.get_revoked_certificate_by_serial_number(subject.parsed.serial_number) is not None:
            raise CertificateError(f"{subject.name} is revoked")
    if "" in faults or not (own or required):
        return
    if not own:
        raise CertificateError(f"no revocation list of {issuer.name}")
    raise CertificateError(f"the revocation list of {issuer.name} {faults[0]}")


_STALE = "is out of date"


def _fault(one: RevocationList, subject: Certificate, issuer: Certificate, now: float) -> str:
    """What is wrong with a list of the issuer for the subject; empty for nothing."""
    if not _signed(one, issuer):
        return "has a wrong signature"
    if not issuer.may_sign_lists:
        return "is signed by a key without cRLSign"
    if not _covers(one, subject):
        return "does not cover such certificates"
    if now < one.last_update_utc.timestamp():
        return "is not valid yet"
    if one.next_update_utc is not None and now > one.next_update_utc.timestamp():
        return _STALE
    return ""


def _signed(one: RevocationList, issuer: Certificate) -> bool:
    try:
        return one.is_signature_valid(issuer.parsed.public_key())  # type: ignore[arg-type]
    except UNREADABLE:
        return False


def _covers(one: RevocationList, subject: Certificate) -> bool:
    """Whether a list is complete for certificates like this one (RFC 5280 5.2.4 and 5.2.5)."""
    for extension in one.extensions:
        scope = extension.value
        if isinstance(scope, x509.IssuingDistributionPoint):
            if not _in_scope(scope, subject):
                return False
        elif extension.critical and extension.oid not in _UNDERSTOOD:
            return False
    return True


def _in_scope(scope: x509.IssuingDistributionPoint, subject: Certificate) -> bool:
    """Whether a list that says what it is about is about this certificate, for every reason."""
    partial = scope.only_some_reasons or scope.indirect_crl or scope.only_contains_attribute_certs
    excluded = (
        scope.only_contains_user_certs if subject.is_authority else scope.only_contains_ca_certs
    )
    return not (partial or excluded)
