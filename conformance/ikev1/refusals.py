"""Why an offer or answer is not acceptable, by the value that comes closest (RFC 2408 3.14.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from conformance.ikev1.comparison import Comparison, Difference, pairs, same
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.errors import Divergence, PeerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.ikev1.constants import Protocol
    from conformance.ikev1.offers import Member
    from conformance.ikev1.payloads import Proposal

_Suite = tuple["Member", ...]


class _Candidate(NamedTuple):
    """What an offered proposal lacks to be a configured one."""

    differences: tuple[Difference, ...]
    place: str
    other_suite: bool = False

    @property
    def divergence(self) -> Divergence:
        """The first difference, and how many more there are."""
        first, more = self.differences[0], len(self.differences) - 1
        others = f", {more} more values differ" if more else ""
        explanation = f"the closest offer is {self.place}{others}"
        return Divergence(first.name, first.want, first.got, explanation)


def refusal(
    comparison: Comparison, alternatives: Sequence[Sequence[Proposal]], suites: Sequence[_Suite]
) -> PeerError:
    """The error of an offer of which nothing is configured.

    RFC 2407 4.5.3: ATTRIBUTES-NOT-SUPPORTED where nothing but unknown attributes is in the way.
    """
    reason = "no offered transform is configured"
    candidates = [
        candidate
        for proposals in alternatives
        for members in suites
        if (candidate := _distance(comparison, proposals, members)).differences
    ]
    if not candidates:
        return PeerError(NotifyType.NO_PROPOSAL_CHOSEN, reason, fatal=True)
    closest = min(candidates, key=lambda one: (one.other_suite, len(one.differences)))
    unknown = all(one.unsupported for one in closest.differences)
    kind = NotifyType.ATTRIBUTES_NOT_SUPPORTED if unknown else NotifyType.NO_PROPOSAL_CHOSEN
    return PeerError(kind, reason, closest.divergence, fatal=True)


def _distance(comparison: Comparison, proposals: Sequence[Proposal], members: _Suite) -> _Candidate:
    """Everything in which the best transforms of a proposal differ from a configured one."""
    number, found = proposals[0].number, list[Difference]()
    paired = pairs(proposals, members)
    if paired is None:
        want, got = (_labels(one.protocol for one in group) for group in (members, proposals))
        return _Candidate((Difference("protocol", want, got),), f"proposal {number}", True)
    place = ""
    for proposal, member in paired:
        candidates = [
            (comparison.differences(transform, member), transform.number)
            for transform in proposal.transforms
        ] or [([Difference("transform", "one", "none")], 0)]
        best, transform_number = min(candidates, key=lambda one: len(one[0]))
        place = place or (f"proposal {number} transform {transform_number}" if best else "")
        prefix = f"{proposal.protocol.label} " if len(paired) > 1 else ""
        found += [one._replace(name=prefix + one.name) for one in best]
    return _Candidate(tuple(found), place)


def changed(
    comparison: Comparison,
    alternatives: Sequence[Sequence[Proposal]],
    answer: Sequence[Proposal],
) -> Divergence:
    """What an answer changed, compared with what was offered for its protocols and numbers."""
    got = _labels(proposal.protocol for proposal in answer)
    suites = {_labels(one.protocol for one in proposals): None for proposals in alternatives}
    if got not in suites:
        return Divergence("protocol", " or ".join(suites), got)
    for proposal in answer:
        protocol, transform = proposal.protocol, proposal.transforms[0]
        offers = [
            one
            for proposals in alternatives
            for other in proposals
            if other.protocol == protocol
            for one in other.transforms
        ]
        if not any(same(comparison.table, protocol, one, transform) for one in offers):
            same_number = [one for one in offers if one.number == transform.number]
            return comparison.changed((same_number or offers)[0], transform)
    return Divergence("suite", "transforms offered together", "transforms of several suites")


def _labels(protocols: Iterable[Protocol]) -> str:
    return " and ".join(protocol.label for protocol in sorted(protocols))
