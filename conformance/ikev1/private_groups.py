"""Groups under private numbers, spelled out as attributes (RFC 2409 5.6 and Appendix A)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.crypto.dh import GROUPS, GroupParameters, GroupRow, InvalidGroupError
from conformance.crypto.explicit import explicit_group
from conformance.ikev1.attributes import PHASE_1, Attribute, Form

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_PRIVATE_GROUP, LAST_PRIVATE_GROUP = 0x8000, 0xFFFF
"""Group descriptions for private use (RFC 2409 5.6)."""
_PREFIX = "private-"
_DESCRIPTION = 4
_FORMS = {row.number: row.form for row in PHASE_1}
_SPELLED = {_DESCRIPTION, 5, 6, 7, 8, 9, 10, 15, 16}
"""The attributes that describe a group."""


def private_name(number: int) -> str:
    """The name of a private group, as configurations use it: private-32768."""
    return f"{_PREFIX}{number}"


PRIVATE_NAMES = {
    private_name(number): number for number in range(FIRST_PRIVATE_GROUP, LAST_PRIVATE_GROUP + 1)
}
"""Number of every private group by its name."""


def group_number(name: str) -> int:
    """The group description of a group by name; raises KeyError for one that has none."""
    private = PRIVATE_NAMES.get(name)
    return GROUPS[name].ike_id if private is None else private


def group_attributes(number: int, parameters: GroupParameters) -> tuple[Attribute, ...]:
    """A group as attributes, its number first."""
    values = {_DESCRIPTION: number, **parameters.as_attributes()}
    return tuple(_attribute(kind, value) for kind, value in values.items())


def _attribute(kind: int, value: int) -> Attribute:
    basic = _FORMS[kind] is Form.BASIC
    size = 2 if basic else max(1, (value.bit_length() + 7) // 8)
    return Attribute(kind, value.to_bytes(size), basic)


def read_group(attributes: Iterable[Attribute]) -> GroupRow:
    """The group that attributes spell out, checked; raises InvalidGroupError."""
    values: dict[int, int] = {}
    for one in attributes:
        if one.type not in _SPELLED or one.type in values:
            raise InvalidGroupError(f"attribute {one.type} is out of place")
        values[one.type] = one.number
    number = values.get(_DESCRIPTION, 0)
    if number < FIRST_PRIVATE_GROUP:
        raise InvalidGroupError(f"group {number} is not one for private use")
    return explicit_group(private_name(number), GroupParameters.from_attributes(values), number)
