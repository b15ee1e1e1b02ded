"""Authentication with a pre-shared key (RFC 2409 5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1 import diagnose, keys
from conformance.ikev1.authentication.base import Method, hash_name_of
from conformance.ikev1.payloads import Hash

if TYPE_CHECKING:
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload
    from conformance.ikev1.phase_1 import Phase1


def write_hash(phase_1: Phase1) -> tuple[Payload, ...]:
    """Our HASH_I or HASH_R with the negotiated prf."""
    return (Hash(phase_1.own_hash_inputs(phase_1.proposal.hash).hash()),)


def check_hash(phase_1: Phase1, message: Message) -> None:
    """Raise PeerError, with the mistake found, unless the peer's HASH is the one expected."""
    inputs = phase_1.peer_hash_inputs(phase_1.proposal.hash)
    variants = diagnose.phase_1_variants(inputs, phase_1.sa_r)
    got = message.one(Hash).data
    diagnose.check_hash(hash_name_of(phase_1), inputs.hash(), got, variants)


@dataclass(frozen=True, slots=True)
class PreSharedKey(Method):
    """The key is found by the peer's identity, in Main Mode by its address."""

    family: ClassVar[str] = "psk"
    silence: ClassVar[str] = diagnose.NO_PROOF_ANSWERED
    other_skeyid: ClassVar[str] = "most likely another pre-shared key"

    def skeyid(self, phase_1: Phase1, g_xy: bytes) -> bytes:
        """SKEYID = prf(pre-shared-key, Ni_b | Nr_b)."""
        del g_xy
        config, known = phase_1.context.config, phase_1.peer_identity
        identity = diagnose.read_identity(known) if known else None
        psk = config.secret_of(identity, phase_1.address[0])
        return keys.skeyid_psk(phase_1.proposal.hash, psk, phase_1.nonce_i, phase_1.nonce_r)

    def write_proof(self, phase_1: Phase1) -> tuple[Payload, ...]:
        """HASH_I or HASH_R."""
        return write_hash(phase_1)

    def check_proof(self, phase_1: Phase1, message: Message) -> None:
        """The peer's HASH_I or HASH_R."""
        check_hash(phase_1, message)
