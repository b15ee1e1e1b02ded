"""NAT traversal: who is behind a NAT, and what follows from it (RFC 3947, RFC 3948).

```
HDR, SA, VID               -->
                           <--  HDR, SA, VID
HDR, KE, Ni, NAT-D, NAT-D  -->
                           <--  HDR, KE, Nr, NAT-D, NAT-D
```
From then on both speak on port 4500, with a marker that no ESP packet begins with.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from conformance.crypto.prf import digest
from conformance.ikev1.constants import ExchangeType, NotifyType, PayloadType
from conformance.ikev1.errors import LocalError, PeerError
from conformance.ikev1.events import PathProbed, Role
from conformance.ikev1.payloads.base import OpaquePayload
from conformance.ikev1.payloads.nat import (
    NatOriginalAddress,
    NatOriginalAddressDraft,
    NatOriginalAddressLateDraft,
)
from conformance.ikev1.vendor_ids import VENDOR_IDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.ikev1.context import Address
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload
    from conformance.ikev1.phase_1 import Phase1
    from conformance.ikev1.policies import NatPolicy
    from conformance.ikev1.state_table import Step

NATT_PORT = 4500
"""Where IKE and UDP-encapsulated ESP share a port (RFC 3947 4)."""
KEEPALIVE = b"\xff"
"""The whole of a keepalive datagram (RFC 3948 2.3)."""


class Flavour(NamedTuple):
    """One document of NAT traversal by its numbers."""

    name: str
    vendor_id: str
    nat_d: PayloadType
    original_address: type[NatOriginalAddress]
    modes: Mapping[str, int]
    """UDP-encapsulated mode for each mode."""
    floats: bool = True
    """Whether both peers leave port 500 for 4500 where there is a NAT."""


_RFC_MODES = {"tunnel": 3, "transport": 4}
_DRAFT_MODES = {"tunnel": 61443, "transport": 61444}
_DRAFT = (PayloadType.NAT_D_DRAFT, NatOriginalAddressDraft, _DRAFT_MODES)
_LATE = (PayloadType.NAT_D_LATE_DRAFT, NatOriginalAddressLateDraft, _RFC_MODES)

FLAVOURS = (
    Flavour("rfc", "RFC 3947", PayloadType.NAT_D, NatOriginalAddress, _RFC_MODES),
    Flavour("draft-08", "draft-ietf-ipsec-nat-t-ike-08", *_LATE),
    Flavour("draft-07", "draft-ietf-ipsec-nat-t-ike-07", *_LATE),
    Flavour("draft-06", "draft-ietf-ipsec-nat-t-ike-06", *_LATE),
    Flavour("draft-05", "draft-ietf-ipsec-nat-t-ike-05", *_LATE),
    Flavour("draft-04", "draft-ietf-ipsec-nat-t-ike-04", *_LATE),
    Flavour("draft-03", "draft-ietf-ipsec-nat-t-ike-03", *_DRAFT),
    Flavour("draft-02n", "draft-ietf-ipsec-nat-t-ike-02\\n", *_DRAFT),
    Flavour("draft-02", "draft-ietf-ipsec-nat-t-ike-02", *_DRAFT),
    Flavour("draft-01", "draft-ietf-ipsec-nat-t-ike-01", *_DRAFT, floats=False),
    Flavour("draft-00", "draft-ietf-ipsec-nat-t-ike-00", *_DRAFT, floats=False),
)
"""Newest first. Without a port of its own ESP follows a marker of eight zeros on port 500."""


def nat_d(hash_name: str, cookie_i: bytes, cookie_r: bytes, address: Address) -> bytes:
    """HASH(CKY-I | CKY-R | IP | Port), RFC 3947 3.2."""
    ip, port = ip_address(address[0]).packed, address[1].to_bytes(2)
    return digest(hash_name, cookie_i + cookie_r + ip + port)


@dataclass(slots=True)
class NatTraversal:
    """What two peers found out about the path between them."""

    policy: NatPolicy
    local: Address
    """Where we send from, before any NAT."""
    flavour: Flavour | None = None
    """What both peers support; None before that is known, or for nothing."""
    we_are_behind: bool = False
    peer_is_behind: bool = False
    checked: bool = False
    """Whether the peer's NAT-D payloads have been seen."""
    keepalive_at: float | None = None

    @property
    def detected(self) -> bool:
        """Whether there is a NAT, or one of the peers pretends so."""
        return self.checked and (self.we_are_behind or self.peer_is_behind or self.policy.force)

    @property
    def shares_port_500(self) -> bool:
        """Whether ESP in UDP stays with IKE on port 500, as in the drafts 00 and 01."""
        return self.flavour is not None and not self.flavour.floats

    def vendor_ids(self, role: Role) -> list[bytes]:
        """All that we support, or as responder what we chose of the initiator's."""
        if role is Role.RESPONDER:
            chosen = [self.flavour] if self.flavour else []
        else:
            chosen = [one for one in FLAVOURS if one.name in self.policy.flavours]
        return [VENDOR_IDS[one.vendor_id].data for one in chosen]

    def choose(self, peer: set[str]) -> None:
        """The newest that both support, by names of the peer's Vendor IDs."""
        common = [
            one for one in FLAVOURS if one.name in self.policy.flavours and one.vendor_id in peer
        ]
        self.flavour = common[0] if common else None

    def payloads(self, exchange: Phase1, step: Step) -> tuple[Payload, ...]:
        """The NAT-D payloads: where we send to, then wherever we may send from (RFC 3947 3.2)."""
        if self.flavour is None or not _carries_nat_d(exchange, step):
            return ()
        nowhere = ("0.0.0.0", 0)  # noqa: S104 - no address that we listen on
        sources = [nowhere] if self.policy.force else self._sources(exchange)
        nat_d_type = self.flavour.nat_d
        return tuple(
            OpaquePayload(nat_d_type, self._hash(exchange, one))
            for one in (exchange.address, *sources)
        )

    def take(self, exchange: Phase1, message: Message) -> None:
        """Compare the peer's NAT-D payloads with the addresses we see; raises PeerError."""
        if self.flavour is None:
            return
        hashes = [
            one.data for one in message.all(OpaquePayload) if one.payload_type is self.flavour.nat_d
        ]
        if not hashes:
            return
        ours = [self._hash(exchange, one) for one in self._sources(exchange)]
        theirs = self._hash(exchange, exchange.address)
        if len(hashes) == 1 or any(len(one) != len(ours[0]) for one in hashes):
            sizes = ", ".join(str(len(one)) for one in hashes)
            raise PeerError(NotifyType.PAYLOAD_MALFORMED, f"NAT-D payloads of {sizes} octets")
        self.we_are_behind = not any(hmac.compare_digest(hashes[0], one) for one in ours)
        matches = [hmac.compare_digest(one, theirs) for one in hashes[1:]]
        self.peer_is_behind, self.checked = not any(matches), True
        moves = self.flavour.floats and exchange.address not in exchange.context.marked
        if self.detected and exchange.role is Role.INITIATOR and moves:
            exchange.address = (exchange.address[0], NATT_PORT)
            exchange.context.marked.add(exchange.address)
        exchange.context.events.append(
            PathProbed(self.flavour.name, self.we_are_behind, self.peer_is_behind)
        )

    def original_addresses(self, remote: Address, role: Role) -> tuple[NatOriginalAddress, ...]:
        """NAT-OAi and NAT-OAr as we know them (RFC 3947 5.2)."""
        if self.flavour is None:
            raise LocalError("no NAT traversal, no NAT-OA")
        build = self.flavour.original_address
        mine, yours = build(ip_address(self.local[0])), build(ip_address(remote[0]))
        return (mine, yours) if role is Role.INITIATOR else (yours, mine)

    # -- keepalives, RFC 3948 4 -----------------------------------------------------------------

    def note_sent(self, now: float) -> None:
        """Something went out, so the NAT keeps its mapping for another while."""
        behind = self.checked and (self.we_are_behind or self.policy.force)
        self.keepalive_at = now + self.policy.keepalive if behind else None

    def keepalive_due(self, now: float) -> bool:
        """Whether to send a keepalive now."""
        return self.keepalive_at is not None and now >= self.keepalive_at

    def _sources(self, exchange: Phase1) -> list[Address]:
        """Where we may send from: port 4500 wherever the marker is used (RFC 3947 4)."""
        marked = exchange.address in exchange.context.marked
        port = NATT_PORT if marked else self.local[1]
        others = [one for one in self.policy.other_addresses if one != self.local[0]]
        return [(one, port) for one in (self.local[0], *others)]

    def _hash(self, exchange: Phase1, address: Address) -> bytes:
        return nat_d(exchange.proposal.hash, exchange.cookie_i, exchange.cookie_r, address)


def _carries_nat_d(exchange: Phase1, step: Step) -> bool:
    """Messages 3 and 4 of Main Mode, 2 and 3 of Aggressive Mode (RFC 3947 3.2).

    In the Base exchange they travel with KE, too.
    """
    types = {one.payload_type for one in step.payloads}
    if exchange.exchange_type in {ExchangeType.MAIN_MODE, ExchangeType.BASE}:
        return PayloadType.KE in types
    return exchange.role is Role.RESPONDER or PayloadType.SA not in types
