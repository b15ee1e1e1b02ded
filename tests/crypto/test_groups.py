"""Groups: published numbers, our own arithmetic, explicit parameters, hostile public values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gmpy2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from conformance.crypto.dh import (
    GROUPS,
    GroupParameters,
    InvalidGroupError,
    InvalidPublicValueError,
)
from conformance.crypto.ec2n import BinaryCurve, BinaryField, curve_of
from conformance.crypto.ecp import Curve, own_pair
from conformance.crypto.explicit import explicit_group, is_irreducible
from conformance.crypto.group import GroupType
from conformance.crypto.random import seeded_random

# fmt: off
IDS = {
    1: "modp768", 2: "modp1024", 3: "ec2n155", 4: "ec2n185",
    5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096",
    17: "modp6144", 18: "modp8192", 19: "ecp256", 20: "ecp384",
    21: "ecp521", 22: "modp1024s160", 23: "modp2048s224", 24: "modp2048s256",
    25: "ecp192", 26: "ecp224", 27: "ecp224bp", 28: "ecp256bp",
    29: "ecp384bp", 30: "ecp512bp",
}
# fmt: on
OF_TYPE = {
    kind: [name for name, row in GROUPS.items() if row.parameters.group_type == kind]
    for kind in GroupType
}
CURVES = OF_TYPE[GroupType.ECP]
QUICK = [name for name in GROUPS if GROUPS[name].public_size <= 256]
SUBGROUPS = [name for name in OF_TYPE[GroupType.MODP] if GROUPS[name].parameters.order]


def test_numbers() -> None:
    """The registry "Group Description"."""
    assert {row.ike_id: name for name, row in GROUPS.items()} == IDS


@pytest.mark.parametrize("name", CURVES)
def test_printed_parameters_make_a_curve(name: str) -> None:
    """The prime and the order are prime, G is on the curve, and its order is n."""
    parameters = GROUPS[name].parameters
    curve = Curve(parameters.prime, parameters.curve_a, parameters.curve_b)
    generator = (parameters.generator_one, parameters.generator_two)
    assert gmpy2.is_prime(parameters.prime)
    assert gmpy2.is_prime(parameters.order)
    assert curve.holds(generator)
    assert curve.multiply(parameters.order, generator) is None
    assert curve.multiply(parameters.order - 1, generator) == (
        generator[0],
        parameters.prime - generator[1],
    )


@pytest.mark.parametrize("name", CURVES)
def test_own_arithmetic_equals_the_library(name: str) -> None:
    """The same octets give the same public value and, crossed, the same secret."""
    row, random = GROUPS[name], seeded_random(name)
    private = random(row.private_size)
    mine, other = own_pair(row.parameters, private), row.key_pair(private)
    peer = row.generate(random)
    assert mine.public == other.public
    assert mine.exchange(peer.public) == other.exchange(peer.public) == peer.exchange(mine.public)


@pytest.mark.parametrize("scalar", [1, 2, 3, 4, 5, 6, 7, 8])
def test_small_multiples_meet_in_every_way(scalar: int) -> None:
    """Adding a point to itself and to its inverse are cases of their own: a curve of 19 points."""
    curve, generator = Curve(17, 2, 2), (5, 1)
    point = curve.multiply(scalar, generator)
    assert point
    assert curve.holds(point)
    assert curve.multiply(19 - scalar, generator) == (point[0], 17 - point[1])
    assert curve.multiply(19 + scalar, generator) == point
    assert curve.multiply(19 * scalar, generator) is None


@pytest.mark.parametrize("name", SUBGROUPS)
def test_printed_subgroups(name: str) -> None:
    """The order q is prime and divides p - 1, and g has that order."""
    parameters = GROUPS[name].parameters
    assert gmpy2.is_prime(parameters.prime)
    assert gmpy2.is_prime(parameters.order)
    assert (parameters.prime - 1) % parameters.order == 0
    assert gmpy2.powmod(parameters.generator_one, parameters.order, parameters.prime) == 1


@pytest.mark.parametrize("name", OF_TYPE[GroupType.EC2N])
def test_printed_binary_curves(name: str) -> None:
    """The polynomial is irreducible, x is on the curve; its order divides the group's."""
    parameters = GROUPS[name].parameters
    curve = curve_of(parameters)
    assert is_irreducible(curve.field)
    assert curve.holds(parameters.generator_one)
    assert curve.multiply(parameters.order, parameters.generator_one) is None


FIELD = BinaryField(1 << 155 | 1 << 62 | 1)
elements = st.integers(0, (1 << 155) - 1)


@given(elements, elements, elements)
def test_binary_field(a: int, b: int, c: int) -> None:
    """The laws of a field, and squares and inverses by their definition."""
    multiply = FIELD.multiply
    assert multiply(a, b) == multiply(b, a)
    assert multiply(a, multiply(b, c)) == multiply(multiply(a, b), c)
    assert multiply(a, b ^ c) == multiply(a, b) ^ multiply(a, c)
    assert FIELD.square(a) == multiply(a, a)
    assert FIELD.trace(FIELD.square(a) ^ a) == 0
    if a:
        assert multiply(a, FIELD.invert(a)) == 1


def test_zero_has_no_inverse() -> None:
    with pytest.raises(ZeroDivisionError):
        FIELD.invert(0)


def affine_points(curve: BinaryCurve) -> list[tuple[int, int]]:
    """Every point of a curve over a small field, by trying."""
    multiply, square = curve.field.multiply, curve.field.square
    size = 1 << curve.field.degree
    return [
        (x, y)
        for x in range(size)
        for y in range(size)
        if square(y) ^ multiply(x, y)
        == multiply(square(x), x) ^ multiply(curve.a, square(x)) ^ curve.b
    ]


def affine_add(curve: BinaryCurve, p: Any, q: Any) -> Any:
    """The group law with both coordinates, straight from its formulas (RFC 2412 Appendix F)."""
    if p is None or q is None:
        return q if p is None else p
    (x1, y1), (x2, y2), multiply = p, q, curve.field.multiply
    if x1 == x2 and (y1 != y2 or x1 == 0):
        return None
    if p == q:
        slope = x1 ^ multiply(y1, curve.field.invert(x1))
        x3 = curve.field.square(slope) ^ slope ^ curve.a
        return x3, curve.field.square(x1) ^ multiply(slope ^ 1, x3)
    slope = multiply(y1 ^ y2, curve.field.invert(x1 ^ x2))
    x3 = curve.field.square(slope) ^ slope ^ x1 ^ x2 ^ curve.a
    return x3, multiply(slope, x1 ^ x3) ^ x3 ^ y1


@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 5), (3, 7), (0, 9)])
def test_ladder_equals_the_group_law_with_y(a: int, b: int) -> None:
    """For every point of a curve over GF(2^5) and every small multiple."""
    curve = BinaryCurve(BinaryField(0b100101), a, b)
    points = affine_points(curve)
    assert {x for x, _ in points if x} == {x for x in range(32) if curve.holds(x)}
    for point in points:
        total = None
        for scalar in range(1, 45):
            total = affine_add(curve, total, point)
            if point[0]:
                assert curve.multiply(scalar, point[0]) == (total[0] if total else None)


@pytest.mark.parametrize("degree", [2, 3, 4, 5, 6])
def test_irreducible_polynomials(degree: int) -> None:
    """Rabin's test against trial division."""
    for polynomial in range(1 << degree, 2 << degree):
        divided = any(BinaryField(d).reduce(polynomial) == 0 for d in range(2, 1 << degree))
        assert is_irreducible(BinaryField(polynomial)) is not divided


def spoiled(name: str) -> dict[str, bytes]:
    """Public values that a peer may send in place of an honest one."""
    row = GROUPS[name]
    size, p = row.public_size, row.parameters.prime
    honest = row.generate(seeded_random(name)).public
    if row.parameters.group_type == GroupType.MODP:
        return {"p-1": (p - 1).to_bytes(size), "p": p.to_bytes(size), "one": (1).to_bytes(size)}
    if row.parameters.group_type == GroupType.ECP:
        half = size // 2
        return {
            "x of p": p.to_bytes(half) + honest[half:],
            "other y": honest[:-1] + bytes([honest[-1] ^ 1]),
            "swapped": honest[half:] + honest[:half],
        }
    values = range(2, 99)
    twist = next(x for x in values if not curve_of(row.parameters).holds(x))
    return {"twist": twist.to_bytes(size), "unreduced": b"\xff" * size, "order 2": bytes(size)}


@pytest.mark.parametrize("name", GROUPS)
def test_hostile_public_values_are_refused(name: str) -> None:
    row = GROUPS[name]
    pair = row.generate(seeded_random(1))
    honest = row.generate(seeded_random(name)).public
    sizes = {
        "empty": b"",
        "zero": bytes(row.public_size),
        "short": honest[1:],
        "long": honest + b"0",
    }
    for case, public in {**sizes, **spoiled(name)}.items():
        with pytest.raises(InvalidPublicValueError):
            pytest.fail(f"{case}: {pair.exchange(public)!r}")


@pytest.mark.parametrize("name", SUBGROUPS)
def test_values_outside_the_subgroup_are_refused(name: str) -> None:
    """Any number may be one of a small subgroup (RFC 2631 2.1.5); 2 generates neither."""
    row = GROUPS[name]
    with pytest.raises(InvalidPublicValueError, match="subgroup"):
        row.generate(seeded_random(1)).exchange((2).to_bytes(row.public_size))


def test_a_point_of_small_order_gives_no_secret() -> None:
    """On EC2N 3 the points at x = b^(1/4) have order 4 and are refused for scalars 4n."""
    row = GROUPS["ec2n155"]
    curve = curve_of(row.parameters)
    x = curve.b
    for _ in range(2 * (curve.field.degree - 1)):
        x = curve.field.square(x)
    assert curve.multiply(4, x) is None
    pair = row.key_pair((3).to_bytes(row.private_size))
    with pytest.raises(InvalidPublicValueError, match="small subgroup"):
        pair.exchange(x.to_bytes(row.public_size))


def test_a_point_of_order_two_gives_no_secret() -> None:
    """On y^2 = x^3 + x + 1 modulo 23, of 28 points, twice (4, 0) is infinity."""
    tiny = GroupParameters(GroupType.ECP, 23, 0, 1, 1, 1, 5, 28)
    with pytest.raises(InvalidPublicValueError, match="small subgroup"):
        own_pair(tiny, b"\x01").exchange(bytes([4, 0]))


@pytest.mark.covers("group:{name}", "feature:explicit-groups", by="self")
@pytest.mark.parametrize("name", QUICK)
def test_a_group_spelled_out_is_the_same_group(name: str) -> None:
    """Attributes there and back, then one end by number and the other by parameters."""
    row, random = GROUPS[name], seeded_random(name)
    told = GroupParameters.from_attributes({**row.parameters.as_attributes(), 4: 99, 14: 128})
    assert told == row.parameters
    private = explicit_group("mine", told, 32768)
    assert (private.name, private.ike_id) == ("mine", 32768)
    assert private.public_size == row.public_size
    by_number, by_parameters = row.generate(random), private.generate(random)
    assert by_number.exchange(by_parameters.public) == by_parameters.exchange(by_number.public)


@pytest.mark.parametrize("name", ["modp1024s160", "ecp256", "ec2n155"])
def test_a_group_without_its_order_still_agrees(name: str) -> None:
    """Group order may be left out (RFC 2409 Appendix A)."""
    row, random = GROUPS[name], seeded_random(name)
    private = explicit_group("mine", replace(row.parameters, order=0))
    mine, yours = private.generate(random), private.generate(random)
    assert mine.exchange(yours.public) == yours.exchange(mine.public)


MODP, ECP, EC2N = (GROUPS[name].parameters for name in ("modp1024s160", "ecp256", "ec2n155"))


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (replace(MODP, group_type=4), "type 4"),
        (replace(MODP, group_type=0), "type 0"),
        (replace(MODP, prime=MODP.prime - 2), "not prime"),
        (replace(MODP, prime=0), "sizes"),
        (replace(MODP, prime=(1 << 8193) + 1), "sizes"),
        (replace(MODP, prime=23, order=0), "sizes"),
        (replace(MODP, generator_one=1), "generator"),
        (replace(MODP, generator_one=MODP.prime - 1), "generator"),
        (replace(MODP, generator_one=1 << 9000), "larger"),
        (replace(MODP, order=MODP.order + 2), "order"),
        (replace(MODP, order=1), "order"),
        (replace(ECP, prime=ECP.prime - 2), "prime"),
        (replace(ECP, generator_two=ECP.generator_two + 1), "point"),
        (replace(ECP, generator_one=ECP.generator_one + ECP.prime), "point"),
        (replace(ECP, curve_a=0, curve_b=0), "singular"),
        (replace(ECP, curve_a=ECP.curve_a + ECP.prime), "singular"),
        (replace(ECP, order=ECP.order - 1), "order"),
        (replace(EC2N, prime=EC2N.prime ^ 2), "irreducible"),
        (replace(EC2N, field_size=154), "field size"),
        (replace(EC2N, curve_b=0), "singular"),
        (replace(EC2N, curve_b=1 << 155), "over this field"),
        (replace(EC2N, generator_one=0), "point"),
        (replace(EC2N, order=EC2N.order + 1), "order"),
    ],
)
def test_parameters_that_make_no_group(parameters: GroupParameters, reason: str) -> None:
    with pytest.raises(InvalidGroupError, match=reason):
        explicit_group("x", parameters)


numbers = st.one_of(st.integers(0, 99), st.integers(0, 1 << 600))


@given(st.dictionaries(st.sampled_from([5, 6, 7, 8, 9, 10, 15, 16]), numbers), st.integers(0, 4))
def test_whatever_a_peer_tells_is_a_group_or_an_invalid_group_error(
    values: dict[int, int], group_type: int
) -> None:
    try:
        row = explicit_group("x", GroupParameters.from_attributes({**values, 5: group_type}))
    except InvalidGroupError:
        return
    assert row.parameters.group_type == group_type


def test_library_curves_are_the_printed_ones() -> None:
    """The library's generator is the RFC's for every curve that both have."""
    row = GROUPS["ecp384bp"]
    key = ec.derive_private_key(1, ec.BrainpoolP384R1()).public_key().public_numbers()
    assert (key.x, key.y) == (row.parameters.generator_one, row.parameters.generator_two)
