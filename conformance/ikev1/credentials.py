"""Keys and certificates of an endpoint, and whom it trusts (RFC 4945, RFC 2409 5.1-5.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.ikev1.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.crypto.asymmetric import PrivateKey, PublicKey
    from conformance.crypto.certificates import Certificate

SENDING = ("always", "requested", "never")
"""When our certificates are sent."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves us, and what the peer's proof is judged by; raises LocalError."""

    private_key: PrivateKey | None = field(default=None, repr=False)
    """None where hybrid authentication lets us prove ourselves by XAUTH alone."""
    certificates: tuple[Certificate, ...] = ()
    """Our own, then what leads to an authority; empty where the peer knows our key anyway."""
    peer_key: PublicKey | None = None
    """The peer's key where it is known beforehand; then its certificates do not matter."""
    authorities: tuple[Certificate, ...] = ()
    """Whose certificates are trusted, and asked for."""
    revocations: tuple[bytes, ...] = ()
    """Revocation lists in DER; sent where the peer asks for such."""
    require_crl: bool = False
    """Whether a certificate is good only with a valid list of each of its issuers."""
    clock: Callable[[], float] | None = None
    """Seconds since 1970, for validity; needed where there are authorities."""
    send: str = "always"
    """Of SENDING."""
    wrapped: bool = False
    """Whether our certificates travel in one PKCS #7, not each by itself (RFC 4945 3.3.2)."""
    peer_certificate: Certificate | None = None
    """What nonces are encrypted to, with HASH(1) naming it (RFC 2409 5.2)."""

    def __post_init__(self) -> None:
        if self.send not in SENDING:
            raise LocalError(f"certificates are sent {', '.join(SENDING)}, not {self.send!r}")
        if self.authorities and self.clock is None:
            raise LocalError("to judge certificates a clock is needed")
