"""Key pairs for authentication: loading them, and knowing them apart (RFC 5280 4.1, RFC 5958)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Callable

_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A peer's key, of whatever algorithm."""

    key: Any = field(repr=False)
    """The library's object."""

    @classmethod
    def load(cls, pem: bytes) -> PublicKey:
        """From a PEM SubjectPublicKeyInfo; raises ValueError."""
        return cls(_loaded(lambda: serialization.load_pem_public_key(pem)))

    @property
    def der(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        octets: bytes = self.key.public_bytes(*_SPKI)
        return octets


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Our own key, of whatever algorithm; no repr shows it."""

    key: Any = field(repr=False)
    """The library's object."""

    @classmethod
    def load(cls, pem: bytes) -> PrivateKey:
        """From an unencrypted PEM private key; raises ValueError, without the key in its text."""
        return cls(_loaded(lambda: serialization.load_pem_private_key(pem, None)))

    @property
    def public(self) -> PublicKey:
        """The other half."""
        return PublicKey(self.key.public_key())


def _loaded(load: Callable[[], Any]) -> Any:
    """What load gives, or a ValueError that shows nothing of what was loaded."""
    try:
        return load()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not an unencrypted PEM key of a known algorithm") from None
