"""The Base exchange as IKE uses it: four messages in the clear, both roles.

RFC 2408 4.4, draft-ietf-ipsec-ike-base-mode.

```
HDR, SA, IDii, Ni    -->
                     <--  HDR, SA, IDir, Nr
HDR, KE, HASH_I      -->
                     <--  HDR, KE, HASH_R

HASH_I = prf(SKEYID, g^xi | CKY-I | CKY-R | SAi_b | IDii_b)
HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b)
```
With signatures [ CERT, ] SIG stands for the HASH, and it signs

```
HASH_I = prf(hash(Ni_b | Nr_b), g^xi | CKY-I | CKY-R | SAi_b | IDii_b)
HASH_R = prf(hash(Ni_b | Nr_b), g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b)
```
RFC 2408 has the identities in the last two messages and says nothing of the hashes; the draft
moves the identities and, going by the implementation in racoon, uses the formulas above. HASH_R of
signatures covers IDii, not IDir, whose proof is the certificate alone. The keys that come of the
exchange are those of RFC 2409 5. As no message is encrypted, the first IV of RFC 2409 Appendix B is
also the last, from which phase 2 goes on. Public key encryption is not offered here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.diagnose import Phase1Inputs
from conformance.ikev1.events import Role
from conformance.ikev1.message import write_body
from conformance.ikev1.nonce_first import NonceFirst
from conformance.ikev1.payloads import KeyExchange
from conformance.ikev1.state_table import Step

if TYPE_CHECKING:
    from conformance.ikev1.message import Message


@dataclass(slots=True, kw_only=True)
class BaseMode(NonceFirst):
    """One Base exchange."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.BASE

    def start(self, now: float) -> None:
        """Send the first message."""
        offer, identity = self.offer(), self.context.config.local_id
        self.sa_i = write_body(offer)
        self.send(Step((offer, identity, self.draw_nonce(), *self.certificate_requests())), now)

    def draw_public(self) -> KeyExchange:
        """Draw our ephemeral key and remember its public value under our role."""
        self._pair = self.context.group(self.proposal.group).generate(self.context.random)
        if self.role is Role.INITIATOR:
            self.g_xi = self._pair.public
        else:
            self.g_xr = self._pair.public
        return KeyExchange(self._pair.public)

    def hash_inputs(self, role: Role, hash_name: str, identity: bytes) -> Phase1Inputs:
        """What HASH_I or HASH_R covers; HASH_I is made before there is a g^xr."""
        key, cookies = self.proof_key(hash_name), (self.cookie_i, self.cookie_r)
        if role is Role.INITIATOR:
            return Phase1Inputs(hash_name, key, self.g_xi, b"", *cookies, self.sa_i, identity)
        if self.method.family == "psk":
            values = (self.g_xr, self.g_xi, self.cookie_r, self.cookie_i)
            return Phase1Inputs(hash_name, key, *values, self.sa_i, identity)
        own = write_body(self.context.config.local_id)
        id_ii = own if self.role is Role.INITIATOR else self.peer_identity
        return Phase1Inputs(hash_name, key, self.g_xi, self.g_xr, *cookies, self.sa_i, id_ii)


def answer_sa(exchange: BaseMode, message: Message) -> Step:
    """Responder: choose a transform and a cookie, send IDir and Nr."""
    chosen = exchange.choose(message)
    exchange.note_identity(message)
    exchange.check_identity()
    exchange.take_nonce(message)
    nonce, identity = exchange.draw_nonce(), exchange.context.config.local_id
    exchange.find_secret()
    return Step((chosen, identity, nonce, *exchange.certificate_requests()))


def send_proof(exchange: BaseMode, message: Message) -> Step:
    """Initiator: check the choice, send KE and HASH_I or SIG_I."""
    exchange.check_choice(message)
    exchange.note_identity(message)
    exchange.check_identity()
    exchange.take_nonce(message)
    exchange.find_secret()
    return Step((exchange.draw_public(), *exchange.method.write_proof(exchange)))


def answer_proof(exchange: BaseMode, message: Message) -> Step:
    """Responder: verify the initiator's proof, derive the keys, send KE and HASH_R or SIG_R."""
    exchange.g_xi = message.one(KeyExchange).data
    peer_id, public = exchange.verify_proof(message), exchange.draw_public()
    exchange.protect()
    event = exchange.established(peer_id)
    return Step((public, *exchange.method.write_proof(exchange)), events=(event,))


def finish(exchange: BaseMode, message: Message) -> Step:
    """Initiator: verify the responder's proof and derive the keys."""
    exchange.g_xr = message.one(KeyExchange).data
    exchange.protect()
    return Step(events=(exchange.established(exchange.verify_proof(message)),))
