"""X.509 certificates for IKE: the chain to an authority (RFC 4945 5, RFC 5280 6).

The chain is walked here and not by the library's verifier: that one speaks the Web PKI's profile,
which knows neither DSA keys nor SHA-1 nor short RSA keys, all of which IKEv1 peers have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.crypto.certificate import (
    Certificate,
    CertificateError,
    MalformedCertificateError,
    UnknownAuthorityError,
    parse_pkcs7,
    wrap_pkcs7,
)
from conformance.crypto.constraints import check_constraints
from conformance.crypto.revocation import check_revocation, parse_list

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Certificate",
    "CertificateError",
    "MalformedCertificateError",
    "UnknownAuthorityError",
    "parse_pkcs7",
    "verify_chain",
    "wrap_pkcs7",
]

_LONGEST_CHAIN = 8


def verify_chain(
    leaf: Certificate,
    others: Sequence[Certificate],
    authorities: Sequence[Certificate],
    revocations: Sequence[bytes],
    now: float,
    *,
    require_crl: bool = False,
) -> None:
    """Raise CertificateError unless the leaf is good at a time (seconds since 1970).

    Its chain over others must end in one of the trusted authorities; a revocation list counts
    where its issuer is in the chain, and with require_crl every issuer in it needs a valid one.
    """
    trusted = {one.der for one in authorities}
    path, lists = [leaf], [parse_list(one) for one in revocations]
    for below in range(_LONGEST_CHAIN):
        current = path[-1]
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
        check_constraints(issuer, path)
        check_revocation(current, issuer, lists, now, required=require_crl)
        path.append(issuer)
    raise UnknownAuthorityError(f"no authority within {_LONGEST_CHAIN} certificates")
