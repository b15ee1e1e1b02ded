"""The address plan: every side of every peer has its own, and it stays the same."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.errors import UserError
from conformance.lab import addresses
from conformance.lab.addresses import SIDES, SLOTS, inner, inner_subnet, number, outer, own_address
from conformance.lab.containers import (
    SUBNETS,
    container_name,
    ensure_topology,
    remove_misplaced,
)
from conformance.resources import PACKAGE

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
    ("peer", "side", "expected"),
    [
        ("alpha-1.0", "a", 10),
        ("alpha-1.0", "b", 11),
        ("beta-2.1", "a", 12),
        ("beta-2.1", "b", 13),
        ("reference", "b", 15),
    ],
)
def test_numbers_follow_the_sorted_names(peer: str, side: str, expected: int) -> None:
    assert number(peer, side) == expected


@pytest.mark.parametrize(
    ("version", "outside", "inside", "subnet"),
    [
        (4, "10.77.12.200", "10.112.200.1", "10.112.200.0/24"),
        (6, "fd77::12:200", "fd78:12:200::1", "fd78:12:200::/64"),
    ],
)
def test_a_cell_has_addresses_of_its_own(
    version: int, outside: str, inside: str, subnet: str
) -> None:
    place = (number("beta-2.1", "a"), 200, version)
    assert (outer(*place), inner(*place), inner_subnet(*place)) == (outside, inside, subnet)


@pytest.mark.parametrize(("version", "network"), [(4, addresses.SUBNET), (6, addresses.SUBNET_6)])
def test_every_address_is_its_own_and_inside_its_network(version: int, network: str) -> None:
    numbers = [number(peer, side) for peer in PEERS for side in SIDES]
    places = [(one, slot, version) for one in numbers for slot in SLOTS]
    outside = {ip_address(outer(*place)) for place in places}
    subnets = {ip_network(inner_subnet(*place)) for place in places}
    own = {ip_address(own_address(one)) for one in numbers}
    gateways = {ip_address(addresses.GATEWAY), ip_address(addresses.GATEWAY_6)}
    assert len(outside) == len(subnets) == len(places)
    assert not outside & (own | gateways | {ip_address(addresses.TRANSLATOR)})
    assert all(address in ip_network(network) for address in outside)
    assert all(ip_address(inner(*place)) in ip_network(inner_subnet(*place)) for place in places)


def test_the_script_of_the_containers_gives_them_just_these() -> None:
    """The same plan stands once in Python and once in shell."""
    script = (PACKAGE / "lab" / "guest" / "addresses.sh").read_text()
    spelled = script.replace("$PEER_NUMBER", "12").replace("$slot", "200")
    assert f"address replace {outer(12, 200)}/16 dev eth0" in spelled
    assert f"address replace {outer(12, 200, 6)}/64 dev eth0 nodad" in spelled
    assert "route replace local 10.$((100 + PEER_NUMBER)).0.0/16 dev lo" in script
    assert "route replace local fd78:12::/32 dev lo" in spelled
    assert "ip_nonlocal_bind" in script


def test_more_peers_than_the_plan_holds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(46):
        (tmp_path / f"more-{index:02}").mkdir()
        (tmp_path / f"more-{index:02}" / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setenv("IPSEC_CONFORMANCE_PEERS", str(tmp_path))
    with pytest.raises(UserError, match="more peers than the lab has addresses for"):
        number("more-45", "b")


def test_container_names() -> None:
    assert container_name("libreswan-4.10", "b") == "ipsec-conformance-libreswan-4.10-b"


@pytest.mark.parametrize("unknown", ["gamma", "device", ""])
def test_an_unknown_peer_is_named_with_those_there_are(unknown: str) -> None:
    """A folder without a Dockerfile has no container, so no address either."""
    with pytest.raises(UserError, match=repr(unknown)) as error:
        number(unknown, "a")
    assert "alpha-1.0, beta-2.1, reference" in error.value.hint


def test_containers_that_the_plan_has_moved_are_removed() -> None:
    """A peer that came or went moves others; those, and the ones that went, are started anew."""
    removed: list[str] = []

    def standing(name: str, number: int | None) -> Any:
        environment = [f"PEER_NAME={name}"] + ([f"PEER_NUMBER={number}"] if number else [])
        return SimpleNamespace(
            name=name,
            attrs={"Config": {"Env": environment}},
            remove=lambda *, force: removed.append(name) if force else None,
        )

    there = [
        standing(container_name("alpha-1.0", "a"), 10),
        standing(container_name("beta-2.1", "a"), 14),
        standing(container_name("gone-1.0", "b"), 13),
        standing("ipsec-conformance-nat", None),
    ]
    client: Any = SimpleNamespace(containers=SimpleNamespace(list=lambda **_: there))
    remove_misplaced(client)
    assert removed == [container_name("beta-2.1", "a"), container_name("gone-1.0", "b")]


@pytest.mark.parametrize(
    ("subnets", "does"),
    [
        (None, ["create", "volume"]),
        (SUBNETS, ["volume"]),
        ({"10.77.0.0/24"}, ["remove container", "remove network", "create", "volume"]),
    ],
    ids=["none", "ours", "of-an-older-plan"],
)
def test_a_network_of_another_plan_goes_with_all_that_is_in_it(
    subnets: set[str] | None, does: list[str]
) -> None:
    did: list[str] = []

    def note(what: str) -> Any:
        return lambda *_, **__: did.append(what)

    pools = [{"Subnet": one} for one in subnets or ()]
    network = SimpleNamespace(attrs={"IPAM": {"Config": pools}}, remove=note("remove network"))
    networks = [network] if subnets is not None else []
    client: Any = SimpleNamespace(
        networks=SimpleNamespace(list=lambda **_: networks, create=note("create")),
        containers=SimpleNamespace(
            list=lambda **_: [SimpleNamespace(remove=note("remove container"))]
        ),
        volumes=SimpleNamespace(list=lambda **_: [], create=note("volume")),
    )
    ensure_topology(client)
    assert did == does
