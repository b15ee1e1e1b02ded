"""What exchanges under an ISAKMP SA share: HASH(1) and its like (RFC 2409 5.5 to 5.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.ikev1 import diagnose, keys
from conformance.ikev1.errors import LocalError
from conformance.ikev1.exchange import Exchange
from conformance.ikev1.payloads import Hash

if TYPE_CHECKING:
    from conformance.ikev1.isakmp_sa import IsakmpSa
    from conformance.ikev1.message import Message


@dataclass(slots=True, kw_only=True)
class Hashed(Exchange):
    """An exchange whose messages begin with a HASH over what follows it."""

    isakmp_sa: IsakmpSa | None = None
    verified: bool = False
    """Whether a HASH of the peer was right; before, anybody may have sent what came."""

    @property
    def sa(self) -> IsakmpSa:
        """The ISAKMP SA; raises LocalError where there is none."""
        if self.isakmp_sa is None:
            raise LocalError("no ISAKMP SA, no HASH(1)")
        return self.isakmp_sa

    def hash_1(self, message: bytes) -> bytes:
        """HASH(1) over what follows it."""
        return self.hash_with_nonce(self.message_id.to_bytes(4), b"", message)

    def verify_hash(self, message: Message, name: str = "HASH(1)", nonce: bytes = b"") -> None:
        """Check HASH(1), or HASH(2) with Ni_b as its nonce; raises PeerError."""
        message_id, covered = self.message_id.to_bytes(4), message.after_first
        variants = diagnose.phase_2_variants(
            self.hash_with_nonce, message_id, nonce, covered, message.padding
        )
        expected = self.hash_with_nonce(message_id, nonce, covered)
        diagnose.check_hash(name, expected, message.one(Hash).data, variants)
        self.verified = True

    def hash_with_nonce(self, message_id: bytes, nonce: bytes, message: bytes) -> bytes:
        """prf(SKEYID_a, M-ID | nonce | message)."""
        sa = self.sa
        return keys.hash_2(sa.hash_name, sa.skeyid_a, message_id, nonce, message)
