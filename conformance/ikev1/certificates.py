"""Certificates on the wire and their judgement by policy (RFC 2408 3.9-3.10, RFC 4945 3 and 5)."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from conformance.crypto import certificates as x509
from conformance.crypto.certificates import Certificate, CertificateError
from conformance.crypto.names import general_parts
from conformance.ikev1.constants import CertificateEncoding, IdType, NotifyType
from conformance.ikev1.errors import Divergence, PeerError
from conformance.ikev1.payloads import (
    CertificatePayload,
    CertificateRequest,
    Identification,
    Payload,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.ikev1.credentials import Credentials

_ENCODING = CertificateEncoding.X509_SIGNATURE
_WRAPPED = CertificateEncoding.PKCS7_X509
_SERVED = (_ENCODING, _WRAPPED)
_LISTS = (CertificateEncoding.CRL, CertificateEncoding.ARL)
_BARE = (_ENCODING, CertificateEncoding.X509_KEY_EXCHANGE)
_KNOWN = (_WRAPPED, *_BARE, *_LISTS)
# Identification type: the subject, or the kind of subjectAltName that must hold the same value.
_KINDS: dict[int, str] = {
    IdType.DER_ASN1_DN: "dn",
    IdType.IPV4_ADDR: "ip",
    IdType.IPV6_ADDR: "ip",
    IdType.FQDN: "dns",
    IdType.USER_FQDN: "email",
}
_CASELESS = ("dns", "email")
_NOTIFIES: dict[type[CertificateError], NotifyType] = {
    x509.MalformedCertificateError: NotifyType.INVALID_CERT_ENCODING,
    x509.UnknownAuthorityError: NotifyType.INVALID_CERT_AUTHORITY,
}


def requests(credentials: Credentials) -> tuple[Payload, ...]:
    """A CERTREQ for every authority that we trust, and one for lists that we need and lack."""
    if credentials.peer_key is not None:
        return ()
    lacking = credentials.require_crl and not credentials.revocations
    encodings = (_ENCODING, CertificateEncoding.CRL) if lacking else (_ENCODING,)
    return tuple(
        CertificateRequest(encoding, one.subject)
        for encoding in encodings
        for one in credentials.authorities
    )


def own_certificates(
    credentials: Credentials, asked: Sequence[tuple[int, bytes]]
) -> tuple[Payload, ...]:
    """The CERT payloads that go with our SIG."""
    served = any(encoding in _SERVED for encoding, _ in asked)
    wanted = {"always": True, "requested": served, "never": False}[credentials.send]
    if not wanted or not credentials.certificates:
        return ()
    lists_wanted = any(encoding in _LISTS for encoding, _ in asked)
    lists = credentials.revocations if lists_wanted else ()
    crls = tuple(CertificatePayload(CertificateEncoding.CRL, one) for one in lists)
    if credentials.wrapped:
        wrapped = x509.wrap_pkcs7(credentials.certificates)
        return (CertificatePayload(_WRAPPED, wrapped), *crls)
    own = tuple(CertificatePayload(_ENCODING, one.der) for one in credentials.certificates)
    return (*own, *crls)


def take_certificate(
    credentials: Credentials,
    payloads: Sequence[CertificatePayload],
    identity: Identification,
    name: str,
    *,
    encipherment: bool = False,
) -> Certificate:
    """The peer's certificate, found good for its use and its own; raises PeerError."""
    try:
        received = _received(payloads)
        leaf = _of_the_peer(received, identity)
        if leaf is None:
            raise PeerError(
                NotifyType.CERTIFICATE_UNAVAILABLE,
                "the peer sent no certificate and its key is not configured",
                Divergence("CERT", "a certificate of the peer", "absent"),
                fatal=True,
            )
        (leaf.check_encipherment if encipherment else leaf.check_usage)()
        lists = [one.data for one in payloads if one.encoding in _LISTS]
        judge(credentials, leaf, received, lists)
    except CertificateError as error:
        raise refused(error) from error
    check_name(leaf, identity, name)
    return leaf


def judge(
    credentials: Credentials,
    leaf: Certificate,
    received: Sequence[Certificate],
    lists: Sequence[bytes] = (),
) -> None:
    """Raise CertificateError unless a chain over what was received leads to an authority."""
    if credentials.clock is None:  # then there are no authorities either
        raise x509.UnknownAuthorityError("no authority is trusted")
    revocations = (*credentials.revocations, *lists)
    x509.verify_chain(
        leaf,
        received,
        credentials.authorities,
        revocations,
        credentials.clock(),
        require_crl=credentials.require_crl,
    )


def refused(error: CertificateError) -> PeerError:
    """What the peer is told of a certificate that is not acceptable."""
    notify = _NOTIFIES.get(type(error), NotifyType.INVALID_CERTIFICATE)
    divergence = Divergence("CERT", "an acceptable certificate", str(error))
    return PeerError(notify, f"the peer's certificate: {error}", divergence, fatal=True)


def check_name(certificate: Certificate, identity: Identification, name: str) -> None:
    """Raise PeerError unless the certificate holds the identity (RFC 4945 3.1 and 5.1)."""
    if _holds(certificate, identity):
        return
    names = [_text(kind, value) for kind, value in certificate.alternative_names]
    raise PeerError(
        NotifyType.INVALID_ID_INFORMATION,
        f"the certificate does not say {identity}",
        Divergence(
            name,
            f"one of {', '.join([*names, f'DN {certificate.name}'])}",
            str(identity),
            "the certificate says another identity",
        ),
        fatal=True,
    )


def _text(kind: str, value: bytes) -> str:
    shown = str(ip_address(value)) if kind == "ip" else value.decode("ascii", "backslashreplace")
    return f"{kind} {shown}"


def _holds(certificate: Certificate, identity: Identification) -> bool:
    """Whether a certificate says an identity, of a list every one (RFC 3554 3)."""
    members = identity.members or ()
    return bool(members) and all(_says(certificate, one) for one in members)


def _says(certificate: Certificate, identity: Identification) -> bool:
    """The subject octet for octet, names in any case, addresses as they are (RFC 4945 3.1)."""
    kind, wanted = _KINDS.get(identity.type), identity.data
    if identity.type == IdType.DER_ASN1_GN:
        with suppress(ValueError):
            kind, wanted = general_parts(identity.data)
    if kind == "dn":
        return bool(wanted) and certificate.subject == wanted and certificate.has_subject
    values = [value for one, value in certificate.alternative_names if one == kind]
    if kind in _CASELESS:
        return wanted.lower() in [value.lower() for value in values]
    return wanted in values


def _received(payloads: Sequence[CertificatePayload]) -> list[Certificate]:
    """Every certificate of a message, unwrapped; raises PeerError and CertificateError.

    Other encodings are passed over where something of use is beside them (RFC 4945 3.3.10.1).
    """
    found: list[Certificate] = []
    for payload in payloads:
        if payload.encoding is _WRAPPED:
            found += x509.parse_pkcs7(payload.data)
        elif payload.encoding in _BARE:
            found.append(Certificate.parse(payload.data))
    unknown = [one.encoding.label for one in payloads if one.encoding not in _KNOWN]
    if unknown and not found:
        raise PeerError(
            NotifyType.CERT_TYPE_UNSUPPORTED,
            f"certificate encoding {', '.join(unknown)}",
            fatal=True,
        )
    return found


def _of_the_peer(received: Sequence[Certificate], identity: Identification) -> Certificate | None:
    """The one that holds the identity, else the first: the order is free (RFC 4945 3.3.6)."""
    holding = (one for one in received if _holds(one, identity))
    return next(holding, received[0] if received else None)
