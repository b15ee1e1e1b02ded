"""What every Diffie-Hellman group has in common (RFC 2409 5 and 6, Appendix A)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conformance.crypto.random import RandomSource


class InvalidPublicValueError(ValueError):
    """A public value that no honest peer sends: wrong length, out of range or off the curve."""


class InvalidGroupError(ValueError):
    """Explicit parameters that make no group worth using."""


class GroupType(IntEnum):
    """Group type, RFC 2409 Appendix A."""

    MODP = 1
    ECP = 2
    EC2N = 3


@dataclass(frozen=True, slots=True)
class GroupParameters:
    """A group spelled out, as the attributes 5 to 10, 15 and 16 do; zero where one is absent."""

    group_type: int
    prime: int
    """The prime, or the irreducible polynomial of EC2N with bit n for u^n."""
    generator_one: int
    """The generator, or the x coordinate of the point that generates."""
    generator_two: int = 0
    """The y coordinate of that point."""
    curve_a: int = 0
    curve_b: int = 0
    field_size: int = 0
    """In bits, RFC 2409 Appendix A."""
    order: int = 0

    @classmethod
    def from_attributes(cls, values: Mapping[int, int]) -> GroupParameters:
        """From attribute numbers and values; numbers that say nothing of a group are ignored."""
        return cls(*(values.get(number, 0) for number in _ATTRIBUTES))

    def as_attributes(self) -> dict[int, int]:
        """Attribute numbers and values, those that are zero left out but for a curve's A and B."""
        values = (
            self.group_type,
            self.prime,
            self.generator_one,
            self.generator_two,
            self.curve_a,
            self.curve_b,
            self.field_size,
            self.order,
        )
        kept = set() if self.group_type == GroupType.MODP else _CURVE_ATTRIBUTES
        return {
            number: value
            for number, value in zip(_ATTRIBUTES, values, strict=True)
            if value or number in kept
        }


_ATTRIBUTES = (5, 6, 7, 8, 9, 10, 15, 16)
_CURVE_ATTRIBUTES = {9, 10}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One side's ephemeral key; the private part stays inside a function."""

    public: bytes
    """The body of the KE payload: group length, zeros prepended (RFC 2409 5)."""
    exchange: Callable[[bytes], bytes] = field(repr=False)
    """Peer's public value to g^xy, group length; raises InvalidPublicValueError."""


class GroupRow(NamedTuple):
    """What a layer must know of a group; sizes in octets."""

    name: str
    """The name used in factors, records and on the command line."""
    ike_id: int
    """Group description, RFC 2409 Appendix A; 0 for one that has parameters only."""
    public_size: int
    private_size: int
    """Octets of randomness that generate() draws."""
    key_pair: Callable[[bytes], KeyPair]
    """The pair that belongs to private_size random octets."""
    parameters: GroupParameters
    """The group spelled out, to be offered by its parameters."""

    def generate(self, random: RandomSource) -> KeyPair:
        """Draw a fresh key pair."""
        return self.key_pair(random(self.private_size))


def check_size(public: bytes, size: int) -> None:
    """Raise InvalidPublicValueError for a public value of another length than the group's."""
    if len(public) != size:
        raise InvalidPublicValueError(
            f"public value has {len(public)} octets, not the group's {size}"
        )
