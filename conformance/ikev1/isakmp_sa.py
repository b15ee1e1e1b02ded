"""The ISAKMP SA as phase 2 needs it: keys, cookies and IVs (RFC 2409 5 and Appendix B)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.ikev1 import keys
from conformance.ikev1.message import CipherState

if TYPE_CHECKING:
    from conformance.ikev1.config import Phase1Proposal


@dataclass(frozen=True, slots=True)
class IsakmpSa:
    """An authenticated ISAKMP SA; no repr shows its keys."""

    cookie_i: bytes
    cookie_r: bytes
    proposal: Phase1Proposal
    skeyid_d: bytes = field(repr=False)
    skeyid_a: bytes = field(repr=False)
    phase_1: CipherState
    """Where phase 1 left the cipher: its IV is the last block of phase 1."""

    @property
    def hash_name(self) -> str:
        """The negotiated hash, of which the prf is the HMAC."""
        return self.proposal.hash

    def cipher_state(self, message_id: int) -> CipherState:
        """The beginning of the IV chain of one phase 2 exchange."""
        iv = keys.phase2_iv(
            self.hash_name, self.phase_1.iv, message_id.to_bytes(4), self.phase_1.block_size
        )
        return CipherState(self.phase_1.cipher, self.phase_1.key, iv)
