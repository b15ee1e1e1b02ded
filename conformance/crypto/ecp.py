"""Diffie-Hellman on elliptic curves over prime fields (RFC 5903, RFC 5114 2.4 to 2.8, RFC 6932).

KE holds x and y, the shared secret is x alone (RFC 5903 7 and 9). Curves that the library lacks use
arithmetic of our own; it does not run in constant time, which a test peer's ephemeral keys allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import gmpy2
from cryptography.hazmat.primitives.asymmetric import ec

from conformance.crypto.group import (
    GroupParameters,
    GroupRow,
    GroupType,
    InvalidPublicValueError,
    KeyPair,
    check_size,
)
from conformance.crypto.modp import EXTRA_OCTETS

if TYPE_CHECKING:
    from collections.abc import Callable

Point = tuple[int, int]
_Jacobian = tuple[int, int, int]
_INFINITY: _Jacobian = (1, 1, 0)


@dataclass(frozen=True, slots=True)
class Curve:
    """y^2 = x^3 + ax + b over the integers modulo p; points are affine, None is infinity."""

    p: int
    a: int
    b: int

    def holds(self, point: Point) -> bool:
        """Whether both coordinates are reduced and fulfil the equation."""
        x, y = point
        on_curve = (y * y - (x * x + self.a) * x - self.b) % self.p == 0
        return x < self.p and y < self.p and on_curve

    def multiply(self, scalar: int, point: Point) -> Point | None:
        """Scalar times point by doubling and adding."""
        base, total = (*point, 1), _INFINITY
        for bit in f"{scalar:b}":
            total = self._double(total)
            if bit == "1":
                total = self._add(total, base)
        return self._affine(total)

    def _affine(self, point: _Jacobian) -> Point | None:
        x, y, z = point
        if z == 0:
            return None
        inverse = int(gmpy2.invert(z, self.p))
        square = inverse * inverse % self.p
        return x * square % self.p, y * square * inverse % self.p

    def _double(self, point: _Jacobian) -> _Jacobian:
        x, y, z = point
        if y == 0 or z == 0:
            return _INFINITY
        p, yy, zz = self.p, y * y % self.p, z * z % self.p
        s, m = 4 * x * yy % p, (3 * x * x + self.a * zz * zz) % p
        x3 = (m * m - 2 * s) % p
        return x3, (m * (s - x3) - 8 * yy * yy) % p, 2 * y * z % p

    def _add(self, first: _Jacobian, second: _Jacobian) -> _Jacobian:
        (x1, y1, z1), (x2, y2, z2), p = first, second, self.p
        if z1 == 0 or z2 == 0:
            return second if z1 == 0 else first
        zz1, zz2 = z1 * z1 % p, z2 * z2 % p
        u1, u2 = x1 * zz2 % p, x2 * zz1 % p
        s1, s2 = y1 * zz2 * z2 % p, y2 * zz1 * z1 % p
        h, r = (u2 - u1) % p, (s2 - s1) % p
        if h == 0:
            return self._double(first) if r == 0 else _INFINITY
        hh = h * h % p
        hhh, v = h * hh % p, u1 * hh % p
        x3 = (r * r - hhh - 2 * v) % p
        return x3, (r * (v - x3) - s1 * hhh) % p, h * z1 * z2 % p


def _size(parameters: GroupParameters) -> int:
    return (parameters.prime.bit_length() + 7) // 8


def _scalar(parameters: GroupParameters, private: bytes) -> int:
    order = parameters.order or parameters.prime
    return int.from_bytes(private) % (order - 1) + 1


def _point(public: bytes, size: int) -> Point:
    check_size(public, 2 * size)
    return int.from_bytes(public[:size]), int.from_bytes(public[size:])


def _octets(point: Point, size: int) -> bytes:
    return b"".join(coordinate.to_bytes(size) for coordinate in point)


def _library_pair(curve: ec.EllipticCurve, parameters: GroupParameters, private: bytes) -> KeyPair:
    key, size = ec.derive_private_key(_scalar(parameters, private), curve), _size(parameters)
    numbers = key.public_key().public_numbers()

    def exchange(peer_public: bytes) -> bytes:
        x, y = _point(peer_public, size)
        try:
            point = ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
        except ValueError as error:
            raise InvalidPublicValueError("public value is not a point of the curve") from error
        return key.exchange(ec.ECDH(), point)

    return KeyPair(_octets((numbers.x, numbers.y), size), exchange)


def own_pair(parameters: GroupParameters, private: bytes) -> KeyPair:
    """The pair that our own arithmetic gives, for any curve."""
    curve = Curve(parameters.prime, parameters.curve_a, parameters.curve_b)
    scalar, size = _scalar(parameters, private), _size(parameters)
    public = curve.multiply(scalar, (parameters.generator_one, parameters.generator_two))

    def exchange(peer_public: bytes) -> bytes:
        point = _point(peer_public, size)
        if not curve.holds(point):
            raise InvalidPublicValueError("public value is not a point of the curve")
        shared = curve.multiply(scalar, point)
        if shared is None:
            raise InvalidPublicValueError("public value is a point of a small subgroup")
        return shared[0].to_bytes(size)

    # None only where the parameters tell no order and the scalar is a multiple of it by chance.
    return KeyPair(_octets(public or (0, 0), size), exchange)


def ecp_group(
    name: str, ike_id: int, parameters: GroupParameters, curve: ec.EllipticCurve | None = None
) -> GroupRow:
    """A row whose arithmetic is the library's where it knows the curve, else our own."""
    build: Callable[[GroupParameters, bytes], KeyPair] = (
        partial(_library_pair, curve) if curve else own_pair
    )
    size = _size(parameters)
    return GroupRow(
        name, ike_id, 2 * size, size + EXTRA_OCTETS, partial(build, parameters), parameters
    )


def ecp_parameters(*, p: str, a: str, b: str, gx: str, gy: str, n: str) -> GroupParameters:
    """A curve as the RFCs print it: hexadecimal prime, A, B, generator and order."""
    prime, curve_a, curve_b, one, two, order = (int(text, 16) for text in (p, a, b, gx, gy, n))
    size = prime.bit_length()
    return GroupParameters(GroupType.ECP, prime, one, two, curve_a, curve_b, size, order)
