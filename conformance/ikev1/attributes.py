"""Data attributes in their two forms, kept exactly as sent, and the tables that name them.

RFC 2408 3.3, RFC 2409 Appendix A (phase 1), RFC 2407 4.5 (phase 2), RFC 4304 (ESN).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from conformance.ikev1.buffer import Layout, Reader
from conformance.ikev1.methods import METHOD_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conformance.ikev1.buffer import Writer

_AF_BASIC = 0x8000
_BASIC_LIMIT = 0x10000
_SHOWN = 8
"""Octets of the largest number that is shown in full."""
_LONG = 4
"""Octets of a variable attribute, unless it needs more."""
_BASIC_WORD = _AF_BASIC << 16
_BASIC, _VARIABLE = Layout("H"), Layout("HH")


class Form(Enum):
    """The form that the RFC gives an attribute: B or V in its table."""

    BASIC = "B"
    VARIABLE = "V"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute as it stands on the wire.

    ```
    |A|       Attribute Type        |  AF=0  Length  | AF=1  Value  |
    |   .            AF=0  Attribute Value ...                      |
    ```
    """

    type: int
    """Number within the table of its phase, without the AF bit."""
    value: bytes
    """Two octets in the basic form, any number in the variable form."""
    basic: bool
    """The AF bit: type/value when set, type/length/value when clear."""

    @classmethod
    def parse(cls, reader: Reader) -> Attribute:
        """Read one attribute; raises DecodeError."""
        head = reader.u16()
        basic = bool(head & _AF_BASIC)
        value = reader.octets(2 if basic else reader.u16())
        return cls(head & ~_AF_BASIC, value, basic)

    def write(self, writer: Writer) -> None:
        """Append the attribute in its own form."""
        kind, value = self.type, self.value
        head = _BASIC.pack(kind | _AF_BASIC) if self.basic else _VARIABLE.pack(kind, len(value))
        writer.octets(head + value)

    @property
    def number(self) -> int:
        """The value as an unsigned integer, whatever the form."""
        return int.from_bytes(self.value)


def read_attributes(reader: Reader) -> tuple[Attribute, ...]:
    """The attributes of a transform, up to its end; raises DecodeError."""
    return _attributes(reader.rest())


# Offers are made of few attributes and repeat the same lists; nothing in them is secret.


@lru_cache(maxsize=256)
def _attributes(octets: bytes) -> tuple[Attribute, ...]:
    words = Reader(octets).words()
    if min(words, default=0) >= _BASIC_WORD:
        return tuple(map(_basic, words))
    reader, attributes = Reader(octets), []
    while reader.remaining:
        attributes.append(Attribute.parse(reader))
    return tuple(attributes)


@lru_cache(maxsize=1024)
def _basic(word: int) -> Attribute:
    return Attribute.parse(Reader(word.to_bytes(4)))


class AttributeRow(NamedTuple):
    """What the RFC says of an attribute."""

    number: int
    name: str
    form: Form
    values: Mapping[int, str]
    """Names of assigned values; empty where the value is a quantity."""


_METHODS = {row.number: row.name for row in METHOD_ROWS.values()}
_LIFE_TYPES = {1: "seconds", 2: "kilobytes"}
ENCAPSULATION_MODES = {
    1: "tunnel",
    2: "transport",
    3: "udp-tunnel",
    4: "udp-transport",
    61443: "udp-tunnel-draft",
    61444: "udp-transport-draft",
}
"""RFC 2407 4.5, RFC 3947 5.1."""

# fmt: off
PHASE_1 = (
    AttributeRow(1,  "encryption algorithm",  Form.BASIC,    {}),
    AttributeRow(2,  "hash algorithm",        Form.BASIC,    {}),
    AttributeRow(3,  "authentication method", Form.BASIC,    _METHODS),
    AttributeRow(4,  "group description",     Form.BASIC,    {}),
    AttributeRow(5,  "group type",            Form.BASIC,    {1: "MODP", 2: "ECP", 3: "EC2N"}),
    AttributeRow(6,  "group prime",           Form.VARIABLE, {}),
    AttributeRow(7,  "group generator one",   Form.VARIABLE, {}),
    AttributeRow(8,  "group generator two",   Form.VARIABLE, {}),
    AttributeRow(9,  "group curve A",         Form.VARIABLE, {}),
    AttributeRow(10, "group curve B",         Form.VARIABLE, {}),
    AttributeRow(11, "life type",             Form.BASIC,    _LIFE_TYPES),
    AttributeRow(12, "life duration",         Form.VARIABLE, {}),
    AttributeRow(13, "prf",                   Form.BASIC,    {}),
    AttributeRow(14, "key length",            Form.BASIC,    {}),
    AttributeRow(15, "field size",            Form.BASIC,    {}),
    AttributeRow(16, "group order",           Form.VARIABLE, {}),
)
"""RFC 2409 Appendix A."""

PHASE_2 = (
    AttributeRow(1,  "life type",                  Form.BASIC,    _LIFE_TYPES),
    AttributeRow(2,  "life duration",              Form.VARIABLE, {}),
    AttributeRow(3,  "group description",          Form.BASIC,    {}),
    AttributeRow(4,  "encapsulation mode",         Form.BASIC,    ENCAPSULATION_MODES),
    AttributeRow(5,  "authentication algorithm",   Form.BASIC,    {}),
    AttributeRow(6,  "key length",                 Form.BASIC,    {}),
    AttributeRow(7,  "key rounds",                 Form.BASIC,    {}),
    AttributeRow(8,  "compress dictionary size",   Form.BASIC,    {}),
    AttributeRow(9,  "compress private algorithm", Form.VARIABLE, {}),
    AttributeRow(10, "ECN tunnel",                 Form.BASIC,    {1: "allowed", 2: "forbidden"}),
    AttributeRow(11, "extended sequence number",   Form.BASIC,    {1: "64-bit"}),
    AttributeRow(12, "authentication key length",  Form.VARIABLE, {}),
    AttributeRow(13, "signature encoding",         Form.BASIC,    {1: "PKCS1-v1.5", 2: "PSS"}),
    AttributeRow(14, "address preservation",       Form.BASIC,    {}),
    AttributeRow(15, "SA direction",               Form.BASIC,    {}),
)
"""RFC 2407 4.5, RFC 3168 9.2, RFC 4304 2, RFC 4359, RFC 6407."""
# fmt: on

AttributeTable = tuple[AttributeRow, ...]


def encode(table: AttributeTable, values: Iterable[tuple[str, int]]) -> tuple[Attribute, ...]:
    """Attributes from (name, value) pairs, in order.

    A variable attribute that fits two octets is sent basic, as RFC 2409 Appendix A allows;
    a larger one takes four octets, or as many as it needs. Raises KeyError for a name the table
    lacks.
    """
    numbers = {row.name: row.number for row in table}
    return tuple(_encode_one(numbers[name], value) for name, value in values)


def encode_lifetimes(
    table: AttributeTable, seconds: int | None, kilobytes: int | None, *, variable: bool = False
) -> tuple[Attribute, ...]:
    """Life type and duration for each limit, the duration variable if asked for (RFC 2407 4.5)."""
    numbers = {row.name: row.number for row in table}
    return tuple(
        attribute
        for kind, limit in ((1, seconds), (2, kilobytes))
        if limit is not None
        for attribute in (
            _encode_one(numbers["life type"], kind),
            _encode_one(numbers["life duration"], limit, variable=variable),
        )
    )


def life_durations(table: AttributeTable, attributes: Iterable[Attribute]) -> dict[int, list[int]]:
    """Durations by life type, 1 for seconds and 2 for kilobytes; each follows its type."""
    life_type, life_duration = (
        row.number for row in table if row.name in {"life type", "life duration"}
    )
    kind, found = 1, {1: list[int](), 2: list[int]()}
    for attribute in attributes:
        if attribute.type == life_type:
            kind = attribute.number
        elif attribute.type == life_duration:
            found.setdefault(kind, []).append(attribute.number)
    return found


@lru_cache(maxsize=256)
def _encode_one(number: int, value: int, *, variable: bool = False) -> Attribute:
    basic = value < _BASIC_LIMIT and not variable
    size = max(_LONG, (value.bit_length() + 7) // 8)
    return Attribute(number, value.to_bytes(2 if basic else size), basic)


def name_of(table: AttributeTable, number: int) -> str:
    """The name of an attribute, or "attribute N" for one the table lacks."""
    for row in table:
        if row.number == number:
            return row.name
    return f"attribute {number}"


def describe(table: AttributeTable, attribute: Attribute) -> str:
    """One attribute for people: name, value and, where it has one, the value's name."""
    row = next((row for row in table if row.number == attribute.type), None)
    name = row.name if row else f"attribute {attribute.type}"
    value = row.values.get(attribute.number) if row else None
    return f"{name} {value or number_text(attribute.number)}"


def number_text(number: int) -> str:
    """A number for people: decimal, or both ends of what is longer than eight octets."""
    octets = number.to_bytes((number.bit_length() + 7) // 8)
    if len(octets) <= _SHOWN:
        return str(number)
    return f"{octets[:4].hex()}..{octets[-4:].hex()} ({len(octets)} octets)"
