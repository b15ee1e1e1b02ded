"""Quick Mode with and without PFS, both roles, with client identities (RFC 2409 5.5).

```
HDR*, HASH(1), SA0 [, SA1 ... ], Ni [, KE ] [, IDci, IDcr ]  -->
                 <--  HDR*, HASH(2), SA0 [, SA1 ... ], Nr [, KE ] [, IDci, IDcr ]
HDR*, HASH(3)    -->
               [ <--  HDR*, HASH(4), N(CONNECTED) ]
```
What the SA payloads negotiate is in children.
The fourth message is an answer to who waits because of the commit bit (RFC 2408 3.1); its hash is
computed as HASH(1) is. Whoever sees the bit waits for CONNECTED, be it initiator or responder, and
repeats its own last message meanwhile; who set it says CONNECTED once it can receive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1 import diagnose, keys, status
from conformance.ikev1.children import SPI_SIZE, ChildNegotiation, OwnSpis, draw_cpi
from conformance.ikev1.constants import FLAG_COMMIT, ExchangeType, NotifyType, Protocol
from conformance.ikev1.errors import Divergence, PeerError
from conformance.ikev1.events import ChildInstalled, Role
from conformance.ikev1.exchange import Exchange
from conformance.ikev1.key_exchange import peer_nonce, shared_secret
from conformance.ikev1.payloads import (
    Hash,
    Identification,
    KeyExchange,
    NatOriginalAddress,
    Nonce,
    Notification,
    Payload,
    SecurityAssociation,
)
from conformance.ikev1.payloads.identification import selector_of_host
from conformance.ikev1.proposals import PHASE_2_NEGOTIATION, Phase, in_udp
from conformance.ikev1.state_table import State, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.crypto.dh import KeyPair
    from conformance.ikev1.config import Config, Phase2Proposal
    from conformance.ikev1.context import Child
    from conformance.ikev1.isakmp_sa import IsakmpSa
    from conformance.ikev1.message import Message
    from conformance.ikev1.natt import NatTraversal
    from conformance.ikev1.status import Lifetimes

_PAIR_OF_IDS = 2


@dataclass(slots=True, kw_only=True)
class QuickMode(Exchange):
    """One Quick Mode; its last message brings ChildInstalled, once for each SA payload."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.QUICK_MODE
    isakmp_sa: IsakmpSa
    spi_in: int
    """The first of our SPIs; more are drawn as they are needed."""
    children: list[ChildNegotiation] = field(default_factory=list)
    """One for each SA payload."""
    nonce_i: bytes = b""
    nonce_r: bytes = b""
    g_qm_xy: bytes = field(default=b"", repr=False)
    """The shared secret of this Quick Mode; empty without PFS."""
    notifications: tuple[Notification, ...] = ()
    peer_offer: tuple[Protocol, bytes] = (Protocol.ESP, b"")
    """Protocol and SPI of the peer's first proposal, for notifies about it."""
    client_ids: tuple[Identification, ...] = ()
    """IDci and IDcr as sent or received; empty where the initiator left them out."""
    nat: NatTraversal | None = None
    """Where there is a NAT between the peers; None for none."""
    peer_addresses: tuple[NatOriginalAddress, ...] = ()
    """NAT-OAi and NAT-OAr of the peer."""
    replaces: int | None = None
    """The inbound SPI of the pair that the new one is to replace."""
    peer_commits: bool = False
    """Whether the peer set the commit bit, so that we wait for CONNECTED."""
    owes_connected: bool = False
    """Whether the peer is now to be told CONNECTED in an Informational."""
    _pair: KeyPair | None = field(default=None, repr=False)
    _spis_drawn: int = 0

    @property
    def _message_id_octets(self) -> bytes:
        return self.message_id.to_bytes(4)

    @property
    def config(self) -> Config:
        """The endpoint's configuration."""
        return self.context.config

    def start(self, now: float) -> None:
        """Send the first message; to replace a pair, offer no more than what made it."""
        offers = list(enumerate(self.config.phase2_offers))
        old = self.context.children.get(self.replaces) if self.replaces is not None else None
        chosen = offers if old is None else offers[old.place : old.place + 1]
        self.children = [self._new_child(configured, place) for place, configured in chosen]
        if not all(child.configured for child in self.children):
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

    # -- SA payloads ----------------------------------------------------------------------------

    def _new_child(self, configured: Sequence[Phase2Proposal], place: int) -> ChildNegotiation:
        """For one SA payload; AH covers addresses that a NAT changes (RFC 3715 2.1)."""
        usable = tuple(one for one in configured if not (self.nat and "ah" in one.protocols))
        return ChildNegotiation(usable, self.negotiation, OwnSpis(self._draw_spi), place)

    def _draw_spi(self, protocol: Protocol) -> bytes:
        if protocol is Protocol.IPCOMP:
            own = (number for child in self.children for number in child.spis.values())
            standing = self.context.children.values()
            used = (number for child in standing for _, number, _ in child.spis)
            return draw_cpi(self.context.random, {*map(int.from_bytes, own), *used})
        self._spis_drawn += 1
        number = self.spi_in if self._spis_drawn == 1 else self.context.allocate_spi()
        return number.to_bytes(SPI_SIZE)

    def answer_offers(
        self, offered: Sequence[SecurityAssociation]
    ) -> tuple[SecurityAssociation, ...]:
        """Responder: choose of every SA payload; raises PeerError, and then of none.

        What is configured for the same place is preferred, but any may be asked for alone: a peer
        that replaces one pair of several offers no more than that.
        """
        configured, self.children = self.config.phase2_offers, []
        for number in range(len(offered)):
            place = number if number < len(configured) else 0
            preferred = (configured[place], *configured[:place], *configured[place + 1 :])
            self.children.append(self._new_child([*chain.from_iterable(preferred)], place))
        pairs = zip(self.children, offered, strict=True)
        return tuple(child.answer(sa) for child, sa in pairs)

    def check_answers(self, message: Message) -> None:
        """Initiator: every SA payload is answered, in order; raises PeerError."""
        answers = self.note_peer(message)
        if len(answers) != len(self.children):
            want, got = (f"{len(found)} payloads" for found in (self.children, answers))
            raise PeerError(
                NotifyType.BAD_PROPOSAL_SYNTAX,
                f"{got} of type SA",
                Divergence("SA payloads", want, got, "each that is offered is answered"),
                fatal=True,
            )
        for child, answer in zip(self.children, answers, strict=True):
            child.confirm(answer)

    # -- NAT traversal, RFC 3947 5 --------------------------------------------------------------

    @property
    def negotiation(self) -> Phase[Phase2Proposal]:
        """How proposals look on the wire: with a NAT between the peers, all in UDP."""
        nat = self.nat
        return in_udp(nat.flavour.modes) if nat and nat.flavour else PHASE_2_NEGOTIATION

    def own_addresses(self, modes: set[str]) -> tuple[Payload, ...]:
        """NAT-OAi and NAT-OAr, where transport mode may come of it (RFC 3947 5.2)."""
        if self.nat is None or "transport" not in modes:
            return ()
        return self.nat.original_addresses(self.address, self.role)

    @property
    def agreed_modes(self) -> set[str]:
        """The modes of all that is agreed on."""
        return {child.proposal.mode for child in self.children}

    def take_addresses(self, message: Message) -> None:
        """The peer's NAT-OA payloads, of which there must be two in transport mode.

        Raises PeerError.
        """
        self.peer_addresses = tuple(message.all(NatOriginalAddress))
        if self.nat and "transport" in self.agreed_modes:
            _check_addresses(len(self.peer_addresses))

    def own_key_exchange(self, pfs: str | None) -> tuple[Payload, ...]:
        """Our KE payload, or nothing without PFS."""
        if pfs is None:
            return ()
        self._pair = self.context.group(pfs).generate(self.context.random)
        return (KeyExchange(self._pair.public),)

    def take_key_exchange(self, message: Message) -> None:
        """g(qm)^xy from the peer's KE; raises PeerError where it contradicts the agreed group."""
        public = [one.data for one in message.all(KeyExchange)]
        if bool(public) != bool(self._pair):
            want, got = ("absent", "present") if public else ("present", "absent")
            raise PeerError(
                NotifyType.INVALID_KEY_INFORMATION,
                "the KE payload contradicts the agreed group",
                Divergence("KE payload", want, got, "PFS is agreed by the group description"),
                fatal=True,
            )
        if self._pair and public:
            self.g_qm_xy = shared_secret(self._pair, public[0])

    # -- hashes, RFC 2409 5.5 -------------------------------------------------------------------

    def hash_1(self, message: bytes) -> bytes:
        """HASH(1) over what follows it."""
        return self._hash_with_nonce(self._message_id_octets, b"", message)

    def hash_2(self, message: bytes) -> bytes:
        """HASH(2) over what follows it."""
        return self._hash_with_nonce(self._message_id_octets, self.nonce_i, message)

    def hash_3(self, _message: bytes = b"") -> bytes:
        """HASH(3), which covers no payload."""
        sa, nonces = self.isakmp_sa, (self.nonce_i, self.nonce_r)
        return keys.hash_3(sa.hash_name, sa.skeyid_a, self._message_id_octets, *nonces)

    def verify_hash(self, name: str, message: Message, nonce: bytes) -> None:
        """Check HASH(1) (nonce empty) or HASH(2) (nonce Ni_b); raises PeerError."""
        message_id, covered = self._message_id_octets, message.after_first
        variants = diagnose.phase_2_variants(
            self._hash_with_nonce, message_id, nonce, covered, message.padding
        )
        expected = self._hash_with_nonce(message_id, nonce, covered)
        diagnose.check_hash(name, expected, message.one(Hash).data, variants)

    def verify_hash_3(self, message: Message) -> None:
        """Check HASH(3); raises PeerError."""
        sa, message_id = self.isakmp_sa, self._message_id_octets
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

    def _hash_with_nonce(self, message_id: bytes, nonce: bytes, message: bytes) -> bytes:
        sa = self.isakmp_sa
        return keys.hash_2(sa.hash_name, sa.skeyid_a, message_id, nonce, message)

    # -- client identities, RFC 2409 5.5 --------------------------------------------------------

    def take_client_ids(self, message: Message) -> None:
        """Responder: IDci is our remote selector and IDcr our local one; raises PeerError.

        Without them the peers themselves are meant, so the remote selector must be the peer.
        """
        self.client_ids = tuple(message.all(Identification))
        if not self.client_ids:
            host = selector_of_host(self.address[0])
            diagnose.check_selector("implied IDci", self.config.remote_selector, host)
            return
        _check_count(_PAIR_OF_IDS, len(self.client_ids))
        diagnose.check_selector("IDci", self.config.remote_selector, self.client_ids[0])
        diagnose.check_selector("IDcr", self.config.local_selector, self.client_ids[1])

    def verify_client_ids(self, message: Message) -> None:
        """Initiator: the responder returns IDci and IDcr as we sent them; raises PeerError."""
        returned = message.all(Identification)
        _check_count(len(self.client_ids), len(returned))
        for name, sent, got in zip(("IDci", "IDcr"), self.client_ids, returned, strict=False):
            diagnose.check_selector(name, sent, got)

    # -- result ---------------------------------------------------------------------------------

    def _keymat(self, protocol: Protocol, spi: bytes, size: int) -> bytes:
        """KEYMAT of the direction whose receiver chose the SPI."""
        sa, nonces = self.isakmp_sa, (self.nonce_i, self.nonce_r)
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

    def note_peer(self, message: Message) -> list[SecurityAssociation]:
        """Remember the peer's SPI and notifies; gives its SA payloads."""
        offered = message.all(SecurityAssociation)
        proposals = (proposal for sa in offered for proposal in sa.proposals)
        first = next(((proposal.protocol, proposal.spi) for proposal in proposals), None)
        self.peer_offer = first or self.peer_offer
        self.notifications += tuple(message.all(Notification))
        return offered


def _check_addresses(found: int) -> None:
    if found != _PAIR_OF_IDS:
        raise PeerError(
            NotifyType.PAYLOAD_MALFORMED,
            f"{found} NAT-OA payloads",
            Divergence("NAT-OAi and NAT-OAr", "2 payloads", f"{found} payloads"),
            fatal=True,
        )


def _check_count(expected: int, found: int) -> None:
    if found != expected:
        raise PeerError(
            NotifyType.INVALID_ID_INFORMATION,
            f"{found} client identities",
            Divergence("IDci and IDcr", f"{expected} ID payloads", f"{found} ID payloads"),
            fatal=True,
        )


def answer_offer(exchange: QuickMode, message: Message) -> Step:
    """Responder: verify HASH(1), choose transforms, send HASH(2)."""
    exchange.verify_hash("HASH(1)", message, b"")
    exchange.note_commit(message)
    offered, config = exchange.note_peer(message), exchange.config
    exchange.take_client_ids(message)
    answers = exchange.answer_offers(offered)
    exchange.take_addresses(message)
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
    exchange.verify_hash("HASH(2)", message, exchange.nonce_i)
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
    exchange.verify_hash("HASH(4)", message, b"")
    kinds = {one.notify_type for one in message.all(Notification)}
    if NotifyType.CONNECTED not in kinds:
        raise PeerError(NotifyType.PAYLOAD_MALFORMED, "CONNECTED missing")
    exchange.note_ready()
    return Step(events=exchange.installed())
