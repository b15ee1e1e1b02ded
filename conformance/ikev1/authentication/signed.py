"""Authentication with digital signatures (RFC 2409 5.1, RFC 4754)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.crypto.certificates import CertificateError
from conformance.ikev1 import certificates, diagnose, keys
from conformance.ikev1.authentication.base import Method, hash_name_of
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.errors import Divergence, LocalError, PeerError
from conformance.ikev1.payloads import CertificatePayload, Signature

if TYPE_CHECKING:
    from conformance.crypto.asymmetric import PrivateKey, PublicKey
    from conformance.crypto.signatures import SignatureRow
    from conformance.ikev1.credentials import Credentials
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload
    from conformance.ikev1.phase_1 import Phase1


def credentials_of(phase_1: Phase1) -> Credentials:
    """What the endpoint was given; Config has seen to it that there are any."""
    credentials = phase_1.context.config.credentials
    if credentials is None:
        raise LocalError("this authentication method needs credentials")
    return credentials


def own_key(phase_1: Phase1) -> PrivateKey:
    """Our private key; raises PeerError where the method wants one of whoever has none."""
    key = credentials_of(phase_1).private_key
    if key is None:
        reason = "the method wants a proof that we have no key for"
        raise PeerError(NotifyType.AUTHENTICATION_FAILED, reason, fatal=True)
    return key


@dataclass(frozen=True, slots=True)
class SignatureMethod(Method):
    """A SIG over HASH_I or HASH_R, by a key that a certificate or the configuration vouches for."""

    family: ClassVar[str] = "sig"
    silence: ClassVar[str] = "a peer that does not trust our certificate may stay silent"
    other_skeyid: ClassVar[str] = "most likely another Diffie-Hellman result"
    row: SignatureRow

    def skeyid(self, phase_1: Phase1, g_xy: bytes) -> bytes:
        """SKEYID = prf(Ni_b | Nr_b, g^xy)."""
        hash_name = phase_1.proposal.hash
        return keys.skeyid_signature(hash_name, phase_1.nonce_i, phase_1.nonce_r, g_xy)

    def write_keys(self, phase_1: Phase1) -> tuple[Payload, ...]:
        """KE, nonce, and a CERTREQ for every authority."""
        requests = certificates.requests(credentials_of(phase_1))
        return (*phase_1.draw_key_exchange(), *requests)

    def read_keys(self, phase_1: Phase1, message: Message) -> None:
        """The peer's KE and nonce, and what it wants to see."""
        Method.read_keys(self, phase_1, message)
        phase_1.note_requests(message)

    def write_proof(self, phase_1: Phase1) -> tuple[Payload, ...]:
        """Our certificates and SIG_I or SIG_R."""
        credentials = credentials_of(phase_1)
        digest = phase_1.own_hash_inputs(self._hash_name(phase_1)).hash()
        signature = self.row.sign(own_key(phase_1), digest, phase_1.context.random)
        sent = certificates.own_certificates(credentials, phase_1.requests)
        return (*sent, Signature(signature))

    def check_proof(self, phase_1: Phase1, message: Message) -> None:
        """The peer's key is trusted for its identity, and has made SIG_I or SIG_R."""
        key = self._peer_key(phase_1, message)
        inputs = phase_1.peer_hash_inputs(self._hash_name(phase_1))
        digest, signature = inputs.hash(), message.one(Signature).data
        if self.row.verify(key, digest, signature):
            return
        name = hash_name_of(phase_1).replace("HASH", "SIG")
        explanation = self.row.explain(key, digest, signature)
        for text, value in diagnose.phase_1_variants(inputs, phase_1.sa_r):
            if self.row.verify(key, value, signature):
                explanation = f"it would match if {text}"
                break
        raise PeerError(
            NotifyType.INVALID_SIGNATURE,
            f"{name} differs",
            Divergence(
                name,
                f"a signature over {digest.hex()}",
                f"{len(signature)} octets that are none",
                explanation or "no known mistake explains it",
            ),
            fatal=True,
        )

    def _hash_name(self, phase_1: Phase1) -> str:
        return self.row.hash_name or phase_1.proposal.hash

    def _peer_key(self, phase_1: Phase1, message: Message) -> PublicKey:
        credentials = credentials_of(phase_1)
        identity = diagnose.read_identity(phase_1.peer_identity)
        if credentials.peer_key is not None:
            return credentials.peer_key
        leaf = certificates.take_certificate(
            credentials,
            message.all(CertificatePayload),
            identity,
            phase_1.peer_identity_name,
        )
        try:
            key = leaf.public_key
        except CertificateError as error:
            raise certificates.refused(error) from error
        if not self.row.fits(key):
            reason = f"the certificate's key is not one for {self.row.name}"
            raise PeerError(NotifyType.INVALID_CERTIFICATE, reason, fatal=True)
        return key
