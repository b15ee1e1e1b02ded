"""Main Mode with pre-shared keys, both roles (RFC 2409 5.4).

```
HDR, SA             -->
                    <--  HDR, SA
HDR, KE, Ni         -->
                    <--  HDR, KE, Nr
HDR*, IDii, HASH_I  -->
                    <--  HDR*, IDir, HASH_R
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from conformance.crypto.ciphers import CIPHERS
from conformance.crypto.dh import GROUPS, KeyPair
from conformance.ikev1 import diagnose, keys
from conformance.ikev1.constants import ExchangeType, PayloadType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import IsakmpEstablished, Role
from conformance.ikev1.exchange import Exchange
from conformance.ikev1.isakmp_sa import IsakmpSa
from conformance.ikev1.key_exchange import peer_nonce, shared_secret
from conformance.ikev1.message import COOKIE_SIZE, CipherState, Message, write_body
from conformance.ikev1.payloads import (
    Hash,
    Identification,
    KeyExchange,
    Nonce,
    Notification,
    SecurityAssociation,
    VendorId,
)
from conformance.ikev1.proposals import PHASE_1_NEGOTIATION, Agreement
from conformance.ikev1.state_table import ENDED, State, Step

if TYPE_CHECKING:
    from conformance.ikev1.config import Phase1Proposal


@dataclass(slots=True, kw_only=True)
class MainMode(Exchange):
    """One Main Mode; after its last message result() is the ISAKMP SA."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.MAIN_MODE
    agreement: Agreement[Phase1Proposal] | None = None
    sa_i: bytes = b""
    """SAi_b: the body of the initiator's SA payload as it stood on the wire."""
    sa_r: bytes = b""
    g_xi: bytes = b""
    g_xr: bytes = b""
    nonce_i: bytes = b""
    nonce_r: bytes = b""
    skeyid: bytes = field(default=b"", repr=False)
    skeyid_d: bytes = field(default=b"", repr=False)
    skeyid_a: bytes = field(default=b"", repr=False)
    vendor_ids: tuple[bytes, ...] = ()
    _pair: KeyPair | None = field(default=None, repr=False)

    @property
    def auth(self) -> str | None:
        """The negotiated authentication method; None before the SA payloads are exchanged."""
        return self.agreement.proposal.auth if self.agreement else None

    @property
    def proposal(self) -> Phase1Proposal:
        """The agreed proposal; raises LocalError before there is one."""
        if self.agreement is None:
            raise LocalError("phase 1 has not been negotiated yet")
        return self.agreement.proposal

    def start(self, now: float) -> None:
        """Send the first message."""
        offer = PHASE_1_NEGOTIATION.offer(self.context.config.phase1, b"")
        self.sa_i = write_body(offer)
        self.send(Step((offer,)), now)

    def receive_unprotected_notify(self, notification: Notification) -> None:
        """An error in the clear while this Main Mode is under way: believe it, if so configured."""
        believed = self.context.config.trust_unprotected_errors
        if believed and notification.notify_type.is_error and self.state not in ENDED:
            self.fail(f"the peer answered {notification.notify_type.label} in the clear")

    def own_key_exchange(self) -> tuple[KeyExchange, Nonce]:
        """Draw our ephemeral key and nonce, and remember them under our role."""
        self._pair = GROUPS[self.proposal.group].generate(self.context.random)
        nonce = self.context.random(self.context.config.nonce_size)
        if self.role is Role.INITIATOR:
            self.g_xi, self.nonce_i = self._pair.public, nonce
        else:
            self.g_xr, self.nonce_r = self._pair.public, nonce
        return KeyExchange(self._pair.public), Nonce(nonce)

    def derive_keys(self, peer_public: bytes) -> CipherState:
        """SKEYID and its family; gives the cipher state with the IV of the first encryption."""
        if self._pair is None:
            raise LocalError("our own public value has not been drawn yet")
        hash_name, cipher = self.proposal.hash, CIPHERS[self.proposal.cipher]
        g_xy, cookies = shared_secret(self._pair, peer_public), (self.cookie_i, self.cookie_r)
        psk = self.context.config.psk
        self.skeyid = keys.skeyid_psk(hash_name, psk, self.nonce_i, self.nonce_r)
        self.skeyid_d = keys.skeyid_d(hash_name, self.skeyid, g_xy, *cookies)
        self.skeyid_a = keys.skeyid_a(hash_name, self.skeyid, self.skeyid_d, g_xy, *cookies)
        skeyid_e = keys.skeyid_e(hash_name, self.skeyid, self.skeyid_a, g_xy, *cookies)
        key = keys.encryption_key(hash_name, skeyid_e, cipher.key_size)
        iv = keys.phase1_iv(hash_name, self.g_xi, self.g_xr, cipher.block_size)
        return CipherState(cipher.name, key, iv)

    def hash_inputs(self, role: Role, identity: bytes) -> diagnose.Phase1Inputs:
        """What HASH_I (of the initiator) or HASH_R (of the responder) covers."""
        initiator = (self.g_xi, self.g_xr, self.cookie_i, self.cookie_r)
        responder = (self.g_xr, self.g_xi, self.cookie_r, self.cookie_i)
        values = initiator if role is Role.INITIATOR else responder
        return diagnose.Phase1Inputs(self.proposal.hash, self.skeyid, *values, self.sa_i, identity)

    def own_proof(self) -> tuple[Identification, Hash]:
        """Our ID and the hash over it."""
        identity = self.context.config.local_id
        return identity, Hash(self.hash_inputs(self.role, write_body(identity)).hash())

    def verify_proof(self, message: Message, peer: Role) -> Identification:
        """The peer's identity, after its hash and then policy accept it; raises PeerError."""
        inputs = self.hash_inputs(peer, message.body(PayloadType.ID))
        name, id_name = ("HASH_I", "IDii") if peer is Role.INITIATOR else ("HASH_R", "IDir")
        variants = diagnose.phase_1_variants(inputs, self.sa_r)
        diagnose.check_hash(name, inputs.hash(), message.one(Hash).data, variants)
        identity = message.one(Identification)
        diagnose.check_identity(id_name, self.context.config.remote_id, identity)
        return identity

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

    def note_sa(self, message: Message, agreement: Agreement[Phase1Proposal]) -> None:
        """Remember what was agreed and who the peer says to be."""
        self.agreement = agreement
        self.vendor_ids = tuple(one.data for one in message.all(VendorId))


def answer_sa(exchange: MainMode, message: Message) -> Step:
    """Responder: choose a transform and a cookie."""
    exchange.cookie_r = exchange.context.random_nonzero(COOKIE_SIZE)
    exchange.sa_i = message.body(PayloadType.SA)
    offered, configured = message.one(SecurityAssociation), exchange.context.config.phase1
    agreement = PHASE_1_NEGOTIATION.choose(offered, configured, b"")
    exchange.note_sa(message, agreement)
    exchange.sa_r = write_body(agreement.sa)
    return Step((agreement.sa,))


def send_key_exchange(exchange: MainMode, message: Message) -> Step:
    """Initiator: check the choice, send KE and Ni."""
    exchange.cookie_r = message.header.cookie_r
    configured = exchange.context.config.phase1
    offered, answer = PHASE_1_NEGOTIATION.offer(configured, b""), message.one(SecurityAssociation)
    exchange.note_sa(message, PHASE_1_NEGOTIATION.verify(offered, answer, configured))
    exchange.sa_r = message.body(PayloadType.SA)
    return Step(exchange.own_key_exchange())


def answer_key_exchange(exchange: MainMode, message: Message) -> Step:
    """Responder: take KE and Ni, send our own, derive the keys."""
    exchange.g_xi, exchange.nonce_i = message.one(KeyExchange).data, peer_nonce(message)
    payloads = exchange.own_key_exchange()
    exchange.cipher_state = exchange.derive_keys(exchange.g_xi)
    return Step(payloads)


def send_proof(exchange: MainMode, message: Message) -> Step:
    """Initiator: take KE and Nr, derive the keys, send IDii and HASH_I."""
    exchange.g_xr, exchange.nonce_r = message.one(KeyExchange).data, peer_nonce(message)
    exchange.cipher_state = exchange.derive_keys(exchange.g_xr)
    return Step(exchange.own_proof(), protected=True)


def answer_proof(exchange: MainMode, message: Message) -> Step:
    """Responder: verify HASH_I and IDii, send IDir and HASH_R."""
    peer_id = exchange.verify_proof(message, Role.INITIATOR)
    event = exchange.established(peer_id)
    return Step(exchange.own_proof(), events=(event,), protected=True)


def finish(exchange: MainMode, message: Message) -> Step:
    """Initiator: verify HASH_R and IDir."""
    return Step(events=(exchange.established(exchange.verify_proof(message, Role.RESPONDER)),))
