"""Diffie-Hellman groups, one row each (RFC 2409 6, RFC 3526, RFC 5114, RFC 5903, RFC 6932).

Finite-field arithmetic is our own (gmpy2); of the curves the library has all but one.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from conformance.crypto.curves import CURVES, SUBGROUPS
from conformance.crypto.ec2n import ec2n_group
from conformance.crypto.ecp import ecp_group, ecp_parameters
from conformance.crypto.group import (
    GroupParameters,
    GroupRow,
    GroupType,
    InvalidGroupError,
    InvalidPublicValueError,
    KeyPair,
)
from conformance.crypto.modp import modp_of_pi, modp_prime, modp_subgroup

__all__ = [
    "GROUPS",
    "GroupParameters",
    "GroupRow",
    "GroupType",
    "InvalidGroupError",
    "InvalidPublicValueError",
    "KeyPair",
    "modp_prime",
]


def _subgroup(name: str, ike_id: int) -> GroupRow:
    return modp_subgroup(name, ike_id, **SUBGROUPS[name])


def _ecp(name: str, ike_id: int, curve: ec.EllipticCurve | None) -> GroupRow:
    return ecp_group(name, ike_id, ecp_parameters(**CURVES[name]), curve)


def _ec2n(name: str, ike_id: int, exponents: tuple[int, int], x: int, b: int) -> GroupRow:
    """Over u^n + u^m + 1 for the exponents (n, m), with A = 0."""
    size, middle = exponents
    polynomial = 1 << size | 1 << middle | 1
    order = _EC2N_ORDERS[size]
    parameters = GroupParameters(GroupType.EC2N, polynomial, x, 0, 0, b, size, order)
    return ec2n_group(name, ike_id, parameters)


_EC2N_ORDERS = {
    155: 0x0800000000000000000057DB5698537193AEF944,
    185: 0x01FFFFFFFFFFFFFFFFFFFFFFDBF2F889B73E484175F94EBC,
}

# Exponent sizes are RFC 3526 section 8, estimate 2, in whole octets; the two groups of RFC 2409
# take the row of modp1536.
# fmt: off
_ROWS = (
    #          name        ike   bits  constant  exponent bits
    modp_of_pi("modp768",    1,   768,   149686,  240),
    modp_of_pi("modp1024",   2,  1024,   129093,  240),
    modp_of_pi("modp1536",   5,  1536,   741804,  240),
    modp_of_pi("modp2048",  14,  2048,   124476,  320),
    modp_of_pi("modp3072",  15,  3072,  1690314,  424),
    modp_of_pi("modp4096",  16,  4096,   240904,  480),
    modp_of_pi("modp6144",  17,  6144,   929484,  544),
    modp_of_pi("modp8192",  18,  8192,  4743158,  624),
    _subgroup("modp1024s160", 22),
    _subgroup("modp2048s224", 23),
    _subgroup("modp2048s256", 24),
    #     name        ike  field        x          b
    _ec2n("ec2n155",    3,  (155, 62), 0x7B, 0x07338F),
    _ec2n("ec2n185",    4,  (185, 69), 0x18,   0x1EE9),
    #    name          ike  curve
    _ecp("ecp256",      19,  ec.SECP256R1()),
    _ecp("ecp384",      20,  ec.SECP384R1()),
    _ecp("ecp521",      21,  ec.SECP521R1()),
    _ecp("ecp192",      25,  ec.SECP192R1()),
    _ecp("ecp224",      26,  ec.SECP224R1()),
    _ecp("ecp224bp",    27,  None),
    _ecp("ecp256bp",    28,  ec.BrainpoolP256R1()),
    _ecp("ecp384bp",    29,  ec.BrainpoolP384R1()),
    _ecp("ecp512bp",    30,  ec.BrainpoolP512R1()),
)
# fmt: on

GROUPS = {row.name: row for row in _ROWS}
"""Every Diffie-Hellman group by its name."""
