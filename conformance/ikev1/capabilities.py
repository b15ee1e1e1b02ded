"""What the two ends of one ISAKMP SA can do beyond RFC 2409, said by Vendor IDs in phase 1.

RFC 2408 3.16, RFC 3706 5.1. Payloads that accompany phase 1 are added and read here, for every
exchange of phase 1 alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.ikev1 import status, vendor_ids
from conformance.ikev1.attributes import PHASE_1
from conformance.ikev1.constants import ExchangeType, NotifyType, PayloadType, Protocol
from conformance.ikev1.events import Role
from conformance.ikev1.fragments import ANNOUNCEMENTS
from conformance.ikev1.payloads import Notification, Payload, VendorId
from conformance.ikev1.status import NO_LIMITS, Lifetimes

if TYPE_CHECKING:
    from conformance.ikev1.config import Config
    from conformance.ikev1.message import Message
    from conformance.ikev1.natt import NatTraversal
    from conformance.ikev1.phase_1 import Phase1
    from conformance.ikev1.state_table import Step

_PROOFS = {PayloadType.HASH, PayloadType.SIG}


@dataclass(slots=True)
class Capabilities:
    """The Vendor IDs of both ends."""

    config: Config
    peer: set[str] = field(default_factory=set)
    """Names of the known Vendor IDs that the peer sent."""
    first_contact: bool = False
    """Whether we are to say that we hold no other SA with the peer."""
    peer_first_contact: bool = False
    """Whether the peer said so."""
    nat: NatTraversal | None = None
    """None where we are not to look for NATs."""
    lifetimes: Lifetimes = NO_LIMITS
    """What the responder said of the ISAKMP SA's lifetime (RFC 2407 4.6.3.1)."""

    def payloads(self, exchange: Phase1, step: Step) -> tuple[Payload, ...]:
        """What goes along with the payloads of one message of phase 1."""
        types = {one.payload_type for one in step.payloads}
        along: list[Payload] = []
        if PayloadType.SA in types:
            along += [VendorId(one) for one in self._announced(exchange.role)]
        along += self.nat.payloads(exchange, step) if self.nat else ()
        main_mode = exchange.exchange_type is ExchangeType.MAIN_MODE
        if main_mode and step.protected and types & _PROOFS:
            along += self._status(exchange)
        return tuple(along)

    def afterwards(self, exchange: Phase1) -> list[Notification]:
        """What Aggressive Mode could not carry under protection (RFC 2407 4.6.3)."""
        return [] if exchange.exchange_type is ExchangeType.MAIN_MODE else self._status(exchange)

    def _status(self, exchange: Phase1) -> list[Notification]:
        """Status notifies, which need the protection of phase 1."""
        cookies = exchange.cookie_i + exchange.cookie_r
        if exchange.role is Role.INITIATOR:
            return [status.initial_contact(cookies)] if self.first_contact else []
        agreement = exchange.agreement
        if not self.config.responder_lifetime or agreement is None:
            return []
        limits = Lifetimes(agreement.lifetime_seconds, agreement.lifetime_kilobytes)
        if limits == status.read_lifetimes(PHASE_1, agreement.transform.attributes):
            return []
        return [status.responder_lifetime(PHASE_1, Protocol.ISAKMP, cookies, limits)]

    def take(self, exchange: Phase1, message: Message) -> None:
        """Read what came along with an accepted message of phase 1; raises PeerError."""
        if message.header.encrypted:
            self.take_status(message.all(Notification))
        names = (vendor_ids.name_of(one.data) for one in message.all(VendorId))
        self.peer.update(name for name in names if name)
        if self.config.fragmentation and "FRAGMENTATION" in self.peer:
            exchange.context.fragment_to.setdefault(exchange.cookie_i, 1)
        if self.nat is not None:
            self.nat.choose(self.peer)
            self.nat.take(exchange, message)

    def take_status(self, notifications: list[Notification]) -> None:
        """Remember status notifies that came under protection; raises PeerError."""
        said = status.responder_lifetimes(PHASE_1, notifications, Protocol.ISAKMP)
        self.lifetimes = self.lifetimes.shorter(said)
        kinds = {one.notify_type for one in notifications}
        self.peer_first_contact |= NotifyType.INITIAL_CONTACT in kinds

    def _announced(self, role: Role) -> list[bytes]:
        announced = [vendor_ids.DPD] if self.config.dpd else []
        announced += [vendor_ids.XAUTH] if self.config.xauth else []
        host_or_gateway = self.config.mode_config
        announced += [vendor_ids.UNITY] if host_or_gateway and host_or_gateway.unity else []
        policy = self.config.fragmentation
        announced += [ANNOUNCEMENTS[policy.flavour]] if policy else []
        return announced + (self.nat.vendor_ids(role) if self.nat else [])
