"""What every authentication method of phase 1 answers (RFC 2409 5)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.key_exchange import peer_nonce
from conformance.ikev1.payloads import KeyExchange

if TYPE_CHECKING:
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload
    from conformance.ikev1.phase_1 import Phase1


@dataclass(frozen=True, slots=True)
class Method(ABC):
    """How the values of phase 1 travel, what SKEYID is made of, and what proves an identity."""

    family: ClassVar[str]
    """Names the rows of the state tables that belong to it."""
    identity_with_keys: ClassVar[bool] = False
    """Whether the ID payload travels, encrypted, with the nonce."""
    silence: ClassVar[str]
    """What would explain that our proof is not answered in Main Mode."""
    other_skeyid: ClassVar[str]
    """What most likely makes the peer's SKEYID another one."""

    @abstractmethod
    def skeyid(self, phase_1: Phase1, g_xy: bytes) -> bytes:
        """SKEYID from the exchanged values."""

    def write_keys(self, phase_1: Phase1) -> tuple[Payload, ...]:
        """KE and nonce, drawn anew, and what the method sends beside them."""
        return phase_1.draw_key_exchange()

    def read_keys(self, phase_1: Phase1, message: Message) -> None:
        """Remember the peer's KE and nonce, and what the method finds beside them."""
        phase_1.note_key_exchange(message.one(KeyExchange).data, peer_nonce(message))

    @abstractmethod
    def write_proof(self, phase_1: Phase1) -> tuple[Payload, ...]:
        """HASH or SIG, and what the method sends with it."""

    @abstractmethod
    def check_proof(self, phase_1: Phase1, message: Message) -> None:
        """Raise PeerError unless the peer's HASH or SIG proves its identity."""


def hash_name_of(phase_1: Phase1) -> str:
    """HASH_I or HASH_R, whichever the peer sends."""
    return f"HASH_{phase_1.peer_role.name[0]}"
