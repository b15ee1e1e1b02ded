"""What a remote calls its SAs may be in use already; then nothing of the pair stands."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from conformance.crypto.random import seeded_random
from conformance.ikev1.config import Identification
from conformance.ikev1.events import ChildInstalled, Protection, Role
from conformance.ipsec.sad import Sad
from conformance.peer.host import Host
from conformance.peer.traffic import Traffic

if TYPE_CHECKING:
    from conformance.peer.host import Address

HERE, THERE = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
KEYS = (bytes(16), bytes(32))
"""Of cipher and integrity."""


def agreed(spi_in: int, spi_out: int) -> ChildInstalled:
    """A pair of ESP in transport mode."""
    return ChildInstalled(
        role=Role.RESPONDER,
        cookie_i=bytes(8),
        cookie_r=bytes(8),
        message_id=1,
        protocol="esp",
        mode="transport",
        cipher="aes128",
        integrity="sha256",
        pfs=None,
        protections=(Protection("esp", spi_in, spi_out, "aes128", "sha256", "none", *KEYS, *KEYS),),
        local_selector=Identification.selector(f"{HERE}/32"),
        remote_selector=Identification.selector(f"{THERE}/32"),
        lifetime_seconds=60,
        negotiated_lifetime_seconds=None,
        notifications=(),
    )


def nowhere(data: bytes, address: Address | IPv4Address) -> None:
    """Nothing leaves."""


def test_an_spi_that_the_remote_uses_twice_leaves_nothing() -> None:
    """Else packets would come in by an SA that belongs to no connection."""
    sad = Sad()
    traffic = Traffic(
        Host(HERE, 500, HERE, sad, nowhere, nowhere, nowhere),
        THERE,
        seeded_random,
        count=lambda _spi, _octets: None,
        note_drop=lambda _event: None,
    )
    first = traffic.install(agreed(0x1000, 0x2000))
    with pytest.raises(ValueError, match="in use"):
        traffic.install(agreed(0x1001, 0x2000))
    assert list(sad) == [first.inbound.outer, first.outbound.outer]
    assert list(traffic.children) == [0x1000]
    traffic.install(agreed(0x1001, 0x2001))
    assert len(sad) == 2 * len(traffic.children) == 4
