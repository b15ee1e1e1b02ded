"""Diffie-Hellman groups, one row each (RFC 2409 6, RFC 3526, RFC 5903).

Finite-field arithmetic is our own (gmpy2); elliptic curves are the library's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import gmpy2
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.crypto.random import RandomSource


class InvalidPublicValueError(ValueError):
    """A public value that no honest peer sends: wrong length, out of range or off the curve."""


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
    """Group description, RFC 2409 Appendix A."""
    public_size: int
    private_size: int
    """Octets of randomness that generate() draws."""
    key_pair: Callable[[bytes], KeyPair]
    """The pair that belongs to private_size random octets."""

    def generate(self, random: RandomSource) -> KeyPair:
        """Draw a fresh key pair."""
        return self.key_pair(random(self.private_size))


@cache
def modp_prime(bits: int, constant: int) -> int:
    """2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + constant), the form of RFC 2409 6 and 3526."""
    numerator, denominator = gmpy2.const_pi(bits + 64).as_integer_ratio()
    digits_of_pi = (int(numerator) << (bits - 130)) // int(denominator)
    return (1 << bits) - (1 << (bits - 64)) - 1 + ((digits_of_pi + constant) << 64)


def _modp_pair(bits: int, constant: int, private: bytes) -> KeyPair:
    prime, size = modp_prime(bits, constant), bits // 8
    exponent = int.from_bytes(private) | 1 << (8 * len(private) - 1)

    def exchange(peer_public: bytes) -> bytes:
        y = int.from_bytes(peer_public)
        if len(peer_public) != size:
            raise InvalidPublicValueError(
                f"public value has {len(peer_public)} octets, not the group's {size}"
            )
        if not 1 < y < prime - 1:
            raise InvalidPublicValueError("public value is not between 1 and p - 1")
        return int(gmpy2.powmod(y, exponent, prime)).to_bytes(size)

    return KeyPair(int(gmpy2.powmod(2, exponent, prime)).to_bytes(size), exchange)


def _ecp_pair(curve: ec.EllipticCurve, order: int, private: bytes) -> KeyPair:
    scalar = int.from_bytes(private) % (order - 1) + 1
    key = ec.derive_private_key(scalar, curve)
    numbers, size = key.public_key().public_numbers(), (curve.key_size + 7) // 8

    def exchange(peer_public: bytes) -> bytes:
        if len(peer_public) != 2 * size:
            raise InvalidPublicValueError(
                f"public value has {len(peer_public)} octets, not the group's {2 * size}"
            )
        x, y = int.from_bytes(peer_public[:size]), int.from_bytes(peer_public[size:])
        try:
            point = ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
        except ValueError as error:
            raise InvalidPublicValueError("public value is not a point of the curve") from error
        return key.exchange(ec.ECDH(), point)

    return KeyPair(numbers.x.to_bytes(size) + numbers.y.to_bytes(size), exchange)


def _modp(name: str, ike_id: int, bits: int, constant: int, exponent_bits: int) -> GroupRow:
    build = partial(_modp_pair, bits, constant)
    return GroupRow(name, ike_id, bits // 8, exponent_bits // 8, build)


def _ecp(name: str, ike_id: int, curve: ec.EllipticCurve, order: int) -> GroupRow:
    size = (curve.key_size + 7) // 8
    # Eight octets more than the order make the bias of the reduction negligible (FIPS 186-5 A.2.1).
    return GroupRow(name, ike_id, 2 * size, size + 8, partial(_ecp_pair, curve, order))


_P256_ORDER = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551

# Exponent sizes are RFC 3526 section 8, estimate 2; modp1024 takes the row of modp1536.
# fmt: off
_ROWS = (
    #     name        ike   bits  constant  exponent bits
    _modp("modp1024",   2,  1024,   129093,  240),
    _modp("modp1536",   5,  1536,   741804,  240),
    _modp("modp2048",  14,  2048,   124476,  320),
    _ecp( "ecp256",    19,  ec.SECP256R1(),  _P256_ORDER),
)
# fmt: on

GROUPS = {row.name: row for row in _ROWS}
"""Every Diffie-Hellman group by its name."""
