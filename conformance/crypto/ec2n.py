"""Diffie-Hellman on elliptic curves over GF(2^n), by x coordinates alone (RFC 2409 6.3 and 6.4).

KE holds x, and g^xy is x, so a Montgomery ladder of x coordinates serves (Lopez and Dahab, 1999).
Not in constant time: a test peer's ephemeral keys allow that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from conformance.crypto.group import (
    GroupParameters,
    GroupRow,
    InvalidPublicValueError,
    KeyPair,
    check_size,
)
from conformance.crypto.modp import EXTRA_OCTETS

_SQUARES = [int(f"{octet:b}", 4) for octet in range(256)]
"""The bits of an octet spread out: its square over GF(2)."""


@dataclass(frozen=True, slots=True)
class BinaryField:
    """GF(2)[u] modulo an irreducible polynomial; bit n stands for u^n."""

    polynomial: int

    @property
    def degree(self) -> int:
        """The n of GF(2^n)."""
        return self.polynomial.bit_length() - 1

    def reduce(self, value: int) -> int:
        """The remainder."""
        degree = self.degree
        while (excess := value.bit_length() - 1 - degree) >= 0:
            value ^= self.polynomial << excess
        return value

    def multiply(self, a: int, b: int) -> int:
        """The product."""
        product = 0
        while b:
            low = b & -b
            product ^= a * low
            b ^= low
        return self.reduce(product)

    def square(self, a: int) -> int:
        """The product with itself, which is linear."""
        octets = a.to_bytes((a.bit_length() + 7) // 8, "little")
        spread = b"".join(_SQUARES[octet].to_bytes(2, "little") for octet in octets)
        return self.reduce(int.from_bytes(spread, "little"))

    def invert(self, a: int) -> int:
        """The inverse by Euclid's algorithm; raises ZeroDivisionError for zero."""
        if a == 0:
            raise ZeroDivisionError("zero has no inverse")
        u, v, g, h = a, self.polynomial, 1, 0
        while u != 1:
            shift = u.bit_length() - v.bit_length()
            if shift < 0:
                u, v, g, h, shift = v, u, h, g, -shift
            u ^= v << shift
            g ^= h << shift
        return self.reduce(g)

    def trace(self, a: int) -> int:
        """The sum a + a^2 + a^4 + ..., which is 0 or 1."""
        total = a
        for _ in range(self.degree - 1):
            total = self.square(total) ^ a
        return total


@dataclass(frozen=True, slots=True)
class BinaryCurve:
    """y^2 + xy = x^3 + ax^2 + b, of which only x coordinates are used; None is infinity."""

    field: BinaryField
    a: int
    b: int

    def holds(self, x: int) -> bool:
        """Whether some y belongs to x: the trace of x + a + b/x^2 is zero."""
        if x == 0 or x.bit_length() > self.field.degree:
            return False
        inverse = self.field.invert(x)
        return (
            self.field.trace(x ^ self.a ^ self.field.multiply(self.b, self.field.square(inverse)))
            == 0
        )

    def multiply(self, scalar: int, x: int) -> int | None:
        """The x coordinate of scalar times the points at x."""
        multiply, square = self.field.multiply, self.field.square
        # (x1 : z1) is infinity and (x2 : z2) one point more, at every step.
        x1, z1, x2, z2 = 1, 0, x, 1
        for bit in f"{scalar:b}":
            if bit == "1":
                x1, z1, x2, z2 = x2, z2, x1, z1
            cross, other = multiply(x1, z2), multiply(x2, z1)
            z2 = square(cross ^ other)
            x2 = multiply(x, z2) ^ multiply(cross, other)
            xx, zz = square(x1), square(z1)
            x1, z1 = square(xx) ^ multiply(self.b, square(zz)), multiply(xx, zz)
            if bit == "1":
                x1, z1, x2, z2 = x2, z2, x1, z1
        return None if z1 == 0 else multiply(x1, self.field.invert(z1))


def curve_of(parameters: GroupParameters) -> BinaryCurve:
    """The curve that some parameters tell."""
    return BinaryCurve(BinaryField(parameters.prime), parameters.curve_a, parameters.curve_b)


def _pair(parameters: GroupParameters, private: bytes) -> KeyPair:
    curve, order = curve_of(parameters), parameters.order or parameters.prime
    size = (curve.field.degree + 7) // 8
    scalar = int.from_bytes(private) % (order - 1) + 1
    public = curve.multiply(scalar, parameters.generator_one)

    def exchange(peer_public: bytes) -> bytes:
        check_size(peer_public, size)
        x = int.from_bytes(peer_public)
        if not curve.holds(x):
            raise InvalidPublicValueError("public value is not a point of the curve")
        shared = curve.multiply(scalar, x)
        if not shared:
            raise InvalidPublicValueError("public value is a point of a small subgroup")
        return shared.to_bytes(size)

    # None only where the parameters tell no order and the scalar is a multiple of it by chance.
    return KeyPair((public or 0).to_bytes(size), exchange)


def ec2n_group(name: str, ike_id: int, parameters: GroupParameters) -> GroupRow:
    """A row for a curve over GF(2^n)."""
    size = (parameters.prime.bit_length() + 6) // 8
    return GroupRow(name, ike_id, size, size + EXTRA_OCTETS, partial(_pair, parameters), parameters)
