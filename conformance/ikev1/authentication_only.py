"""The Authentication Only exchange: who the peer is, and nothing else, both roles (RFC 2408 4.6).

```
HDR, SA, Ni        -->
                   <--  HDR, SA, Nr, IDir, HASH_R
HDR, IDii, HASH_I  -->
```
RFC 2408 leaves the proofs to the key exchange, and no document of IKE defines them. We read them as
those of RFC 2409 5 without public values:

```
HASH_I = prf(K, CKY-I | CKY-R | SAi_b | IDii_b)
HASH_R = prf(K, CKY-R | CKY-I | SAi_b | IDir_b)
```
K is SKEYID of the pre-shared key, found by address as in Main Mode, for the responder proves itself
before it knows IDii; with signatures, where [ CERT, ] SIG stands for the HASH, K is
hash(Ni_b | Nr_b). Cipher and group of the SA are agreed on but not used: no key is made, so
nothing is encrypted and there is no phase 2. Nothing announces what phase 2 could do, either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.diagnose import Phase1Inputs
from conformance.ikev1.errors import PeerError
from conformance.ikev1.events import PeerAuthenticated, Role
from conformance.ikev1.message import write_body
from conformance.ikev1.nonce_first import NonceFirst
from conformance.ikev1.payloads import Hash, Signature
from conformance.ikev1.state_table import Step

if TYPE_CHECKING:
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Identification, Payload

_PROOFS: dict[str, type[Hash | Signature]] = {"psk": Hash, "sig": Signature}
"""What proves an identity, by family of authentication methods."""


@dataclass(slots=True, kw_only=True)
class AuthenticationOnly(NonceFirst):
    """One Authentication Only exchange; it ends in PeerAuthenticated."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.AUTHENTICATION_ONLY
    makes_keys: ClassVar[bool] = False

    def start(self, now: float) -> None:
        """Send the first message."""
        offer = self.offer()
        self.sa_i = write_body(offer)
        self.send(Step((offer, self.draw_nonce(), *self.certificate_requests())), now)

    def along(self, step: Step) -> tuple[Payload, ...]:
        """Nothing, for all that Vendor IDs announce belongs to an ISAKMP SA."""
        del step
        return ()

    def take_along(self, message: Message) -> None:
        """Nothing is read, either."""

    def hash_inputs(self, role: Role, hash_name: str, identity: bytes) -> Phase1Inputs:
        """What HASH_I or HASH_R covers."""
        cookies = (self.cookie_i, self.cookie_r)
        own, other = cookies if role is Role.INITIATOR else cookies[::-1]
        key = self.proof_key(hash_name)
        return Phase1Inputs(hash_name, key, b"", b"", own, other, self.sa_i, identity)

    def own_proof(self) -> tuple[Payload, ...]:
        """Our ID and HASH or SIG."""
        return (self.context.config.local_id, *self.method.write_proof(self))

    def authenticated(self, peer_id: Identification) -> PeerAuthenticated:
        """The event of success."""
        cookies, proposal = (self.cookie_i, self.cookie_r), self.proposal
        return PeerAuthenticated(self.role, *cookies, proposal.hash, proposal.auth, peer_id)


def answer(exchange: AuthenticationOnly, message: Message) -> Step:
    """Responder: choose a transform and a cookie, send Nr, IDir and the proof."""
    chosen = exchange.choose(message)
    exchange.take_nonce(message)
    nonce = exchange.draw_nonce()
    exchange.find_secret()
    return Step((chosen, nonce, *exchange.own_proof(), *exchange.certificate_requests()))


def confirm(exchange: AuthenticationOnly, message: Message) -> Step:
    """Initiator: check choice and proof, send IDii and our own proof."""
    exchange.check_choice(message)
    if not message.all(_PROOFS[exchange.method.family]):
        raise PeerError(NotifyType.PAYLOAD_MALFORMED, "HASH or SIG of the agreed method missing")
    exchange.take_nonce(message)
    exchange.find_secret()
    exchange.note_identity(message)
    event = exchange.authenticated(exchange.verify_proof(message))
    return Step(exchange.own_proof(), events=(event,))


def finish(exchange: AuthenticationOnly, message: Message) -> Step:
    """Responder: verify the initiator's proof."""
    exchange.note_identity(message)
    return Step(events=(exchange.authenticated(exchange.verify_proof(message)),))
