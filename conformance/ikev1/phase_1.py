"""What Main and Aggressive Mode share: the values of phase 1, its keys and its result (RFC 2409 5).

How these values travel and how the peers prove themselves is the authentication method's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from conformance.crypto.ciphers import CIPHERS, CipherRow, strong_key
from conformance.ikev1 import diagnose, keys
from conformance.ikev1.authentication import METHODS, Method
from conformance.ikev1.constants import NotifyType, PayloadType
from conformance.ikev1.errors import LocalError, PeerError
from conformance.ikev1.events import IsakmpEstablished, Role
from conformance.ikev1.exchange import Exchange
from conformance.ikev1.isakmp_sa import IsakmpSa
from conformance.ikev1.key_exchange import shared_secret
from conformance.ikev1.message import COOKIE_SIZE, CipherState, Message, write_body
from conformance.ikev1.payloads import (
    CertificateRequest,
    Identification,
    KeyExchange,
    Nonce,
    Notification,
    Payload,
    SecurityAssociation,
    VendorId,
)
from conformance.ikev1.proposals import PHASE_1_NEGOTIATION, Agreement
from conformance.ikev1.state_table import ENDED, State

if TYPE_CHECKING:
    from conformance.crypto.certificates import Certificate
    from conformance.crypto.dh import KeyPair
    from conformance.ikev1.capabilities import Capabilities
    from conformance.ikev1.config import Phase1Proposal
    from conformance.ikev1.errors import Divergence
    from conformance.ikev1.message import Header
    from conformance.ikev1.state_table import Step


@dataclass(slots=True, kw_only=True)
class Phase1(Exchange):
    """One Main or Aggressive Mode; after its last message result() is the ISAKMP SA."""

    makes_keys: ClassVar[bool] = True
    """Whether an ISAKMP SA comes of it."""
    agreement: Agreement[Phase1Proposal] | None = None
    committed: Phase1Proposal | None = None
    """What an initiator of Aggressive Mode must act upon before it is agreed."""
    sa_i: bytes = b""
    """SAi_b: the body of the initiator's SA payload as it stood on the wire."""
    sa_r: bytes = b""
    g_xi: bytes = b""
    g_xr: bytes = b""
    nonce_i: bytes = field(default=b"", repr=False)
    """A secret where it travels encrypted, as its answer (RFC 2409 5.2)."""
    nonce_r: bytes = field(default=b"", repr=False)
    peer_identity: bytes = b""
    """The body of the peer's ID payload, in the clear."""
    skeyid: bytes = field(default=b"", repr=False)
    skeyid_d: bytes = field(default=b"", repr=False)
    skeyid_a: bytes = field(default=b"", repr=False)
    vendor_ids: tuple[bytes, ...] = ()
    requests: tuple[tuple[int, bytes], ...] = ()
    """Encoding and authority of every certificate that the peer asked for."""
    capabilities: Capabilities | None = None
    """What goes along with the exchange's own payloads."""
    peer_certificate: Certificate | None = None
    """What the peer sent so that we can encrypt to it (RFC 2409 5.3)."""
    _pair: KeyPair | None = field(default=None, repr=False)
    _proposals: tuple[Phase1Proposal, ...] = ()

    @property
    def auth(self) -> str | None:
        """The family of the authentication method; None before it is known."""
        return self.method.family if self.agreement or self.committed else None

    @property
    def proposal(self) -> Phase1Proposal:
        """The agreed proposal; raises LocalError before there is one."""
        if self.agreement is not None:
            return self.agreement.proposal
        if self.committed is None:
            raise LocalError("phase 1 has not been negotiated yet")
        return self.committed

    @property
    def proposals(self) -> tuple[Phase1Proposal, ...]:
        """What is configured and can be used: private groups only once they are agreed on."""
        if not self._proposals:
            known, configured = self.context.knows_group, self.context.config.phase1
            self._proposals = tuple(
                one for one in configured if one.group_parameters or known(one.group)
            )
        return self._proposals

    @property
    def method(self) -> Method:
        """The authentication method; raises LocalError before there is one."""
        return METHODS[self.proposal.auth]

    @property
    def peer_role(self) -> Role:
        """The other role than ours."""
        return Role.RESPONDER if self.role is Role.INITIATOR else Role.INITIATOR

    def along(self, step: Step) -> tuple[Payload, ...]:
        """Vendor IDs and what belongs to the features they announce."""
        return self.capabilities.payloads(self, step) if self.capabilities else ()

    def take_along(self, message: Message) -> None:
        """Read the same of the peer; raises PeerError."""
        if self.capabilities is not None:
            self.capabilities.take(self, message)

    def note_requests(self, message: Message) -> None:
        """Remember what certificates the peer asks for, in whichever message (RFC 2408 3.10)."""
        asked = message.all(CertificateRequest)
        self.requests += tuple((one.encoding, one.data) for one in asked)

    @property
    def peer_identity_name(self) -> str:
        """IDii or IDir, whichever the peer sends."""
        return "IDii" if self.peer_role is Role.INITIATOR else "IDir"

    # -- negotiation ----------------------------------------------------------------------------

    def offer(self) -> SecurityAssociation:
        """Everything configured, as the initiator's SA payload."""
        return PHASE_1_NEGOTIATION.offer(self.proposals, b"")

    def choose(self, message: Message) -> SecurityAssociation:
        """Responder: draw a cookie and answer the offer; raises PeerError."""
        self.cookie_r = self.context.random_nonzero(COOKIE_SIZE)
        self.sa_i = message.body(PayloadType.SA)
        offered, configured = message.one(SecurityAssociation), self.proposals
        agreement = PHASE_1_NEGOTIATION.choose(offered, configured, b"")
        self._note_sa(message, agreement)
        self.sa_r = write_body(agreement.sa)
        return agreement.sa

    def check_choice(self, message: Message) -> None:
        """Initiator: the answer is one of our transforms as offered; raises PeerError."""
        self.cookie_r = message.header.cookie_r
        answer, configured = message.one(SecurityAssociation), self.proposals
        self._note_sa(message, PHASE_1_NEGOTIATION.verify(self.offer(), answer, configured))
        self.sa_r = message.body(PayloadType.SA)

    def _note_sa(self, message: Message, agreement: Agreement[Phase1Proposal]) -> None:
        self.agreement = agreement
        self.vendor_ids = tuple(one.data for one in message.all(VendorId))

    # -- keys -----------------------------------------------------------------------------------

    def draw_key_exchange(self) -> tuple[KeyExchange, Nonce]:
        """Draw our ephemeral key and nonce, and remember them under our role."""
        proposal = self.proposal
        group = proposal.explicit_group() or self.context.group(proposal.group)
        self._pair = group.generate(self.context.random)
        nonce = self.context.random(self.context.config.nonce_size)
        if self.role is Role.INITIATOR:
            self.g_xi, self.nonce_i = self._pair.public, nonce
        else:
            self.g_xr, self.nonce_r = self._pair.public, nonce
        return KeyExchange(self._pair.public), Nonce(nonce)

    def note_key_exchange(self, public: bytes, nonce: bytes) -> None:
        """Remember the peer's public value and nonce under its role."""
        if self.role is Role.INITIATOR:
            self.g_xr, self.nonce_r = public, nonce
        else:
            self.g_xi, self.nonce_i = public, nonce

    def derive_keys(self, peer_public: bytes) -> CipherState:
        """SKEYID and its family; gives the cipher state with the IV of the first encryption."""
        if self._pair is None:
            raise LocalError("our own public value has not been drawn yet")
        hash_name, cipher = self.proposal.hash, CIPHERS[self.proposal.cipher]
        g_xy, cookies = shared_secret(self._pair, peer_public), (self.cookie_i, self.cookie_r)
        self.skeyid = self.method.skeyid(self, g_xy)
        self.skeyid_d = keys.skeyid_d(hash_name, self.skeyid, g_xy, *cookies)
        self.skeyid_a = keys.skeyid_a(hash_name, self.skeyid, self.skeyid_d, g_xy, *cookies)
        skeyid_e = keys.skeyid_e(hash_name, self.skeyid, self.skeyid_a, g_xy, *cookies)
        key = _strong_key(cipher, hash_name, skeyid_e)
        iv = keys.phase1_iv(hash_name, self.g_xi, self.g_xr, cipher.block_size)
        return CipherState(cipher.name, key, iv)

    def protect(self) -> None:
        """From here on encrypted messages can be sent and read."""
        initiator = self.role is Role.INITIATOR
        self.cipher_state = self.derive_keys(self.g_xr if initiator else self.g_xi)

    # -- proofs ---------------------------------------------------------------------------------

    def hash_inputs(self, role: Role, hash_name: str, identity: bytes) -> diagnose.Phase1Inputs:
        """What HASH_I (of the initiator) or HASH_R (of the responder) covers."""
        initiator = (self.g_xi, self.g_xr, self.cookie_i, self.cookie_r)
        responder = (self.g_xr, self.g_xi, self.cookie_r, self.cookie_i)
        values = initiator if role is Role.INITIATOR else responder
        return diagnose.Phase1Inputs(hash_name, self.skeyid, *values, self.sa_i, identity)

    def own_hash_inputs(self, hash_name: str) -> diagnose.Phase1Inputs:
        """What our own HASH covers."""
        identity = write_body(self.context.config.local_id)
        return self.hash_inputs(self.role, hash_name, identity)

    def peer_hash_inputs(self, hash_name: str) -> diagnose.Phase1Inputs:
        """What the peer's HASH must cover."""
        return self.hash_inputs(self.peer_role, hash_name, self.peer_identity)

    def own_identity(self) -> tuple[Payload, ...]:
        """Our ID payload, unless the method has sent it with the keys."""
        return () if self.method.identity_with_keys else (self.context.config.local_id,)

    def note_identity(self, message: Message) -> None:
        """Remember the peer's ID payload, unless the method has read it with the keys."""
        if not self.method.identity_with_keys:
            self.peer_identity = message.body(PayloadType.ID)

    def check_identity(self) -> Identification:
        """The peer's identity, if policy accepts it; raises PeerError."""
        identity = diagnose.read_identity(self.peer_identity)
        diagnose.check_identity(self.peer_identity_name, self.context.config.remote_id, identity)
        return identity

    def verify_proof(self, message: Message) -> Identification:
        """The peer's identity, after its proof and then policy accept it; raises PeerError."""
        self.method.check_proof(self, message)
        return self.check_identity()

    # -- the end --------------------------------------------------------------------------------

    def established(self, peer_id: Identification) -> IsakmpEstablished:
        """The event of success."""
        agreement, proposal = self.agreement, self.proposal
        if agreement is None or self.cipher_state is None:
            raise LocalError("phase 1 is not complete")
        return IsakmpEstablished(
            self.role,
            self.cookie_i,
            self.cookie_r,
            proposal.cipher,
            proposal.hash,
            proposal.group,
            proposal.auth,
            agreement.lifetime_seconds,
            agreement.negotiated_seconds,
            peer_id,
            self.vendor_ids,
            self.cipher_state.key,
        )

    def result(self) -> IsakmpSa:
        """The ISAKMP SA; raises LocalError before the last message."""
        if self.state is not State.DONE or self.cipher_state is None:
            raise LocalError("phase 1 is not complete")
        return IsakmpSa(
            self.cookie_i,
            self.cookie_r,
            self.proposal,
            self.skeyid_d,
            self.skeyid_a,
            self.cipher_state,
        )

    def receive_unprotected_notify(self, notification: Notification) -> None:
        """An error in the clear while phase 1 is under way: believe it, if so configured."""
        believed = self.context.config.trust_unprotected_errors
        if believed and notification.notify_type.is_error and self.state not in ENDED:
            self.fail(f"the peer answered {notification.notify_type.label} in the clear")

    def _silence(self) -> str:
        proof_sent = self.role is Role.INITIATOR and self.state in _EXPECTING_PROOF
        return self.method.silence if proof_sent else ""

    def _explain_garbage(self, header: Header) -> Divergence | None:
        waiting_for_proof = header.encrypted and self.state in _EXPECTING_PROOF
        return diagnose.undecryptable(self.method.other_skeyid) if waiting_for_proof else None


def _strong_key(cipher: CipherRow, hash_name: str, skeyid_e: bytes) -> bytes:
    """The key of phase 1, weak ones passed over; raises PeerError where all of them are."""
    material = keys.encryption_key(hash_name, skeyid_e, max(cipher.key_size, len(skeyid_e)))
    try:
        return strong_key(cipher.name, material)
    except ValueError as error:
        reason = f"SKEYID_e holds only weak keys of {cipher.name}"
        raise PeerError(NotifyType.INVALID_KEY_INFORMATION, reason, fatal=True) from error


_EXPECTING_PROOF = (State.EXPECT_ID, State.EXPECT_PROOF)
