"""What one SA payload of Quick Mode makes: SPIs, the suite agreed on, its keys and its limits.

RFC 2409 5.5, RFC 2408 4.2, RFC 2407 4.6.3, RFC 3173 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.crypto.transforms import AH_TRANSFORMS, ESP_INTEGRITY, ESP_TRANSFORMS
from conformance.ikev1 import status
from conformance.ikev1.attributes import PHASE_2
from conformance.ikev1.config import PROTOCOLS
from conformance.ikev1.constants import Protocol
from conformance.ikev1.context import Child
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import Protection
from conformance.ikev1.status import NO_LIMITS, Lifetimes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.crypto.random import RandomSource
    from conformance.ikev1.config import Phase2Proposal
    from conformance.ikev1.payloads import Notification, SecurityAssociation
    from conformance.ikev1.proposals import Agreement, Phase

SPI_SIZE, CPI_SIZE = 4, 2
"""Octets of an SPI of AH and ESP, and of a CPI of IPComp."""
_NEGOTIABLE_CPIS = range(256, 61440)
"""RFC 3173 3.3; a well-known CPI would not name one pair of SAs."""


def draw_cpi(random: RandomSource, taken: set[int]) -> bytes:
    """A CPI that no pair of SAs uses."""
    while True:
        octets = random(CPI_SIZE)
        number = int.from_bytes(octets)
        if number in _NEGOTIABLE_CPIS and number not in taken:
            return octets


class OwnSpis(dict[Protocol, bytes]):
    """Our SPI for each protocol, drawn when it is first asked for."""

    def __init__(self, draw: Callable[[Protocol], bytes]) -> None:
        super().__init__()
        self._draw = draw

    def __missing__(self, protocol: Protocol) -> bytes:
        self[protocol] = spi = self._draw(protocol)
        return spi


@dataclass(slots=True)
class ChildNegotiation:
    """One SA payload: what is configured for it and what comes of it."""

    configured: tuple[Phase2Proposal, ...]
    negotiation: Phase[Phase2Proposal]
    spis: OwnSpis
    place: int = 0
    """Which of the configured offers it is."""
    offered: SecurityAssociation | None = None
    """What we offered as initiator."""
    agreement: Agreement[Phase2Proposal] | None = None
    peer_spis: dict[Protocol, bytes] = field(default_factory=dict)
    lifetimes: Lifetimes = NO_LIMITS
    """What the responder says that it will keep to (RFC 2407 4.6.3.1)."""

    # -- negotiation ----------------------------------------------------------------------------

    def offer(self) -> SecurityAssociation:
        """Initiator: everything configured."""
        self.offered = self.negotiation.offer(self.configured, self.spis)
        return self.offered

    def answer(self, offered: SecurityAssociation) -> SecurityAssociation:
        """Responder: what we choose of an offer; raises PeerError."""
        self.agreement = self.negotiation.choose(offered, self.configured, self.spis)
        number = self.agreement.sa.proposals[0].number
        chosen = [proposal for proposal in offered.proposals if proposal.number == number]
        self.peer_spis = {proposal.protocol: proposal.spi for proposal in chosen}
        return self.agreement.sa

    def confirm(self, answer: SecurityAssociation) -> None:
        """Initiator: check the responder's choice; raises PeerError."""
        if self.offered is None:
            raise LocalError("nothing has been offered yet")
        self.agreement = self.negotiation.verify(self.offered, answer, self.configured)
        self.peer_spis = {proposal.protocol: proposal.spi for proposal in answer.proposals}

    @property
    def agreed(self) -> Agreement[Phase2Proposal]:
        """The agreement; raises LocalError before there is one."""
        if self.agreement is None:
            raise LocalError("phase 2 has not been negotiated yet")
        return self.agreement

    @property
    def proposal(self) -> Phase2Proposal:
        """The agreed proposal; raises LocalError before there is one."""
        return self.agreed.proposal

    @property
    def protocols(self) -> list[Protocol]:
        """The protocols of the agreed suite, outermost first."""
        return [Protocol(PROTOCOLS[name]) for name in self.proposal.protocols]

    def is_about(self, spi: bytes) -> bool:
        """Whether an SPI is one of ours or the peer's."""
        return spi in self.spis.values() or spi in self.peer_spis.values()

    # -- result ---------------------------------------------------------------------------------

    def protections(self, keymat: Callable[[Protocol, bytes, int], bytes]) -> list[Protection]:
        """Every protocol of the suite with its keys.

        Keymat takes protocol, SPI and octets wanted, for the direction whose receiver chose the
        SPI; the key for encryption comes first, then that for integrity (RFC 2401 4.4.3).
        """
        return [self._protection(protocol, keymat) for protocol in self.protocols]

    def _protection(
        self, protocol: Protocol, keymat: Callable[[Protocol, bytes, int], bytes]
    ) -> Protection:
        names, sizes = _algorithms(self.proposal, protocol)
        octets = [self.spis[protocol], self.peer_spis[protocol]]
        keys = [keymat(protocol, spi, sum(sizes)) if sum(sizes) else b"" for spi in octets]
        (encryption_in, integrity_in), (encryption_out, integrity_out) = (
            (key[: sizes[0]], key[sizes[0] :]) for key in keys
        )
        spi_in, spi_out = (_number(protocol, spi) for spi in octets)
        return Protection(
            protocol.label.lower(),
            spi_in,
            spi_out,
            *names,
            encryption_key_in=encryption_in,
            integrity_key_in=integrity_in,
            encryption_key_out=encryption_out,
            integrity_key_out=integrity_out,
        )

    def child(self, cookie_i: bytes) -> Child:
        """The pair of SAs as Delete payloads name it."""
        spis = tuple(
            (
                protocol,
                _number(protocol, self.spis[protocol]),
                _number(protocol, self.peer_spis[protocol]),
            )
            for protocol in self.protocols
        )
        _, spi_in, spi_out = spis[0]
        return Child(self.proposal.protocol, spi_in, spi_out, cookie_i, spis, self.place)

    # -- limits and status, RFC 2407 4.6.3 ------------------------------------------------------

    @property
    def limits(self) -> Lifetimes:
        """How long the pair may be used: what is agreed on, configured and said beside it."""
        agreement = self.agreed
        agreed = Lifetimes(agreement.lifetime_seconds, agreement.lifetime_kilobytes)
        return agreed.shorter(self.lifetimes)

    @property
    def keyed(self) -> list[Protocol]:
        """The protocols of the suite that status notifies speak of: all but IPComp."""
        return [protocol for protocol in self.protocols if protocol is not Protocol.IPCOMP]

    def own_status(self, *, lifetime: bool, replay: bool | None) -> list[Notification]:
        """Responder: our limits where they are lower than agreed, and our replay detection."""
        agreed = status.read_lifetimes(PHASE_2, self.agreed.transform.attributes)
        notifications = []
        for protocol in self.keyed:
            spi = self.spis[protocol]
            if lifetime and self.limits != agreed:
                notifications.append(status.responder_lifetime(PHASE_2, protocol, spi, self.limits))
            if replay is not None:
                notifications.append(status.replay_status(protocol, spi, enabled=replay))
        return notifications

    def take_status(self, notifications: Sequence[Notification]) -> None:
        """Initiator: the limits that the responder says it keeps to; raises PeerError."""
        for protocol in self.keyed:
            said = status.responder_lifetimes(PHASE_2, notifications, protocol)
            self.lifetimes = self.lifetimes.shorter(said)

    @property
    def connected(self) -> Notification:
        """Responder: the pair may be used."""
        outermost = self.protocols[0]
        return status.connected(outermost, self.spis[outermost])


def _number(protocol: Protocol, spi: bytes) -> int:
    """An SPI as a number; of a CPI in four octets the upper two are ignored (RFC 3173 4.1)."""
    return int.from_bytes(spi[-CPI_SIZE:] if protocol is Protocol.IPCOMP else spi)


def _algorithms(
    proposal: Phase2Proposal, protocol: Protocol
) -> tuple[tuple[str, str, str], tuple[int, int]]:
    """Names of cipher, integrity and compression, and the octets of the two keys."""
    if protocol is Protocol.AH:
        row = AH_TRANSFORMS[proposal.ah_algorithm]
        return ("none", row.name, "none"), (0, row.key_size)
    if protocol is Protocol.IPCOMP:
        return ("none", "none", proposal.compression), (0, 0)
    mac = ESP_INTEGRITY.get(proposal.integrity)
    sizes = ESP_TRANSFORMS[proposal.cipher].key_size, mac.key_size if mac else 0
    return (proposal.cipher, proposal.integrity, "none"), sizes
