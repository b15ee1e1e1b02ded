"""What the two ends of one ISAKMP SA can do beyond RFC 2409, said by Vendor IDs in phase 1.

RFC 2408 3.16, RFC 3706 5.1. Payloads that accompany phase 1 are added and read here, for every
exchange of phase 1 alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.ikev1 import vendor_ids
from conformance.ikev1.constants import PayloadType
from conformance.ikev1.payloads import Payload, VendorId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.ikev1.config import Config
    from conformance.ikev1.exchange import Exchange
    from conformance.ikev1.message import Message


@dataclass(slots=True)
class Capabilities:
    """The Vendor IDs of both ends."""

    config: Config
    peer: set[str] = field(default_factory=set)
    """Names of the known Vendor IDs that the peer sent."""

    def payloads(self, exchange: Exchange, own: Sequence[Payload]) -> tuple[Payload, ...]:
        """What goes along with the payloads of one message of phase 1."""
        del exchange
        carries_sa = any(one.payload_type is PayloadType.SA for one in own)
        return tuple(VendorId(one) for one in self._announced()) if carries_sa else ()

    def take(self, exchange: Exchange, message: Message) -> None:
        """Read what came along with an accepted message of phase 1; raises PeerError."""
        del exchange
        names = (vendor_ids.name_of(one.data) for one in message.all(VendorId))
        self.peer.update(name for name in names if name)

    def _announced(self) -> list[bytes]:
        return [vendor_ids.DPD] if self.config.dpd else []
