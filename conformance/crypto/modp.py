"""Finite-field Diffie-Hellman (RFC 2409 6, RFC 3526, RFC 5114 2.1 to 2.3, RFC 2631)."""

from __future__ import annotations

from functools import cache, partial

import gmpy2

from conformance.crypto.group import (
    GroupParameters,
    GroupRow,
    GroupType,
    InvalidPublicValueError,
    KeyPair,
    check_size,
)

# Eight octets more than an order make the bias of a reduction negligible (FIPS 186-5 A.2.1).
EXTRA_OCTETS = 8


@cache
def modp_prime(bits: int, constant: int) -> int:
    """2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + constant), the form of RFC 2409 6 and 3526."""
    numerator, denominator = gmpy2.const_pi(bits + 64).as_integer_ratio()
    digits_of_pi = (int(numerator) << (bits - 130)) // int(denominator)
    return (1 << bits) - (1 << (bits - 64)) - 1 + ((digits_of_pi + constant) << 64)


def _pair(parameters: GroupParameters, private: bytes) -> KeyPair:
    prime, generator, order = parameters.prime, parameters.generator_one, parameters.order
    size = (prime.bit_length() + 7) // 8
    exponent = int.from_bytes(private)
    exponent = exponent % (order - 1) + 1 if order else exponent | 1 << (8 * len(private) - 1)

    def exchange(peer_public: bytes) -> bytes:
        check_size(peer_public, size)
        y = int.from_bytes(peer_public)
        if not 1 < y < prime - 1:
            raise InvalidPublicValueError("public value is not between 1 and p - 1")
        if order and gmpy2.powmod(y, order, prime) != 1:
            # RFC 2631 2.1.5: else a small subgroup would tell something of the exponent.
            raise InvalidPublicValueError("public value is outside the subgroup of order q")
        return int(gmpy2.powmod(y, exponent, prime)).to_bytes(size)

    return KeyPair(int(gmpy2.powmod(generator, exponent, prime)).to_bytes(size), exchange)


def modp_group(name: str, ike_id: int, parameters: GroupParameters, private_size: int) -> GroupRow:
    """A row whose exponent has private_size octets, or is below the order where that is known."""
    size = (parameters.prime.bit_length() + 7) // 8
    return GroupRow(name, ike_id, size, private_size, partial(_pair, parameters), parameters)


def modp_of_pi(name: str, ike_id: int, bits: int, constant: int, exponent_bits: int) -> GroupRow:
    """A group over a prime made of pi; its generator is 2."""
    parameters = GroupParameters(GroupType.MODP, modp_prime(bits, constant), 2)
    return modp_group(name, ike_id, parameters, exponent_bits // 8)


def modp_subgroup(name: str, ike_id: int, prime: str, generator: str, order: str) -> GroupRow:
    """A group of prime order q within the integers modulo p, the numbers in hexadecimal."""
    p, g, q = (int(text, 16) for text in (prime, generator, order))
    parameters = GroupParameters(GroupType.MODP, p, g, order=q)
    return modp_group(name, ike_id, parameters, (q.bit_length() + 7) // 8 + EXTRA_OCTETS)
