"""Offering, choosing and verifying SA payloads (RFC 2408 4.2, RFC 2409 5, RFC 2407 4.5).

A responder picks one transform and returns it as sent; an initiator checks that it did.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from conformance.crypto.ciphers import CIPHERS
from conformance.crypto.macs import MACS
from conformance.crypto.prf import HASHES
from conformance.ikev1.attributes import (
    PHASE_1,
    PHASE_2,
    Attribute,
    AttributeTable,
    encode,
    encode_lifetimes,
    life_durations,
    name_of,
)
from conformance.ikev1.config import AUTH_METHODS, MODES, PROTOCOLS, Phase1Proposal, Phase2Proposal
from conformance.ikev1.constants import (
    KEY_IKE,
    SIT_IDENTITY_ONLY,
    Doi,
    NotifyType,
    Protocol,
)
from conformance.ikev1.describe import describe_value
from conformance.ikev1.errors import Divergence, PeerError
from conformance.ikev1.payloads import Proposal, SecurityAssociation, Transform
from conformance.ikev1.private_groups import group_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

C = TypeVar("C", Phase1Proposal, Phase2Proposal)

_SECONDS, _KILOBYTES = 1, 2
_ESP_SPI_SIZE = 4
_FIRST_FREE_SPI = 256
_COOKIE_SIZE = 8


@dataclass(frozen=True, slots=True)
class Agreement(Generic[C]):
    """What both sides agreed on."""

    proposal: C
    """The configured proposal that the chosen transform stands for."""
    sa: SecurityAssociation
    """The answer: one proposal with one transform."""
    negotiated_seconds: int | None
    """The lifetime that the transform carries."""

    @property
    def transform(self) -> Transform:
        """The chosen transform as it stood on the wire."""
        return self.sa.proposals[0].transforms[0]

    @property
    def lifetime_kilobytes(self) -> int | None:
        """The lower of the negotiated and the configured limit; None without either."""
        phase_1 = self.sa.proposals[0].protocol is Protocol.ISAKMP
        table = PHASE_1 if phase_1 else PHASE_2
        limits: list[int] = life_durations(table, self.transform.attributes)[_KILOBYTES]
        configured: int | None = self.proposal.lifetime_kilobytes
        return min(limits if configured is None else [*limits, configured], default=None)

    @property
    def lifetime_seconds(self) -> int:
        """The shorter of the negotiated and the configured lifetime (RFC 2407 4.5.4)."""
        configured = self.proposal.lifetime_seconds
        return min(configured, self.negotiated_seconds or configured)


@dataclass(frozen=True, slots=True)
class Phase(Generic[C]):
    """How proposals of one phase look on the wire."""

    table: AttributeTable
    protocol: Callable[[C], Protocol]
    transform_id: Callable[[C], int]
    values: Callable[[C], list[tuple[str, int]]]
    """Attribute names and numbers of a proposal, without its lifetime."""
    spi_fits: Callable[[bytes], bool]

    def transform(self, number: int, configured: C) -> Transform:
        """The transform that offers one configured proposal."""
        lifetime = encode_lifetimes(
            self.table,
            configured.lifetime_seconds,
            configured.lifetime_kilobytes,
            variable=configured.lifetime_variable,
        )
        attributes = encode(self.table, self.values(configured))
        return Transform(number, self.transform_id(configured), attributes + lifetime)

    def offer(self, configured: Sequence[C], spi: bytes) -> SecurityAssociation:
        """One proposal whose transforms are the configured ones, in order of preference."""
        transforms = tuple(self.transform(n, one) for n, one in enumerate(configured, 1))
        return SecurityAssociation((Proposal(1, self.protocol(configured[0]), spi, transforms),))

    def choose(
        self, offered: SecurityAssociation, configured: Sequence[C], spi: bytes
    ) -> Agreement[C]:
        """The first offered transform that is configured; raises PeerError when there is none."""
        _check_doi(offered)
        for proposal in _alternatives(offered):
            for transform in proposal.transforms:
                for one in configured:
                    if self.spi_fits(proposal.spi) and not self._differences(
                        proposal, transform, one
                    ):
                        chosen = Proposal(proposal.number, proposal.protocol, spi, (transform,))
                        seconds = self._seconds(transform)
                        return Agreement(one, SecurityAssociation((chosen,)), seconds)
        raise PeerError(
            NotifyType.NO_PROPOSAL_CHOSEN,
            "no offered transform is configured",
            self._closest(offered, configured),
            fatal=True,
        )

    def verify(
        self,
        offered: SecurityAssociation,
        answer: SecurityAssociation,
        configured: Sequence[C],
    ) -> Agreement[C]:
        """The agreement that an answer makes, if it is one transform as offered.

        RFC 2409 5: a response whose attribute values changed MUST be rejected. Raises PeerError.
        """
        _check_doi(answer)
        proposal, transform = _single(answer)
        if not self.spi_fits(proposal.spi):
            raise PeerError(
                NotifyType.INVALID_SPI, f"SPI {proposal.spi.hex() or 'missing'}", fatal=True
            )
        offers = offered.proposals[0]
        for one, candidate in zip(configured, offers.transforms, strict=True):
            if proposal.protocol == offers.protocol and _same(candidate, transform):
                return Agreement(one, answer, self._seconds(transform))
        raise PeerError(
            NotifyType.BAD_PROPOSAL_SYNTAX,
            "the chosen transform is none that we offered",
            self._changed(offers.transforms, transform),
            fatal=True,
        )

    def _seconds(self, transform: Transform) -> int | None:
        return min(life_durations(self.table, transform.attributes)[_SECONDS], default=None)

    def _named(self, attributes: Sequence[Attribute]) -> dict[str, list[int]]:
        named: dict[str, list[int]] = {}
        for attribute in attributes:
            named.setdefault(name_of(self.table, attribute.type), []).append(attribute.number)
        return named

    def _differences(
        self, proposal: Proposal, transform: Transform, configured: C
    ) -> list[tuple[str, str, str]]:
        """(name, configured, offered) of every value but the lifetime that differs."""
        offered = self._named(transform.attributes)
        wanted = {name: [value] for name, value in self.values(configured)}
        for name in ("life type", "life duration"):
            offered.pop(name, None)
        pairs: list[tuple[str, list[int] | None, list[int] | None]] = [
            ("protocol", [int(self.protocol(configured))], [int(proposal.protocol)]),
            ("transform", [self.transform_id(configured)], [transform.transform_id]),
        ]
        pairs += [(name, wanted.get(name), offered.get(name)) for name in {**wanted, **offered}]
        return [
            (name, self._text(name, want), self._text(name, got))
            for name, want, got in pairs
            if want != got
        ]

    def _text(self, name: str, values: list[int] | None) -> str:
        texts = [describe_value(self.table, name, value) for value in values or ()]
        return " and ".join(texts) or "absent"

    def _closest(self, offered: SecurityAssociation, configured: Sequence[C]) -> Divergence | None:
        candidates = [
            (self._differences(proposal, transform, one), proposal.number, transform.number)
            for proposal in offered.proposals
            for transform in proposal.transforms
            for one in configured
        ]
        candidates = [candidate for candidate in candidates if candidate[0]]
        if not candidates:
            return None
        differences, proposal_number, number = min(candidates, key=lambda one: len(one[0]))
        name, want, got = differences[0]
        others = f", {len(differences) - 1} more values differ" if len(differences) > 1 else ""
        closest = f"the closest offer is proposal {proposal_number} transform {number}{others}"
        return Divergence(name, want, got, closest)

    def _changed(self, offers: Sequence[Transform], answer: Transform) -> Divergence:
        same_number = [one for one in offers if one.number == answer.number]
        offer = (same_number or list(offers))[0]
        if offer.transform_id != answer.transform_id:
            return Divergence("transform", str(offer.transform_id), str(answer.transform_id))
        sent, back = self._named(offer.attributes), self._named(answer.attributes)
        changed = [name for name in {**sent, **back} if sent.get(name) != back.get(name)]
        name = changed[0] if changed else "protocol"
        return Divergence(
            name,
            self._text(name, sent.get(name)),
            self._text(name, back.get(name)),
            f"compared with transform {offer.number} as we offered it",
        )


def _same(offer: Transform, answer: Transform) -> bool:
    """Whether id and attribute values are equal; encodings, order and numbers may differ."""

    def values(transform: Transform) -> list[tuple[int, int]]:
        return sorted((attribute.type, attribute.number) for attribute in transform.attributes)

    return offer.transform_id == answer.transform_id and values(offer) == values(answer)


def _check_doi(sa: SecurityAssociation) -> None:
    if sa.doi is not Doi.IPSEC:
        raise PeerError(NotifyType.DOI_NOT_SUPPORTED, f"DOI {sa.doi.label}", fatal=True)
    if sa.situation != SIT_IDENTITY_ONLY:
        raise PeerError(
            NotifyType.SITUATION_NOT_SUPPORTED, f"situation {sa.situation:#x}", fatal=True
        )


def _alternatives(sa: SecurityAssociation) -> list[Proposal]:
    """Proposals that stand alone; equal numbers mean protocols to be used together."""
    numbers = [proposal.number for proposal in sa.proposals]
    return [proposal for proposal in sa.proposals if numbers.count(proposal.number) == 1]


def _single(answer: SecurityAssociation) -> tuple[Proposal, Transform]:
    if len(answer.proposals) != 1 or len(answer.proposals[0].transforms) != 1:
        raise PeerError(
            NotifyType.BAD_PROPOSAL_SYNTAX,
            "an answer must hold exactly one proposal with one transform",
            fatal=True,
        )
    return answer.proposals[0], answer.proposals[0].transforms[0]


def _key_length(name: str, bits: int | None) -> list[tuple[str, int]]:
    return [(name, bits)] if bits is not None else []


def _phase_1_values(proposal: Phase1Proposal) -> list[tuple[str, int]]:
    cipher = CIPHERS[proposal.cipher]
    return [
        ("encryption algorithm", cipher.ike_id),
        *_key_length("key length", cipher.key_length),
        ("hash algorithm", HASHES[proposal.hash].ike_id),
        ("group description", group_number(proposal.group)),
        ("authentication method", AUTH_METHODS[proposal.auth]),
    ]


def _phase_2_values(proposal: Phase2Proposal) -> list[tuple[str, int]]:
    pfs = [] if proposal.pfs is None else [("group description", group_number(proposal.pfs))]
    return [
        *_key_length("key length", CIPHERS[proposal.cipher].key_length),
        ("authentication algorithm", MACS[proposal.integrity].attribute_id),
        ("encapsulation mode", MODES[proposal.mode]),
        *pfs,
    ]


def _esp_spi_fits(spi: bytes) -> bool:
    """RFC 4303 2.1: four octets, of which 0 to 255 are reserved."""
    return len(spi) == _ESP_SPI_SIZE and int.from_bytes(spi) >= _FIRST_FREE_SPI


PHASE_1_NEGOTIATION: Phase[Phase1Proposal] = Phase(
    PHASE_1,
    lambda _: Protocol.ISAKMP,
    lambda _: KEY_IKE,
    _phase_1_values,
    lambda spi: len(spi) <= 2 * _COOKIE_SIZE,
)
"""The ISAKMP SA; its SPI is the cookie pair and may be left out (RFC 2408 3.5)."""


def in_udp(modes: Mapping[str, int]) -> Phase[Phase2Proposal]:
    """Phase 2 with each mode as UDP-encapsulated (RFC 3947 5.1)."""

    def values(proposal: Phase2Proposal) -> list[tuple[str, int]]:
        plain = _phase_2_values(proposal)
        return [
            (name, modes[proposal.mode] if name == "encapsulation mode" else value)
            for name, value in plain
        ]

    return replace(PHASE_2_NEGOTIATION, values=values)


PHASE_2_NEGOTIATION: Phase[Phase2Proposal] = Phase(
    PHASE_2,
    lambda proposal: Protocol(PROTOCOLS[proposal.protocol]),
    lambda proposal: CIPHERS[proposal.cipher].esp_id,
    _phase_2_values,
    _esp_spi_fits,
)
"""SAs of ESP."""
