"""Offering, choosing and verifying SA payloads (RFC 2408 4.2, RFC 2409 5, RFC 2407 4.5).

A responder picks one transform for each protocol of one proposal and returns it as sent; an
initiator checks that it did.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from conformance.ikev1.attributes import (
    PHASE_1,
    PHASE_2,
    AttributeTable,
    encode,
    encode_lifetimes,
    life_durations,
)
from conformance.ikev1.comparison import Comparison, conflict, pairs, same
from conformance.ikev1.config import MODES, Phase1Proposal, Phase2Proposal
from conformance.ikev1.constants import (
    SIT_IDENTITY_ONLY,
    Doi,
    NotifyType,
    Protocol,
)
from conformance.ikev1.errors import Divergence, PeerError
from conformance.ikev1.offers import (
    Member,
    phase_1_defaults,
    phase_1_members,
    phase_2_defaults,
    phase_2_members,
)
from conformance.ikev1.payloads import Proposal, SecurityAssociation, Transform
from conformance.ikev1.refusals import changed, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

C = TypeVar("C", Phase1Proposal, Phase2Proposal)

_SECONDS, _KILOBYTES = 1, 2
_SPI_SIZE = 4
_FIRST_FREE_SPI = 256
_CPI_SIZES = (2, 4)
_COOKIE_SIZE = 8
_RESERVED_CPIS = range(64, 256)


@dataclass(frozen=True, slots=True)
class Agreement(Generic[C]):
    """What both sides agreed on."""

    proposal: C
    """The configured proposal that the chosen transforms stand for."""
    sa: SecurityAssociation
    """The answer: proposals of one number with one transform each."""
    negotiated_seconds: int | None
    """The shortest lifetime that the transforms carry."""

    @property
    def transform(self) -> Transform:
        """The chosen transform of the first protocol as it stood on the wire."""
        return self.sa.proposals[0].transforms[0]

    @property
    def lifetime_kilobytes(self) -> int | None:
        """The lower of the negotiated and the configured limit; None without either."""
        proposals = self.sa.proposals
        table = PHASE_1 if proposals[0].protocol is Protocol.ISAKMP else PHASE_2
        limits: list[int] = _durations(table, proposals, _KILOBYTES)
        configured: int | None = self.proposal.lifetime_kilobytes
        return min(limits if configured is None else [*limits, configured], default=None)

    @property
    def lifetime_seconds(self) -> int:
        """The shorter of the negotiated and the configured lifetime (RFC 2407 4.5.4)."""
        configured = self.proposal.lifetime_seconds
        return min(configured, self.negotiated_seconds or configured)


class _Match(NamedTuple, Generic[C]):
    """A configured proposal that an offer contains."""

    rank: tuple[int, ...]
    """The place of each chosen transform in its proposal."""
    configured: C
    chosen: tuple[Transform, ...]


@dataclass(frozen=True, slots=True)
class Phase(Generic[C]):
    """How proposals of one phase look on the wire."""

    table: AttributeTable
    members: Callable[[C], tuple[Member, ...]]
    """Every protocol of a configured proposal, outermost first."""
    comparison: Comparison
    spi_fits: Callable[[Proposal], bool]
    conflicts_abort: bool
    """Whether an attribute with two values ends the negotiation (RFC 2407 4.5.2)."""

    def transform(self, number: int, configured: C, member: Member) -> Transform:
        """The transform that offers one protocol of a configured proposal."""
        lifetime = encode_lifetimes(
            self.table,
            configured.lifetime_seconds,
            configured.lifetime_kilobytes,
            variable=configured.lifetime_variable,
        )
        attributes = encode(self.table, member.values)
        return Transform(number, member.transform_id, attributes + lifetime)

    def offer(
        self, configured: Sequence[C], spis: Mapping[Protocol, bytes] | bytes
    ) -> SecurityAssociation:
        """The configured proposals in order of preference.

        Those that follow each other and have one and the same protocol are transforms of one
        proposal; each bundle is a proposal number of its own, for a peer may combine transforms
        of one number as it likes (RFC 2408 4.2).
        """
        proposals: list[Proposal] = []
        for number, (_, alternatives) in enumerate(groupby(enumerate(configured), self._unit), 1):
            units = [one for _, one in alternatives]
            for member in self.members(units[0]):
                transforms = tuple(
                    self.transform(n, one, self._member(one, member.protocol))
                    for n, one in enumerate(units, 1)
                )
                spi = _spi(spis, member.protocol)
                proposals.append(Proposal(number, member.protocol, spi, transforms))
        return SecurityAssociation(tuple(proposals))

    def choose(
        self,
        offered: SecurityAssociation,
        configured: Sequence[C],
        spis: Mapping[Protocol, bytes] | bytes,
    ) -> Agreement[C]:
        """The first offered suite that is configured; raises PeerError when there is none."""
        _check_doi(offered)
        alternatives = _alternatives(offered)
        self._check_conflicts(offered)
        for proposals in alternatives:
            matches = [match for one in configured if (match := self._match(proposals, one))]
            if matches and all(map(self.spi_fits, proposals)):
                best = min(matches, key=lambda match: match.rank)
                chosen = tuple(
                    replace(proposal, spi=_spi(spis, proposal.protocol), transforms=(transform,))
                    for proposal, transform in zip(proposals, best.chosen, strict=True)
                )
                return self._agreement(best.configured, SecurityAssociation(chosen))
        raise refusal(self.comparison, alternatives, [*map(self.members, configured)])

    def verify(
        self,
        offered: SecurityAssociation,
        answer: SecurityAssociation,
        configured: Sequence[C],
    ) -> Agreement[C]:
        """The agreement that an answer makes, if it is one suite as offered.

        RFC 2409 5: a response whose attribute values changed MUST be rejected. RFC 2408 4.2: the
        numbers are only a help in comparing. Raises PeerError.
        """
        _check_doi(answer)
        _check_single(answer)
        for proposal in answer.proposals:
            if not self.spi_fits(proposal):
                raise PeerError(
                    NotifyType.INVALID_SPI, f"SPI {proposal.spi.hex() or 'missing'}", fatal=True
                )
        for one in configured:
            if self._is_answered(one, answer):
                return self._agreement(one, answer)
        raise PeerError(
            NotifyType.BAD_PROPOSAL_SYNTAX,
            "the chosen transform is none that we offered",
            changed(self.comparison, _alternatives(offered), answer.proposals),
            fatal=True,
        )

    # -- inner ----------------------------------------------------------------------------------

    def _unit(self, numbered: tuple[int, C]) -> tuple[int, ...]:
        """Equal for what goes into one proposal: the protocol, or the place of a bundle."""
        index, configured = numbered
        members = self.members(configured)
        protocols: tuple[int, ...] = tuple(int(member.protocol) for member in members)
        return protocols if len(protocols) == 1 else (*protocols, index)

    def _member(self, configured: C, protocol: Protocol) -> Member:
        return next(one for one in self.members(configured) if one.protocol == protocol)

    def _agreement(self, configured: C, sa: SecurityAssociation) -> Agreement[C]:
        seconds = min(_durations(self.table, sa.proposals, _SECONDS), default=None)
        return Agreement(configured, sa, seconds)

    def _check_conflicts(self, offered: SecurityAssociation) -> None:
        for proposal in offered.proposals if self.conflicts_abort else ():
            for transform in proposal.transforms:
                name = conflict(self.table, transform.attributes)
                if name is not None:
                    where = f"proposal {proposal.number} transform {transform.number}"
                    raise PeerError(
                        NotifyType.ATTRIBUTES_NOT_SUPPORTED,
                        f"conflicting attributes in {where}",
                        Divergence(name, "one value", "different values", f"in {where}"),
                        fatal=True,
                    )

    def _match(self, proposals: Sequence[Proposal], configured: C) -> _Match[C] | None:
        rank, chosen = [], []
        for proposal, member in pairs(proposals, self.members(configured)) or ():
            fitting = (
                (index, transform)
                for index, transform in enumerate(proposal.transforms)
                if not self.comparison.differences(transform, member)
            )
            index, transform = next(fitting, (0, None))
            if transform is None:
                return None
            rank.append(index)
            chosen.append(transform)
        return _Match(tuple(rank), configured, tuple(chosen)) if chosen else None

    def _is_answered(self, configured: C, answer: SecurityAssociation) -> bool:
        answered = pairs(answer.proposals, self.members(configured))
        return answered is not None and all(
            same(
                self.table,
                member.protocol,
                self.transform(1, configured, member),
                proposal.transforms[0],
            )
            for proposal, member in answered
        )


def _spi(spis: Mapping[Protocol, bytes] | bytes, protocol: Protocol) -> bytes:
    return spis if isinstance(spis, bytes) else spis[protocol]


def _durations(table: AttributeTable, proposals: Sequence[Proposal], kind: int) -> list[int]:
    return [
        duration
        for proposal in proposals
        for duration in life_durations(table, proposal.transforms[0].attributes)[kind]
    ]


def _check_doi(sa: SecurityAssociation) -> None:
    if sa.doi is not Doi.IPSEC:
        raise PeerError(NotifyType.DOI_NOT_SUPPORTED, f"DOI {sa.doi.label}", fatal=True)
    if sa.situation != SIT_IDENTITY_ONLY:
        raise PeerError(
            NotifyType.SITUATION_NOT_SUPPORTED, f"situation {sa.situation:#x}", fatal=True
        )


def _alternatives(sa: SecurityAssociation) -> list[list[Proposal]]:
    """Proposals by number: equal numbers mean protocols to be used together (RFC 2408 4.2)."""
    groups = [list(group) for _, group in groupby(sa.proposals, lambda one: one.number)]
    if len({group[0].number for group in groups}) != len(groups):
        raise PeerError(
            NotifyType.BAD_PROPOSAL_SYNTAX,
            "proposals of one number are separated by another",
            fatal=True,
        )
    return groups


def _check_single(answer: SecurityAssociation) -> None:
    numbers = sorted({proposal.number for proposal in answer.proposals})
    if len(numbers) != 1 or any(len(one.transforms) != 1 for one in answer.proposals):
        said = ", ".join(
            f"{one.number} {one.protocol.label} of {len(one.transforms)}"
            for one in answer.proposals
        )
        raise PeerError(
            NotifyType.BAD_PROPOSAL_SYNTAX,
            "an answer must hold exactly one proposal with one transform for each protocol",
            Divergence(
                "SA payload",
                "the selected proposal, one transform for each of its protocols",
                f"proposals and transforms {said or 'none'}",
                "RFC 2408 4.2: the responder MUST send the selected proposal",
            ),
            fatal=True,
        )


def _child_spi_fits(proposal: Proposal) -> bool:
    """RFC 4303 2.1: four octets, of which 0 to 255 are reserved; RFC 3173 2.2 and 4.1: a CPI."""
    spi, number = proposal.spi, int.from_bytes(proposal.spi[-2:])
    if proposal.protocol is not Protocol.IPCOMP:
        return len(spi) == _SPI_SIZE and int.from_bytes(spi) >= _FIRST_FREE_SPI
    if len(spi) not in _CPI_SIZES or not number or number in _RESERVED_CPIS:
        return False
    identifiers = {transform.transform_id for transform in proposal.transforms}
    return number >= _FIRST_FREE_SPI or identifiers == {number}


PHASE_1_NEGOTIATION: Phase[Phase1Proposal] = Phase(
    PHASE_1,
    phase_1_members,
    Comparison(PHASE_1, phase_1_defaults),
    lambda proposal: len(proposal.spi) <= 2 * _COOKIE_SIZE,
    conflicts_abort=False,
)
"""The ISAKMP SA; its SPI is the cookie pair and may be left out (RFC 2408 3.5)."""


def in_udp(modes: Mapping[str, int]) -> Phase[Phase2Proposal]:
    """Phase 2 with each mode as UDP-encapsulated (RFC 3947 5.1)."""
    return replace(
        PHASE_2_NEGOTIATION,
        members=partial(phase_2_members, modes=modes),
        comparison=Comparison(PHASE_2, partial(phase_2_defaults, modes=modes)),
    )


PHASE_2_NEGOTIATION: Phase[Phase2Proposal] = Phase(
    PHASE_2,
    partial(phase_2_members, modes=MODES),
    Comparison(PHASE_2, phase_2_defaults),
    _child_spi_fits,
    conflicts_abort=True,
)
"""SAs of AH, ESP and IPComp."""
