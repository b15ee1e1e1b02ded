"""What Quick Mode negotiates beside its hashes: SAs, NAT-OA, KE and client identities.

RFC 2409 5.5, RFC 3947 5. What one SA payload makes is in children.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from conformance.ikev1 import diagnose
from conformance.ikev1.children import SPI_SIZE, ChildNegotiation, OwnSpis, draw_cpi
from conformance.ikev1.constants import NotifyType, Protocol
from conformance.ikev1.errors import Divergence, PeerError
from conformance.ikev1.hashed import Hashed
from conformance.ikev1.key_exchange import shared_secret
from conformance.ikev1.payloads import (
    Identification,
    KeyExchange,
    NatOriginalAddress,
    Notification,
    Payload,
    SecurityAssociation,
)
from conformance.ikev1.payloads.identification import selector_of_host
from conformance.ikev1.proposals import PHASE_2_NEGOTIATION, Phase, in_udp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.crypto.dh import KeyPair
    from conformance.ikev1.config import Config, Phase2Proposal
    from conformance.ikev1.message import Message
    from conformance.ikev1.natt import NatTraversal

_PAIR_OF_IDS = 2


@dataclass(slots=True, kw_only=True)
class Negotiation(Hashed):
    """The payloads of Quick Mode, in either role."""

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
    _pair: KeyPair | None = field(default=None, repr=False)
    _spis_drawn: int = 0

    @property
    def config(self) -> Config:
        """The endpoint's configuration."""
        return self.context.config

    # -- SA payloads ----------------------------------------------------------------------------

    def begin(self) -> bool:
        """Initiator: what is to be offered; of a pair to replace no more than what made it.

        False where a NAT leaves nothing of an offer.
        """
        offers = list(enumerate(self.config.phase2_offers))
        old = self.context.children.get(self.replaces) if self.replaces is not None else None
        chosen = offers if old is None else offers[old.place : old.place + 1]
        self.children = [self._new_child(configured, place) for place, configured in chosen]
        return all(child.configured for child in self.children)

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

    def note_peer(self, message: Message) -> list[SecurityAssociation]:
        """Remember the peer's SPI and notifies; gives its SA payloads."""
        offered = message.all(SecurityAssociation)
        proposals = (proposal for sa in offered for proposal in sa.proposals)
        first = next(((proposal.protocol, proposal.spi) for proposal in proposals), None)
        self.peer_offer = first or self.peer_offer
        self.notifications += tuple(message.all(Notification))
        return offered

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

    # -- PFS, RFC 2409 5.5 ----------------------------------------------------------------------

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

    # -- client identities, RFC 2409 5.5 --------------------------------------------------------

    def take_client_ids(self, message: Message) -> None:
        """Responder: IDci is our remote selector and IDcr our local one; raises PeerError.

        Without them the peers themselves are meant, so the remote selector must be the peer.
        """
        self.client_ids, config = tuple(message.all(Identification)), self.config
        if not self.client_ids:
            host = selector_of_host(self.address[0])
            diagnose.check_selector("implied IDci", config.remote_selector, host)
            return
        _check_count(_PAIR_OF_IDS, len(self.client_ids))
        selectors = (config.remote_selector, config.local_selector)
        for name, selector, known_as, got in zip(
            ("IDci", "IDcr"), selectors, self._known_as(selectors), self.client_ids, strict=True
        ):
            if not known_as.covers_same(got):
                diagnose.check_selector(name, selector, got)

    def _known_as(self, selectors: tuple[Identification, ...]) -> list[Identification]:
        """Our selectors as the initiator names them.

        In transport mode it names the hosts by the original addresses of NAT-OA, which a NAT in
        between makes others than we see (RFC 3947 5.2).
        """
        if self.nat is None or self.agreed_modes != {"transport"}:
            return [*selectors]
        seen = (self.address[0], self.nat.local[0])
        known_as = []
        for selector, address, original in zip(selectors, seen, self.peer_addresses, strict=True):
            host = selector_of_host(str(original))
            is_host = selector.addresses == selector_of_host(address).addresses
            known = replace(selector, type=host.type, data=host.data)
            known_as.append(known if is_host else selector)
        return known_as

    def verify_client_ids(self, message: Message) -> None:
        """Initiator: the responder returns IDci and IDcr as we sent them; raises PeerError."""
        returned = message.all(Identification)
        _check_count(len(self.client_ids), len(returned))
        for name, sent, got in zip(("IDci", "IDcr"), self.client_ids, returned, strict=False):
            diagnose.check_selector(name, sent, got)


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
