"""Whole peers over IPv6 and with IPv6 inside: IKE on ::1, ESP and AH on a wire in memory."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1.config import SUITES
from conformance.ipsec.packet import parse_packet
from conformance.peer.client import ControlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from conftest import Pair, Place

OUTSIDE = {"ipv6": ("::1", "::1"), "4in6": ("::1", "::1"), "6in4": ("127.0.0.11", "127.0.0.12")}
INSIDE = {
    "ipv6": ("fd78:11::1", "fd78:11::/64", "fd78:12::1", "fd78:12::/64"),
    "4in6": ("10.78.11.1", "10.78.11.0/24", "10.78.12.1", "10.78.12.0/24"),
    "6in4": ("fd78:11::1", "fd78:11::/64", "fd78:12::1", "fd78:12::/64"),
}
NUMBERS = {"ah": 51, "esp": 50, "ipcomp": 108}


@pytest.fixture(params=OUTSIDE)
def family(request: pytest.FixtureRequest) -> str:
    """Of the addresses: inside and outside."""
    return str(request.param)


@pytest.fixture
def far(
    family: str, pair_at: Callable[[Place, Place], AbstractContextManager[Pair]]
) -> Iterator[Pair]:
    inside = INSIDE[family]
    places = zip(OUTSIDE[family], inside[::2], inside[1::2], strict=True)
    with pair_at(*places) as pair:
        yield pair


def establish(pair: Pair, suite: str = "esp", mode: str = "tunnel", **changes: Any) -> None:
    """Ends that share an address differ by their seeds alone."""
    phase2 = {"protocol": suite, "cipher": "aes128" if "esp" in suite else "none", "mode": mode}
    pair.establish(phase2=phase2, bob={"seed": 2}, **changes)


def check(pair: Pair, suite: str, version: int) -> None:
    for end in (pair.alice, pair.bob):
        told = end.call("ping", name="c", count=2, size=1000)
        assert told == {"sent": 2, "received": 2}
    outer = NUMBERS[suite.split("+", maxsplit=1)[0]]
    assert {one.source.version for one in seen(pair)} == {version}
    assert {one.protocol for one in seen(pair)} == {outer}


def seen(pair: Pair) -> list[Any]:
    return [parse_packet(octets) for octets in pair.wire.seen]


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.covers("feature:4in6", "feature:6in4", "feature:6in6", by="self")
def test_a_tunnel_of_every_suite_carries_traffic(suite: str, family: str, far: Pair) -> None:
    establish(far, suite)
    check(far, suite, ip_address(OUTSIDE[family][0]).version)
    (child,) = far.alice.call("sas", name="c")["children"]
    assert (child["local_selector"], child["remote_selector"]) == INSIDE[family][1::2]
    assert (child["packets_in"], child["packets_out"]) == (4, 4)


@pytest.mark.parametrize("family", ["ipv6"], indirect=True)
@pytest.mark.parametrize("suite", SUITES)
def test_transport_mode_of_every_suite_carries_traffic(suite: str, far: Pair) -> None:
    establish(far, suite, "transport")
    check(far, suite, 6)
    keys = far.alice.call("keys", name="c")["esp"]
    assert {key["source"] for key in keys} == {"::1"}


@pytest.mark.parametrize("family", ["ipv6"], indirect=True)
@pytest.mark.covers("id:5", "id:6", by="self")
def test_identities_are_addresses_and_subnets_of_ipv6(far: Pair) -> None:
    """ID_IPV6_ADDR in phase 1, ID_IPV6_ADDR_SUBNET in phase 2 (RFC 2407 4.6.2)."""
    establish(far)
    told = far.bob.call("transcript", name="c")
    said = [text for message in told["messages"] for text in message["payloads"]]
    assert "ID IPV6-ADDR ::1" in said
    assert "ID IPV6-ADDR-SUBNET fd78:11::/64" in said
    assert far.bob.call("sas", name="c")["ike"]["peer_id"] == "IPV6-ADDR ::1"


@pytest.mark.parametrize("family", ["ipv6"], indirect=True)
def test_an_identity_of_ipv6_that_differs_is_refused(far: Pair) -> None:
    far.configure(bob={"seed": 2, "remote_id": "ipv6:fd77::9"})
    assert not far.alice.call("initiate", name="c", timeout=1)["established"]
    divergence = far.bob.call("await_established", name="c", timeout=1)["divergence"]
    assert (divergence["expected"], divergence["got"]) == (
        "IPV6-ADDR fd77::9",
        "IPV6-ADDR ::1",
    )


@pytest.mark.parametrize("family", ["4in6"], indirect=True)
def test_selectors_of_two_families_are_refused(far: Pair) -> None:
    with pytest.raises(ControlError, match="are of two families"):
        far.alice.call("configure", **far.arguments(remote_selector="fd78:12::/64"))


def test_addresses_of_the_selectors_answer_where_the_peers_own_is_outside(
    pair_at: Callable[[Place, Place], AbstractContextManager[Pair]],
) -> None:
    """One peer serves tunnels of either family: the lowest host of what it protects is itself."""
    places = (("::1", f"10.78.{n}.1", f"fd78:{n}::/64") for n in (11, 12))
    with pair_at(*places) as pair:
        establish(pair)
        check(pair, "esp", 6)
