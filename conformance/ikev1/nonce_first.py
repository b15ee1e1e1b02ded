"""What Base and Authentication Only share: nonces travel with the SA, before any key is made.

RFC 2408 4.4 and 4.6. So the proofs cannot be keyed as RFC 2409 5 does for signatures, whose
SKEYID needs g^xy; as draft-ietf-ipsec-ike-base-mode does, hash(Ni_b | Nr_b) takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.crypto.prf import digest
from conformance.ikev1 import certificates
from conformance.ikev1.events import Role
from conformance.ikev1.key_exchange import peer_nonce
from conformance.ikev1.payloads import Nonce
from conformance.ikev1.phase_1 import Phase1

if TYPE_CHECKING:
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload


@dataclass(slots=True, kw_only=True)
class NonceFirst(Phase1):
    """Phase 1 whose first two messages hold SA and nonce."""

    def draw_nonce(self) -> Nonce:
        """Draw our nonce and remember it under our role."""
        nonce = self.context.random(self.context.config.nonce_size)
        if self.role is Role.INITIATOR:
            self.nonce_i = nonce
        else:
            self.nonce_r = nonce
        return Nonce(nonce)

    def take_nonce(self, message: Message) -> None:
        """Remember the peer's nonce and what certificates it asks for; raises PeerError."""
        if self.role is Role.INITIATOR:
            self.nonce_r = peer_nonce(message)
        else:
            self.nonce_i = peer_nonce(message)
        self.note_requests(message)

    def certificate_requests(self) -> tuple[Payload, ...]:
        """A CERTREQ for every authority that we trust, where we could need a certificate."""
        credentials = self.context.config.credentials
        return certificates.requests(credentials) if credentials else ()

    def find_secret(self) -> None:
        """SKEYID of a pre-shared key, by whatever is known of the peer's identity now."""
        if self.method.family == "psk":
            self.skeyid = self.method.skeyid(self, b"")

    def proof_key(self, hash_name: str) -> bytes:
        """What HASH_I and HASH_R are keyed with: SKEYID of a secret, else hash(Ni_b | Nr_b)."""
        if self.method.family == "psk":
            return self.skeyid
        return digest(hash_name, self.nonce_i + self.nonce_r)
