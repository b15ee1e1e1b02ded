"""Selectors with protocol and ports, and what tunnels do to the traffic class (RFC 4301)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import TYPE_CHECKING

import pytest

from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import Accepted, AuditEvent
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import Ipv6Packet
from conformance.ipsec.sad import Selector
from conformance.ipsec.selector import ANYWHERE_6, PortRange

if TYPE_CHECKING:
    from conftest import MakePair

    from conformance.ipsec.packet import Packet

ENDS = IPv4Address("10.78.1.1"), IPv4Address("10.78.2.1")
PORTS = (1024).to_bytes(2) + (80).to_bytes(2)
TCP = Ipv4Packet(*ENDS, 6, PORTS + bytes(16))
ICMP = Ipv4Packet(*ENDS, 1, PORTS + bytes(16))
SIX = Ipv6Packet(IPv6Address("fd00::1"), IPv6Address("fd00::2"), 17, PORTS + bytes(4))
HIGH, WEB = PortRange.of(1024), PortRange.of(80)
FIRST_FRAGMENT, LATER_FRAGMENT = replace(TCP, flags=1), replace(TCP, fragment_offset=3)

CASES: dict[str, tuple[Selector, Packet, bool]] = {
    "anything": (Selector(), TCP, True),
    "its protocol": (Selector(protocol=6), TCP, True),
    "another protocol": (Selector(protocol=17), TCP, False),
    "its ports": (Selector(protocol=6, source_port=HIGH, destination_port=WEB), TCP, True),
    "its destination port": (Selector(protocol=6, destination_port=WEB), TCP, True),
    "another port": (Selector(protocol=6, source_port=WEB), TCP, False),
    "no ports in ICMP": (Selector(protocol=1, destination_port=WEB), ICMP, False),
    "ICMP": (Selector(protocol=1), ICMP, True),
    "too short for ports": (Selector(source_port=HIGH), replace(TCP, payload=PORTS[:3]), False),
    "first fragment": (Selector(destination_port=WEB), FIRST_FRAGMENT, True),
    "later fragment, port": (Selector(destination_port=WEB), LATER_FRAGMENT, False),
    "later fragment, any port": (Selector(protocol=6), LATER_FRAGMENT, True),
    "another network": (Selector(destination=IPv4Network("10.9.0.0/16")), TCP, False),
    "IPv6 in IPv4's": (Selector(), SIX, False),
    "IPv6": (Selector(ANYWHERE_6, ANYWHERE_6, 17, HIGH), SIX, True),
}


@pytest.mark.parametrize(("selector", "packet", "covered"), CASES.values(), ids=CASES)
def test_covers(selector: Selector, packet: Packet, *, covered: bool) -> None:
    assert selector.covers(packet) is covered


def test_ports_are_checked_both_ways(make_pair: MakePair) -> None:
    """RFC 4301 5.2 step 4: the receiver does not believe the sender's choice of SA."""
    pair = make_pair({}, selector=Selector(protocol=6, destination_port=WEB))
    assert pair.received(pair.wire(TCP)) == TCP
    event = pair.alice.outbound(ICMP)
    assert isinstance(event, AuditEvent)
    assert event.reason is DropReason.OUT_NO_STATE
    wider = make_pair({})
    assert pair.reason(wider.wire(ICMP)) is DropReason.IN_SEQUENCE
    wider.out.outer.usage.sequence = 7
    assert pair.reason(wider.wire(ICMP)) is DropReason.IN_SELECTOR


NOT_ECT, ECT, CE = 0b00, 0b10, 0b11


@pytest.mark.parametrize(
    ("inner", "outer", "arrived"),
    [
        (NOT_ECT, NOT_ECT, NOT_ECT),
        (ECT, ECT, ECT),
        (ECT, CE, CE),
        (CE, NOT_ECT, CE),
    ],
)
def test_congestion_leaves_the_tunnel(
    inner: int, outer: int, arrived: int, make_pair: MakePair
) -> None:
    """RFC 6040 4.2: CE is told to ends that said they hear it; DSCP stays the inner one."""
    pair, dscp = make_pair({}), 0xB8
    sent = Ipv4Packet.parse(pair.wire(replace(TCP, tos=dscp | inner)))
    assert sent.tos == dscp | inner
    accepted = pair.bob.inbound(replace(sent, tos=outer).build())
    assert isinstance(accepted, Accepted)
    assert accepted.inner.tos == dscp | arrived
