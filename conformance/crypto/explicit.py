"""Groups that a peer spells out instead of naming them (RFC 2409 5.6 and Appendix A)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gmpy2

from conformance.crypto.ec2n import BinaryField, curve_of, ec2n_group
from conformance.crypto.ecp import Curve, ecp_group
from conformance.crypto.group import GroupParameters, GroupRow, GroupType, InvalidGroupError
from conformance.crypto.modp import EXTRA_OCTETS, modp_group

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_BITS = {GroupType.MODP: 8192, GroupType.ECP: 640, GroupType.EC2N: 640}
"""Larger than any group with a number; what a peer may make us compute has an end."""
_FEWEST_BITS = {GroupType.MODP: 512, GroupType.ECP: 112, GroupType.EC2N: 113}
_LONGEST_EXPONENT = 80


def explicit_group(name: str, parameters: GroupParameters, ike_id: int = 0) -> GroupRow:
    """The row of a group by its parameters, under a private number where New Group gave it one.

    Raises InvalidGroupError for parameters that make no group of the type they name.
    """
    if parameters.group_type not in _BUILDERS:
        raise InvalidGroupError(f"group type {parameters.group_type} is unknown")
    kind = GroupType(parameters.group_type)
    bits = parameters.prime.bit_length()
    if not _FEWEST_BITS[kind] <= bits <= _MOST_BITS[kind]:
        raise InvalidGroupError(f"{bits} bits are outside the sizes that are accepted")
    if max(parameters.as_attributes().values()) >> (_MOST_BITS[kind] + 1):
        raise InvalidGroupError("a number is larger than any group of this type has")
    return _BUILDERS[kind](name, ike_id, parameters)


def _require(condition: object, message: str) -> None:
    if not condition:
        raise InvalidGroupError(message)


def _modp(name: str, ike_id: int, parameters: GroupParameters) -> GroupRow:
    p, g, q = parameters.prime, parameters.generator_one, parameters.order
    _require(gmpy2.is_prime(p), "p is not prime")
    _require(1 < g < p - 1, "the generator is not between 1 and p - 1")
    _require(q == 0 or (1 < q < p and gmpy2.powmod(g, q, p) == 1), "the order is not that of g")
    size = (p.bit_length() + 7) // 8
    known_order = (q.bit_length() + 7) // 8 + EXTRA_OCTETS
    private_size = known_order if q else min(size, _LONGEST_EXPONENT)
    return modp_group(name, ike_id, parameters, private_size)


def _ecp(name: str, ike_id: int, parameters: GroupParameters) -> GroupRow:
    p, a, b = parameters.prime, parameters.curve_a, parameters.curve_b
    curve, point = Curve(p, a, b), (parameters.generator_one, parameters.generator_two)
    _require(p & 1 and gmpy2.is_prime(p), "p is not an odd prime")
    _require(a < p and b < p and (4 * a**3 + 27 * b * b) % p, "the curve is singular")
    _require(curve.holds(point), "the generator is not a point of the curve")
    order = parameters.order
    _require(
        order == 0 or (order > 1 and curve.multiply(order, point) is None),
        "the order is not that of the generator",
    )
    return ecp_group(name, ike_id, parameters)


def _ec2n(name: str, ike_id: int, parameters: GroupParameters) -> GroupRow:
    curve, x = curve_of(parameters), parameters.generator_one
    degree = curve.field.degree
    _require(is_irreducible(curve.field), "the polynomial is not irreducible")
    _require(parameters.field_size in {0, degree}, "the field size is not the polynomial's degree")
    _require(max(curve.a, curve.b).bit_length() <= degree, "the curve is not over this field")
    _require(curve.b, "the curve is singular")
    _require(curve.holds(x), "the generator is not a point of the curve")
    order = parameters.order
    _require(
        order == 0 or (order > 1 and curve.multiply(order, x) is None),
        "the order is not that of the generator",
    )
    return ec2n_group(name, ike_id, parameters)


def is_irreducible(field: BinaryField) -> bool:
    """Rabin's test: u^(2^n) = u, and u^(2^(n/q)) - u has an inverse for each prime q dividing n."""
    degree, u = field.degree, 2
    divisors = {degree // q for q in range(2, degree + 1) if degree % q == 0 and gmpy2.is_prime(q)}
    power = u
    for n in range(1, degree + 1):
        power = field.square(power)
        if n in divisors and _common_factor(power ^ u, field.polynomial) != 1:
            return False
    return power == u


def _common_factor(a: int, b: int) -> int:
    """The greatest common divisor of two polynomials over GF(2)."""
    while b:
        a, b = b, BinaryField(b).reduce(a)
    return a


_BUILDERS: dict[int, Callable[[str, int, GroupParameters], GroupRow]] = {
    GroupType.MODP: _modp,
    GroupType.ECP: _ecp,
    GroupType.EC2N: _ec2n,
}
