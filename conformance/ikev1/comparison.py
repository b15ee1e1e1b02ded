"""Comparing a transform on the wire with what is configured or was offered (RFC 2407 4.5).

RFC 2408 3.3 (forms of attributes), RFC 2407 4.5.2 (conflicts), RFC 2409 5 (answers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from conformance.ikev1.attributes import Attribute, AttributeTable, Form, life_durations, name_of
from conformance.ikev1.describe import describe_value
from conformance.ikev1.errors import Divergence
from conformance.ikev1.offers import APPLICABLE, LIFETIMES, UNDERSTOOD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from conformance.ikev1.constants import Protocol
    from conformance.ikev1.offers import Member, Values
    from conformance.ikev1.payloads import Proposal, Transform


class Difference(NamedTuple):
    """One value of a transform that is not as configured."""

    name: str
    want: str
    got: str
    unsupported: bool = False
    """Whether we do not know the attribute, or not in this form."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the transforms of one phase compare."""

    table: AttributeTable
    defaults: Callable[[Protocol, int, Values], Values]
    """Protocol, transform identifier and values to what they mean where they say nothing."""

    def values(self, attributes: Iterable[Attribute]) -> Values:
        """Values by name; equal ones that stand there several times count once."""
        named: Values = {}
        for attribute in attributes:
            values = named.setdefault(name_of(self.table, attribute.type), [])
            if attribute.number not in values:
                values.append(attribute.number)
        return named

    def differences(self, transform: Transform, member: Member) -> list[Difference]:
        """Every value but the lifetime that differs from the configured one."""
        offered = self._meaning(
            member.protocol, transform.transform_id, self.values(transform.attributes)
        )
        wanted = self._meaning(
            member.protocol, member.transform_id, {name: [value] for name, value in member.values}
        )
        pairs = [("transform", [member.transform_id], [transform.transform_id])]
        names = {**wanted, **offered}
        pairs += [(name, wanted.get(name, []), offered.get(name, [])) for name in names]
        return [
            Difference(name, self._text(name, want), self._text(name, got), self._is_unknown(name))
            for name, want, got in pairs
            if want != got
        ] + self._wrong_forms(transform)

    def changed(self, offer: Transform, answer: Transform) -> Divergence:
        """The first value that an answer does not return as it was offered."""
        if offer.transform_id != answer.transform_id:
            return Divergence("transform", str(offer.transform_id), str(answer.transform_id))
        sent, back = self.values(offer.attributes), self.values(answer.attributes)
        changed = [name for name in {**sent, **back} if sent.get(name) != back.get(name)]
        name = changed[0] if changed else "protocol"
        return Divergence(
            name,
            self._text(name, sent.get(name, [])),
            self._text(name, back.get(name, [])),
            f"compared with transform {offer.number} as we offered it",
        )

    def _meaning(self, protocol: Protocol, transform_id: int, values: Values) -> Values:
        whole = {**values, **self._absent(protocol, transform_id, values)}
        applicable = APPLICABLE.get(protocol, whole.keys() - LIFETIMES)
        return {name: whole[name] for name in whole if name in applicable}

    def _absent(self, protocol: Protocol, transform_id: int, values: Values) -> Values:
        defaults = self.defaults(protocol, transform_id, values)
        return {name: value for name, value in defaults.items() if name not in values}

    def _is_unknown(self, name: str) -> bool:
        return name != "transform" and name not in UNDERSTOOD

    def _wrong_forms(self, transform: Transform) -> list[Difference]:
        return [
            Difference(row.name, "the basic form", "the variable form", unsupported=True)
            for one in transform.attributes
            if not one.basic
            for row in self.table
            if row.number == one.type and row.form is Form.BASIC
        ]

    def _text(self, name: str, values: Sequence[int]) -> str:
        return " and ".join(describe_value(self.table, name, value) for value in values) or "absent"


def pairs(
    proposals: Sequence[Proposal], members: Sequence[Member]
) -> list[tuple[Proposal, Member]] | None:
    """Proposals of one number with what is configured for their protocols; None for another suite.

    The order of the protocols says nothing (RFC 2408 4.2).
    """
    by_protocol = {member.protocol: member for member in members}
    if sorted(by_protocol) != sorted(proposal.protocol for proposal in proposals):
        return None
    return [(proposal, by_protocol[proposal.protocol]) for proposal in proposals]


def conflict(table: AttributeTable, attributes: Sequence[Attribute]) -> str | None:
    """The name of an attribute that stands there with different values; None for none."""
    if any(len(set(durations)) > 1 for durations in life_durations(table, attributes).values()):
        return "life duration"
    values: dict[int, int] = {}
    for one in attributes:
        name = name_of(table, one.type)
        if name not in LIFETIMES and values.setdefault(one.type, one.number) != one.number:
            return name
    return None


def same(table: AttributeTable, protocol: Protocol, offer: Transform, answer: Transform) -> bool:
    """Whether id and attribute values are equal; encodings, order and numbers may differ.

    What does not apply to the protocol is ignored (RFC 3173 4.1).
    """
    applicable = APPLICABLE.get(protocol)

    def values(transform: Transform) -> list[tuple[int, int]]:
        return sorted(
            (one.type, one.number)
            for one in transform.attributes
            if applicable is None or name_of(table, one.type) in applicable | LIFETIMES
        )

    return offer.transform_id == answer.transform_id and values(offer) == values(answer)
