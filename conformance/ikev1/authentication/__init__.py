"""The authentication methods of phase 1 by name, one file per family (RFC 2409 5.1-5.4)."""

from __future__ import annotations

from conformance.ikev1.authentication.base import Method
from conformance.ikev1.authentication.encrypted import PublicKeyEncryption, RevisedEncryption
from conformance.ikev1.authentication.pre_shared import PreSharedKey
from conformance.ikev1.authentication.signed import SIGNATURE_METHODS

__all__ = ["METHODS", "Method"]

METHODS: dict[str, Method] = {
    "psk": PreSharedKey(),
    "xauth-init-psk": PreSharedKey(),
    "xauth-resp-psk": PreSharedKey(),
    **SIGNATURE_METHODS,
    "rsa-enc": PublicKeyEncryption(),
    "rsa-rev": RevisedEncryption(),
}
"""Every method that a proposal may name; config.AUTH_METHODS has their numbers."""
