"""The authentication methods of phase 1 by name, one file per family (RFC 2409 5.1-5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.crypto.signatures import SIGNATURES
from conformance.ikev1.authentication.base import Method
from conformance.ikev1.authentication.encrypted import PublicKeyEncryption, RevisedEncryption
from conformance.ikev1.authentication.hybrid import HybridInit, HybridResp
from conformance.ikev1.authentication.pre_shared import PreSharedKey
from conformance.ikev1.authentication.signed import SignatureMethod
from conformance.ikev1.methods import METHOD_ROWS

if TYPE_CHECKING:
    from conformance.ikev1.methods import MethodRow

__all__ = ["METHODS", "Method"]

_BASES: dict[str, Method] = {
    "psk": PreSharedKey(),
    **{name: SignatureMethod(row) for name, row in SIGNATURES.items()},
    "rsa-enc": PublicKeyEncryption(),
    "rsa-rev": RevisedEncryption(),
}
_HYBRID = {"initiator": HybridInit, "responder": HybridResp}


def _method(row: MethodRow) -> Method:
    """XAUTH leaves the method before it as it is, unless that asks no proof of the user."""
    if row.user_proves or row.user is None:
        return _BASES[row.base]
    return _HYBRID[row.user](SIGNATURES[row.base])


METHODS = {name: _method(row) for name, row in METHOD_ROWS.items()}
"""Every method that a proposal may name."""
