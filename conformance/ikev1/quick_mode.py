"""Quick Mode with and without PFS, both roles, with client identities (RFC 2409 5.5).

```
HDR*, HASH(1), SA0 [, SA1 ... ], Ni [, KE ] [, IDci, IDcr ]  -->
                 <--  HDR*, HASH(2), SA0 [, SA1 ... ], Nr [, KE ] [, IDci, IDcr ]
HDR*, HASH(3)    -->
               [ <--  HDR*, HASH(4), N(CONNECTED) ]
```
What its payloads negotiate is in negotiation and children.
The fourth message is an answer to who waits because of the commit bit (RFC 2408 3.1); its hash is
computed as HASH(1) is. Whoever sees the bit waits for CONNECTED, be it initiator or responder, and
repeats its own last message meanwhile; who set it says CONNECTED once it can receive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1 import diagnose, keys, status
from conformance.ikev1.constants import FLAG_COMMIT, ExchangeType, NotifyType, Protocol
from conformance.ikev1.errors import PeerError
from conformance.ikev1.events import ChildInstalled, Role
from conformance.ikev1.key_exchange import peer_nonce
from conformance.ikev1.negotiation import Negotiation
from conformance.ikev1.payloads import Hash, Nonce, Notification, Payload
from conformance.ikev1.state_table import State, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.ikev1.children import ChildNegotiation
    from conformance.ikev1.context import Child
    from conformance.ikev1.message import Message
    from conformance.ikev1.status import Lifetimes


@dataclass(slots=True, kw_only=True)
class QuickMode(Negotiation):
    """One Quick Mode; its last message brings ChildInstalled, once for each SA payload."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.QUICK_MODE
    peer_commits: bool = False
    """Whether the peer set the commit bit, so that we wait for CONNECTED."""
    owes_connected: bool = False
    """Whether the peer is now to be told CONNECTED in an Informational."""

    def start(self, now: float) -> None:
        """Send the first message."""
        if not self.begin():
            self.fail("AH cannot pass the NAT between the peers (RFC 3715 2.1)")
            return
        self.nonce_i = self.context.random(self.config.nonce_size)
        if self.config.send_client_ids:
            self.client_ids = (self.config.local_selector, self.config.remote_selector)
        payloads: tuple[Payload, ...] = (
            *(child.offer() for child in self.children),
            Nonce(self.nonce_i),
            *self.own_key_exchange(self.config.phase2[0].pfs),
            *self.client_ids,
            *self.own_addresses({one.mode for child in self.children for one in child.configured}),
        )
        self.send(Step(payloads, self.hash_1, protected=True), now)

    # -- hashes, RFC 2409 5.5 -------------------------------------------------------------------

    def hash_2(self, message: bytes) -> bytes:
        """HASH(2) over what follows it."""
        return self.hash_with_nonce(self.message_id.to_bytes(4), self.nonce_i, message)

    def hash_3(self, _message: bytes = b"") -> bytes:
        """HASH(3), which covers no payload."""
        sa, nonces = self.sa, (self.nonce_i, self.nonce_r)
        return keys.hash_3(sa.hash_name, sa.skeyid_a, self.message_id.to_bytes(4), *nonces)

    def verify_hash_3(self, message: Message) -> None:
        """Check HASH(3); raises PeerError."""
        sa, message_id = self.sa, self.message_id.to_bytes(4)
        nonces = self.nonce_i + self.nonce_r
        variants = [
            ("the leading 0 were left out", message_id + nonces),
            ("the nonces were swapped", b"\0" + message_id + self.nonce_r + self.nonce_i),
            ("the message ID were left out", b"\0" + nonces),
        ]
        computed = [
            (text, keys.hash_1(sa.hash_name, sa.skeyid_a, b"", data)) for text, data in variants
        ]
        diagnose.check_hash("HASH(3)", self.hash_3(), message.one(Hash).data, computed)

    # -- result ---------------------------------------------------------------------------------

    def _keymat(self, protocol: Protocol, spi: bytes, size: int) -> bytes:
        """KEYMAT of the direction whose receiver chose the SPI."""
        sa, nonces = self.sa, (self.nonce_i, self.nonce_r)
        return keys.keymat(sa.hash_name, sa.skeyid_d, self.g_qm_xy, protocol, spi, *nonces, size)

    def installed(self) -> tuple[ChildInstalled, ...]:
        """The events of success, one for each SA payload."""
        return tuple(map(self._installed, self.children))

    def _installed(self, child: ChildNegotiation) -> ChildInstalled:
        agreement, proposal = child.agreed, child.proposal
        addresses = self.peer_addresses if proposal.mode == "transport" else ()
        return ChildInstalled(
            role=self.role,
            cookie_i=self.cookie_i,
            cookie_r=self.cookie_r,
            message_id=self.message_id,
            protocol=proposal.protocol,
            mode=proposal.mode,
            cipher=proposal.cipher,
            integrity=proposal.integrity,
            pfs=proposal.pfs,
            protections=tuple(child.protections(self._keymat)),
            local_selector=self.config.local_selector,
            remote_selector=self.config.remote_selector,
            lifetime_seconds=child.limits.seconds or agreement.lifetime_seconds,
            negotiated_lifetime_seconds=agreement.negotiated_seconds,
            notifications=self.notifications,
            lifetime_kilobytes=child.limits.kilobytes,
            peer_replay_detection=status.replay_detection(self.notifications),
            replaces=self.replaces,
            udp_encapsulation=self.nat is not None,
            non_ike_marker=self.nat is not None and self.nat.shares_port_500,
            original_addresses=tuple(str(one) for one in addresses),
            esn=proposal.esn,
        )

    @property
    def pairs(self) -> list[tuple[Child, Lifetimes]]:
        """Every pair of SAs as Delete payloads name it, and how long it may be used."""
        return [(child.child(self.cookie_i), child.limits) for child in self.children]

    # -- status and commit bit, RFC 2407 4.6.3, RFC 2408 3.1 ------------------------------------

    @property
    def header_flags(self) -> int:
        """The commit bit, where we set it; either side may (RFC 2408 3.1)."""
        as_initiator, as_responder = self.config.initiator_commits, bool(self.config.commit)
        commits = as_initiator if self.role is Role.INITIATOR else as_responder
        return FLAG_COMMIT if commits else 0

    def note_ready(self) -> None:
        """We can receive on the new pair, which the peer is told where we set the commit bit."""
        informational = self.config.commit == "informational"
        initiator = self.role is Role.INITIATOR
        self.owes_connected = self.config.initiator_commits if initiator else informational

    def note_commit(self, message: Message) -> None:
        """The peer can set the commit bit in any message, and does not take it back."""
        self.peer_commits |= bool(message.header.flags & FLAG_COMMIT)

    def own_status(self) -> tuple[Notification, ...]:
        """Responder: what goes with the answer."""
        lifetime, replay = self.config.responder_lifetime, self.config.replay_status
        return tuple(
            one
            for child in self.children
            for one in child.own_status(lifetime=lifetime, replay=replay)
        )

    def take_status(self, message: Message) -> None:
        """Initiator: what came with the answer; raises PeerError."""
        notifications = message.all(Notification)
        for child in self.children:
            alone = len(self.children) == 1
            child.take_status([one for one in notifications if alone or child.is_about(one.spi)])
        status.replay_detection(notifications)
        self.note_commit(message)

    @property
    def connected(self) -> Notification:
        """What was negotiated may be used."""
        return self.children[0].connected

    def take_connected(self, notifications: Sequence[Notification]) -> bool:
        """Whether CONNECTED is among them; then the SAs may be used."""
        found = any(one.notify_type is NotifyType.CONNECTED for one in notifications)
        if not found or self.state is not State.EXPECT_CONNECTED:
            return False
        self.finish(*self.installed())
        return True

    def is_about(self, spi: bytes) -> bool:
        """Whether a notify with this SPI speaks of our offer or of the peer's."""
        named = spi == self.peer_offer[1] or any(child.is_about(spi) for child in self.children)
        return bool(spi) and named


def answer_offer(exchange: QuickMode, message: Message) -> Step:
    """Responder: verify HASH(1), choose transforms, send HASH(2)."""
    exchange.verify_hash(message)
    exchange.note_commit(message)
    offered, config = exchange.note_peer(message), exchange.config
    answers = exchange.answer_offers(offered)
    exchange.take_addresses(message)
    exchange.take_client_ids(message)
    exchange.nonce_i = peer_nonce(message)
    exchange.nonce_r = exchange.context.random(config.nonce_size)
    key_exchange = exchange.own_key_exchange(config.phase2[0].pfs)
    exchange.take_key_exchange(message)
    payloads: tuple[Payload, ...] = (
        *answers,
        Nonce(exchange.nonce_r),
        *key_exchange,
        *exchange.client_ids,
        *exchange.own_addresses(exchange.agreed_modes),
        *exchange.own_status(),
    )
    return Step(payloads, exchange.hash_2, protected=True)


def confirm(exchange: QuickMode, message: Message) -> Step:
    """Initiator: verify HASH(2) and the choice, send HASH(3)."""
    exchange.verify_hash(message, "HASH(2)", exchange.nonce_i)
    exchange.check_answers(message)
    exchange.verify_client_ids(message)
    exchange.nonce_r = peer_nonce(message)
    exchange.take_key_exchange(message)
    exchange.take_status(message)
    exchange.take_addresses(message)
    exchange.note_ready()
    if exchange.peer_commits:
        return Step((), exchange.hash_3, protected=True, next_state=State.EXPECT_CONNECTED)
    return Step((), exchange.hash_3, events=exchange.installed(), protected=True)


def install(exchange: QuickMode, message: Message) -> Step:
    """Responder: verify HASH(3); the SAs may be used, which a fourth message may confirm."""
    exchange.verify_hash_3(message)
    exchange.notifications += tuple(message.all(Notification))
    exchange.note_commit(message)
    exchange.note_ready()
    waits = exchange.peer_commits
    events = () if waits else exchange.installed()
    following = State.EXPECT_CONNECTED if waits else None
    if exchange.config.commit == "quick-mode":
        fourth = (exchange.connected,)
        return Step(fourth, exchange.hash_1, events, protected=True, next_state=following)
    return Step(events=events, next_state=following, repeats_last=waits)


def take_fourth(exchange: QuickMode, message: Message) -> Step:
    """Initiator: verify the hash of the fourth message; the SAs may be used."""
    exchange.verify_hash(message, "HASH(4)")
    kinds = {one.notify_type for one in message.all(Notification)}
    if NotifyType.CONNECTED not in kinds:
        raise PeerError(NotifyType.PAYLOAD_MALFORMED, "CONNECTED missing")
    exchange.note_ready()
    return Step(events=exchange.installed())
