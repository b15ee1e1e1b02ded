"""The address plan: every side of every peer has its own, and it stays the same."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from conformance.errors import UserError
from conformance.lab import containers
from conformance.lab.containers import SIDES, address, container_name, inner_address, inner_subnet

if TYPE_CHECKING:
    from pathlib import Path

PEERS = ("alpha-1.0", "beta-2.1", "reference")


@pytest.fixture(autouse=True)
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PEERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "device").mkdir()
    monkeypatch.setenv("IPSEC_CONFORMANCE_PEERS", str(tmp_path))


@pytest.mark.parametrize(
    ("peer", "side", "number"),
    [
        ("alpha-1.0", "a", 10),
        ("alpha-1.0", "b", 11),
        ("beta-2.1", "a", 12),
        ("beta-2.1", "b", 13),
        ("reference", "b", 15),
    ],
)
def test_numbers_follow_the_sorted_names(peer: str, side: str, number: int) -> None:
    assert address(peer, side) == f"10.77.0.{number}"
    assert inner_address(peer, side) == f"10.78.{number}.1"
    assert inner_subnet(peer, side) == f"10.78.{number}.0/24"


def test_every_address_is_its_own_and_inside_its_network() -> None:
    hosts = [(peer, side) for peer in PEERS for side in SIDES]
    outer = {address(*host) for host in hosts}
    assert len(outer) == len(hosts)
    assert containers.GATEWAY not in outer
    assert all(ip_address(a) in ip_network(containers.SUBNET) for a in outer)
    assert all(ip_address(inner_address(*h)) in ip_network(inner_subnet(*h)) for h in hosts)


def test_container_names() -> None:
    assert container_name("libreswan-4.10", "b") == "ipsec-conformance-libreswan-4.10-b"


@pytest.mark.parametrize("unknown", ["gamma", "device", ""])
def test_an_unknown_peer_is_named_with_those_there_are(unknown: str) -> None:
    """A folder without a Dockerfile has no container, so no address either."""
    with pytest.raises(UserError, match=repr(unknown)) as error:
        address(unknown, "a")
    assert "alpha-1.0, beta-2.1, reference" in error.value.hint
