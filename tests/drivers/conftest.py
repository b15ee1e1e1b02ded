"""Connections of a cell as its two ends see them, for tests of what drivers make of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from conformance.crypto.issuing import Credentials
from conformance.drivers.base import Connection, Host
from conformance.drivers.methods import METHODS
from conformance.matrix.factors import all_levels, plain_combination

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.drivers.base import Role

ALICE = Host("10.77.0.14", "10.78.14.1", "10.78.14.0/24")
BOB = Host("10.77.0.11", "10.78.11.1", "10.78.11.0/24")
ALICE_6 = Host("fd77::14:1", "fd78:14:1::1", "fd78:14:1::/64")
BOB_6 = Host("fd77::11:1", "fd78:11:1::1", "fd78:11:1::/64")
VERSIONS = {"ipv4": (4, 4), "ipv6": (6, 6), "4in6": (6, 4), "6in4": (4, 6)}
"""Level of ``family``: IP version outside and inside."""
BEHIND_NAT = Host("10.77.0.254", "10.78.14.1", "10.78.14.0/24", own_address="10.77.0.14")
"""Alice, as Bob sees her over the lab's translator."""


class MakeConnection(Protocol):
    """Makes one end's view of a cell whose combination is plain but for ``levels``."""

    def __call__(self, role: Role = "initiator", /, **levels: str) -> Connection:
        """Return the connection."""


def connection(role: Role = "initiator", /, **levels: str) -> Connection:
    """One end's view: Alice initiates, Bob responds; a certificate where the method has keys."""
    combination = plain_combination(all_levels()) | levels
    alice, bob = (
        _mixed({4: four, 6: six}, *VERSIONS[combination["family"]])
        for four, six in ((ALICE, ALICE_6), (BOB, BOB_6))
    )
    if role == "responder" and combination["nat"] != "none":
        alice = BEHIND_NAT
    local, remote = (alice, bob) if role == "initiator" else (bob, alice)
    return Connection(
        name="c1",
        role=role,
        local=local,
        remote=remote,
        combination=combination,
        psk="the lab's secret",
        credentials=_credentials(local) if METHODS[combination["auth"]].key else None,
        seed=7,
    )


def with_name(connection: Connection) -> Connection:
    """The same, of an initiator that proves the name ``group`` in place of its address."""
    if connection.role == "initiator":
        return replace(connection, local=replace(connection.local, key_id="group"))
    return replace(connection, remote=replace(connection.remote, key_id="group"))


def _mixed(hosts: dict[int, Host], outside: int, inside: int) -> Host:
    within = hosts[inside]
    return Host(hosts[outside].address, within.inner_address, within.inner_subnet)


def _credentials(host: Host) -> Credentials:
    return Credentials(
        name=f"end-{host.address}",
        certificate=b"certificate",
        authority=b"authority",
        private_key=b"key",
        bundle=b"bundle",
    )


@pytest.fixture
def make_connection() -> MakeConnection:
    """The maker of connections."""
    return connection


@pytest.fixture
def named() -> Callable[[Connection], Connection]:
    """Gives a connection's initiator a name."""
    return with_name
