"""The index finds what a look at every selector in order finds (RFC 4301 4.4.1)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ipsec.index import SelectorIndex
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import Ipv6Packet
from conformance.ipsec.selector import ANY_PORT, OPAQUE, AddressRange, PortRange, Selector

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.packet import Address, Network, Packet

BASES = {4: int(IPv4Address("10.0.0.0")), 6: int(IPv6Address("fd00::"))}
"""Where the few addresses begin that the tests draw, so that selectors often meet."""
WIDTH = 5
PROTOCOLS = (1, 6, 17, 58, 135, 253)


def address(version: int, offset: int) -> Address:
    number = BASES[version] + offset
    return IPv4Address(number) if version == 4 else IPv6Address(number)


@st.composite
def addresses(draw: st.DrawFn, version: int) -> Network | AddressRange:
    first, last = sorted(draw(st.tuples(*[st.integers(0, 2**WIDTH - 1)] * 2)))
    if draw(st.booleans()):
        return AddressRange(address(version, first), address(version, last))
    prefix = address(version, 0).max_prefixlen - draw(st.sampled_from((0, 1, 2, WIDTH)))
    make: Callable[..., Network] = IPv4Network if version == 4 else IPv6Network
    return make((int(address(version, first)), prefix), strict=False)


PORTS = st.one_of(
    st.sampled_from((ANY_PORT, OPAQUE, PortRange(2, 2), PortRange(0, 3), PortRange(8, 8))),
    st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda ends: PortRange(*sorted(ends))),
)


@st.composite
def selectors(draw: st.DrawFn) -> Selector:
    version = draw(st.sampled_from((4, 6)))
    return Selector(
        draw(addresses(version)),
        draw(addresses(version)),
        draw(st.sampled_from((0, *PROTOCOLS))),
        draw(PORTS),
        draw(PORTS),
    )


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    version = draw(st.sampled_from((4, 6)))
    ends = [address(version, draw(st.integers(0, 2**WIDTH - 1))) for _ in range(2)]
    payload = bytes(draw(st.lists(st.integers(0, 9), max_size=5)))
    protocol = draw(st.sampled_from(PROTOCOLS))
    if version == 6:
        return Ipv6Packet(ends[0], ends[1], protocol, payload)  # type: ignore[arg-type]
    offset = draw(st.sampled_from((0, 0, 1)))
    return Ipv4Packet(ends[0], ends[1], protocol, payload, fragment_offset=offset)  # type: ignore[arg-type]


@given(st.lists(selectors(), max_size=12), st.lists(packets(), min_size=1, max_size=5), st.data())
def test_it_finds_what_a_linear_search_finds(
    given_selectors: list[Selector], given_packets: list[Packet], data: st.DataObject
) -> None:
    ranks = data.draw(st.permutations(range(len(given_selectors))))
    entries = dict(zip(ranks, given_selectors, strict=True))
    index: SelectorIndex[int] = SelectorIndex()
    for rank, selector in entries.items():
        index.add(selector, rank, rank)
    gone = data.draw(st.sets(st.sampled_from(ranks))) if entries else set()
    for rank in gone:
        index.remove(entries.pop(rank), rank)
    refused = data.draw(st.sets(st.sampled_from(ranks))) if ranks else set()
    for packet in given_packets:
        fitting = [rank for rank in sorted(entries) if entries[rank].covers(packet)]
        assert index.find(packet) == next(iter(fitting), None)
        accepted = [rank for rank in fitting if rank not in refused]
        found = index.find(packet, accept=lambda rank: rank not in refused)
        assert found == next(iter(accepted), None)


def test_what_is_not_there_cannot_be_removed() -> None:
    index: SelectorIndex[str] = SelectorIndex()
    index.add(Selector(), 1, "one")
    with pytest.raises(KeyError):
        index.remove(Selector(), 2)
    with pytest.raises(KeyError):
        index.remove(Selector(protocol=6), 1)
    index.remove(Selector(), 1)
    with pytest.raises(KeyError):
        index.remove(Selector(), 1)


@pytest.mark.parametrize(
    ("first", "last", "network"),
    [
        ("10.0.0.0", "10.0.0.255", "10.0.0.0/24"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1/32"),
        ("10.0.0.255", "10.0.1.0", "10.0.0.0/23"),
        ("0.0.0.1", "255.255.255.254", "0.0.0.0/0"),
        ("fd00::1", "fd00::2", "fd00::/126"),
    ],
)
def test_the_network_around_a_range(first: str, last: str, network: str) -> None:
    assert str(AddressRange(ip_address(first), ip_address(last)).network) == network


@pytest.mark.parametrize("ends", [("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "fd00::1")])
def test_a_range_that_is_none(ends: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="no addresses from"):
        AddressRange(*map(ip_address, ends))
