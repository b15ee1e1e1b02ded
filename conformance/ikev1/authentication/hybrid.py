"""Hybrid authentication: one side signs, the other sends a HASH and proves itself by XAUTH.

draft-ietf-ipsec-isakmp-hybrid-auth-05 3. The HASH proves nothing but that its sender has the keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.authentication.base import Method
from conformance.ikev1.authentication.pre_shared import check_hash, write_hash
from conformance.ikev1.authentication.signed import SignatureMethod
from conformance.ikev1.events import Role

if TYPE_CHECKING:
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload
    from conformance.ikev1.phase_1 import Phase1


@dataclass(frozen=True, slots=True)
class HybridMethod(SignatureMethod):
    """Keys as with signatures; HASH from the side of the user, SIG from the other."""

    user: ClassVar[Role]
    """Who sends the HASH."""

    def write_keys(self, phase_1: Phase1) -> tuple[Payload, ...]:
        """KE and nonce; only who will see a SIG asks for certificates."""
        asks = phase_1.role is self.user
        return (SignatureMethod if asks else Method).write_keys(self, phase_1)

    def write_proof(self, phase_1: Phase1) -> tuple[Payload, ...]:
        """HASH or SIG, as our side has it."""
        if phase_1.role is self.user:
            return write_hash(phase_1)
        return SignatureMethod.write_proof(self, phase_1)

    def check_proof(self, phase_1: Phase1, message: Message) -> None:
        """The peer's HASH or SIG, as its side has it."""
        if phase_1.peer_role is self.user:
            check_hash(phase_1, message)
        else:
            SignatureMethod.check_proof(self, phase_1, message)


@dataclass(frozen=True, slots=True)
class HybridInit(HybridMethod):
    """The initiator is the user."""

    family: ClassVar[str] = "hybrid-init"
    user: ClassVar[Role] = Role.INITIATOR


@dataclass(frozen=True, slots=True)
class HybridResp(HybridMethod):
    """The responder is the user."""

    family: ClassVar[str] = "hybrid-resp"
    user: ClassVar[Role] = Role.RESPONDER
