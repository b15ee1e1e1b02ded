"""Quick Mode with and without PFS, both roles, with client identities (RFC 2409 5.5).

```
HDR*, HASH(1), SA, Ni [, KE ] [, IDci, IDcr ]  -->
                                               <--  HDR*, HASH(2), SA, Nr [, KE ] [, IDci, IDcr ]
HDR*, HASH(3)                                  -->
                                             [ <--  HDR*, HASH(4), N(CONNECTED) ]
```
The fourth message is an answer to who waits because of the commit bit (RFC 2408 3.1); its hash is
computed as HASH(1) is. Whoever sees the bit waits for CONNECTED, be it initiator or responder, and
repeats its own last message meanwhile; who set it says CONNECTED once it can receive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from conformance.crypto.ciphers import CIPHERS
from conformance.crypto.macs import MACS
from conformance.ikev1 import diagnose, keys, status
from conformance.ikev1.attributes import PHASE_2
from conformance.ikev1.config import PROTOCOLS
from conformance.ikev1.constants import FLAG_COMMIT, ExchangeType, NotifyType, Protocol
from conformance.ikev1.context import Child
from conformance.ikev1.errors import Divergence, LocalError, PeerError
from conformance.ikev1.events import ChildInstalled, Protection, Role
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
from conformance.ikev1.proposals import PHASE_2_NEGOTIATION, Agreement, Phase, in_udp
from conformance.ikev1.state_table import State, Step
from conformance.ikev1.status import NO_LIMITS, Lifetimes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.crypto.dh import KeyPair
    from conformance.ikev1.config import Config, Phase2Proposal
    from conformance.ikev1.isakmp_sa import IsakmpSa
    from conformance.ikev1.message import Message
    from conformance.ikev1.natt import NatTraversal

_SPI_SIZE = 4
_PAIR_OF_IDS = 2


@dataclass(slots=True, kw_only=True)
class QuickMode(Exchange):
    """One Quick Mode; its last message brings ChildInstalled."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.QUICK_MODE
    isakmp_sa: IsakmpSa
    spi_in: int
    agreement: Agreement[Phase2Proposal] | None = None
    nonce_i: bytes = b""
    nonce_r: bytes = b""
    g_qm_xy: bytes = field(default=b"", repr=False)
    """The shared secret of this Quick Mode; empty without PFS."""
    notifications: tuple[Notification, ...] = ()
    peer_spi: bytes = b""
    """The SPI in the peer's proposal, for notifies about it."""
    client_ids: tuple[Identification, ...] = ()
    """IDci and IDcr as sent or received; empty where the initiator left them out."""
    nat: NatTraversal | None = None
    """Where there is a NAT between the peers; None for none."""
    peer_addresses: tuple[NatOriginalAddress, ...] = ()
    """NAT-OAi and NAT-OAr of the peer."""
    replaces: int | None = None
    """The inbound SPI of the pair that the new one is to replace."""
    lifetimes: Lifetimes = NO_LIMITS
    """What the responder says that it will keep to (RFC 2407 4.6.3.1)."""
    peer_commits: bool = False
    """Whether the peer set the commit bit, so that we wait for CONNECTED."""
    owes_connected: bool = False
    """Whether the peer is now to be told CONNECTED in an Informational."""
    _pair: KeyPair | None = field(default=None, repr=False)

    @property
    def _message_id_octets(self) -> bytes:
        return self.message_id.to_bytes(4)

    @property
    def _spi_octets(self) -> bytes:
        return self.spi_in.to_bytes(_SPI_SIZE)

    @property
    def config(self) -> Config:
        """The endpoint's configuration."""
        return self.context.config

    def start(self, now: float) -> None:
        """Send the first message."""
        offer = self.negotiation.offer(self.config.phase2, self._spi_octets)
        self.nonce_i = self.context.random(self.config.nonce_size)
        if self.config.send_client_ids:
            self.client_ids = (self.config.local_selector, self.config.remote_selector)
        payloads: tuple[Payload, ...] = (
            offer,
            Nonce(self.nonce_i),
            *self.own_key_exchange(self.config.phase2[0].pfs),
            *self.client_ids,
            *self.own_addresses({proposal.mode for proposal in self.config.phase2}),
        )
        self.send(Step(payloads, self.hash_1, protected=True), now)

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

    def take_addresses(self, message: Message) -> None:
        """The peer's NAT-OA payloads, of which there must be two in transport mode.

        Raises PeerError.
        """
        self.peer_addresses = tuple(message.all(NatOriginalAddress))
        if self.nat and self._agreed.proposal.mode == "transport":
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

    def _keys(self, spi: bytes) -> tuple[bytes, bytes]:
        """Encryption and integrity key of the direction whose receiver chose the SPI."""
        sa, proposal = self.isakmp_sa, self._agreed.proposal
        encryption = CIPHERS[proposal.cipher].key_size
        keymat = keys.keymat(
            sa.hash_name,
            sa.skeyid_d,
            self.g_qm_xy,
            PROTOCOLS[proposal.protocol],
            spi,
            self.nonce_i,
            self.nonce_r,
            encryption + MACS[proposal.integrity].key_size,
        )
        return keymat[:encryption], keymat[encryption:]

    @property
    def _agreed(self) -> Agreement[Phase2Proposal]:
        if self.agreement is None:
            raise LocalError("phase 2 has not been negotiated yet")
        return self.agreement

    def installed(self) -> ChildInstalled:
        """The event of success."""
        agreement, proposal = self._agreed, self._agreed.proposal
        encryption_in, integrity_in = self._keys(self._spi_octets)
        encryption_out, integrity_out = self._keys(self.peer_spi)
        protection = Protection(
            proposal.protocol,
            self.spi_in,
            int.from_bytes(self.peer_spi),
            proposal.cipher,
            proposal.integrity,
            encryption_key_in=encryption_in,
            integrity_key_in=integrity_in,
            encryption_key_out=encryption_out,
            integrity_key_out=integrity_out,
        )
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
            protections=(protection,),
            local_selector=self.config.local_selector,
            remote_selector=self.config.remote_selector,
            lifetime_seconds=self.limits.seconds or agreement.lifetime_seconds,
            negotiated_lifetime_seconds=agreement.negotiated_seconds,
            notifications=self.notifications,
            lifetime_kilobytes=self.limits.kilobytes,
            peer_replay_detection=status.replay_detection(self.notifications),
            replaces=self.replaces,
            udp_encapsulation=self.nat is not None,
            original_addresses=tuple(str(one) for one in self.peer_addresses),
        )

    @property
    def limits(self) -> Lifetimes:
        """How long the new pair may be used: what is agreed on, configured and said beside it."""
        agreement = self._agreed
        agreed = Lifetimes(agreement.lifetime_seconds, agreement.lifetime_kilobytes)
        return agreed.shorter(self.lifetimes)

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

    @property
    def _protocol(self) -> Protocol:
        return Protocol(PROTOCOLS[self._agreed.proposal.protocol])

    def own_status(self) -> tuple[Notification, ...]:
        """Responder: what goes with the answer."""
        config, spi = self.config, self._spi_octets
        notifications = []
        agreed = status.read_lifetimes(PHASE_2, self._agreed.transform.attributes)
        if config.responder_lifetime and self.limits != agreed:
            notifications.append(
                status.responder_lifetime(PHASE_2, self._protocol, spi, self.limits)
            )
        if config.replay_status is not None:
            notifications.append(
                status.replay_status(self._protocol, spi, enabled=config.replay_status)
            )
        return tuple(notifications)

    def take_status(self, message: Message) -> None:
        """Initiator: what came with the answer; raises PeerError."""
        notifications = message.all(Notification)
        self.lifetimes = status.responder_lifetimes(PHASE_2, notifications, self._protocol)
        status.replay_detection(notifications)
        self.note_commit(message)

    @property
    def connected(self) -> Notification:
        """The new pair may be used."""
        return status.connected(self._protocol, self._spi_octets)

    def take_connected(self, notifications: Sequence[Notification]) -> bool:
        """Whether CONNECTED is among them; then the pair may be used."""
        found = any(one.notify_type is NotifyType.CONNECTED for one in notifications)
        if not found or self.state is not State.EXPECT_CONNECTED:
            return False
        self.finish(self.installed())
        return True

    @property
    def child(self) -> Child:
        """The pair of SAs as Delete payloads name it."""
        spi_out = int.from_bytes(self.peer_spi)
        return Child(self._agreed.proposal.protocol, self.spi_in, spi_out, self.cookie_i)

    def is_about(self, spi: bytes) -> bool:
        """Whether a notify with this SPI speaks of our offer or of the peer's."""
        return bool(spi) and spi in {self._spi_octets, self.peer_spi}

    def note_peer(self, message: Message) -> SecurityAssociation:
        """Remember the peer's SPI and notifies; gives its SA payload."""
        sa = message.one(SecurityAssociation)
        self.peer_spi = next((proposal.spi for proposal in sa.proposals), b"")
        self.notifications += tuple(message.all(Notification))
        return sa


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
    """Responder: verify HASH(1), choose a transform, send HASH(2)."""
    exchange.verify_hash("HASH(1)", message, b"")
    exchange.note_commit(message)
    offered, config = exchange.note_peer(message), exchange.config
    exchange.take_client_ids(message)
    spi = exchange.spi_in.to_bytes(_SPI_SIZE)
    exchange.agreement = exchange.negotiation.choose(offered, config.phase2, spi)
    exchange.take_addresses(message)
    chosen = exchange.agreement.sa.proposals[0]
    exchange.peer_spi = next(p.spi for p in offered.proposals if p.number == chosen.number)
    exchange.nonce_i, exchange.nonce_r = (
        peer_nonce(message),
        exchange.context.random(config.nonce_size),
    )
    key_exchange = exchange.own_key_exchange(exchange.agreement.proposal.pfs)
    exchange.take_key_exchange(message)
    payloads: tuple[Payload, ...] = (
        exchange.agreement.sa,
        Nonce(exchange.nonce_r),
        *key_exchange,
        *exchange.client_ids,
        *exchange.own_addresses({exchange.agreement.proposal.mode}),
        *exchange.own_status(),
    )
    return Step(payloads, exchange.hash_2, protected=True)


def confirm(exchange: QuickMode, message: Message) -> Step:
    """Initiator: verify HASH(2) and the choice, send HASH(3)."""
    exchange.verify_hash("HASH(2)", message, exchange.nonce_i)
    answer, config = exchange.note_peer(message), exchange.config
    offered = exchange.negotiation.offer(config.phase2, exchange.spi_in.to_bytes(_SPI_SIZE))
    exchange.agreement = exchange.negotiation.verify(offered, answer, config.phase2)
    exchange.verify_client_ids(message)
    exchange.nonce_r = peer_nonce(message)
    exchange.take_key_exchange(message)
    exchange.take_status(message)
    exchange.take_addresses(message)
    exchange.note_ready()
    if exchange.peer_commits:
        return Step((), exchange.hash_3, protected=True, next_state=State.EXPECT_CONNECTED)
    return Step((), exchange.hash_3, events=(exchange.installed(),), protected=True)


def install(exchange: QuickMode, message: Message) -> Step:
    """Responder: verify HASH(3); the SAs may be used, which a fourth message may confirm."""
    exchange.verify_hash_3(message)
    exchange.notifications += tuple(message.all(Notification))
    exchange.note_commit(message)
    exchange.note_ready()
    waits = exchange.peer_commits
    events = () if waits else (exchange.installed(),)
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
    return Step(events=(exchange.installed(),))
