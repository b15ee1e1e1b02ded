"""Where the ends of a cell stand: a host for container, slot and address family."""

from __future__ import annotations

from conformance.drivers import Host
from conformance.lab import addresses

VERSIONS = {"ipv4": (4, 4), "ipv6": (6, 6), "4in6": (6, 4), "6in4": (4, 6)}
"""Level of ``family`` -> IP version outside and inside."""


def host_of(number: int, slot: int, family: str) -> Host:
    """The place of one container in the cell of a slot."""
    outside, inside = VERSIONS[family]
    return Host(
        address=addresses.outer(number, slot, outside),
        inner_address=addresses.inner(number, slot, inside),
        inner_subnet=addresses.inner_subnet(number, slot, inside),
    )
