"""What a packet costs with one SA and one policy, and with ten thousand of each (RFC 4301 4.4)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network
from itertools import cycle
from typing import TYPE_CHECKING

from esp_packets import ALICE, BOB, SIZE, association

from conformance.crypto.random import system_random
from conformance.ipsec.boundary import Boundary
from conformance.ipsec.ip import Ipv4Packet, Protocol
from conformance.ipsec.sad import Selector
from conformance.ipsec.spd import Spd, SpdEntry, Template

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTS = (1, 10, 100, 1_000, 10_000)
SAMPLE = 64
"""Flows that take turns, spread over all SAs."""


def networks(number: int) -> tuple[IPv4Network, IPv4Network]:
    """The two subnets of one SA and its policy: /30 of 10.0.0.0/8 and of 11.0.0.0/8."""
    return (
        IPv4Network((0x0A000000 + 4 * number, 30)),
        IPv4Network((0x0B000000 + 4 * number, 30)),
    )


def packet(number: int, port: int = 1024) -> bytes:
    """A packet that the policy of this number protects."""
    source, destination = networks(number)
    payload = struct.pack("!HHHH", port, 53, SIZE - 20, 0).ljust(SIZE - 20, b"p")
    return Ipv4Packet(source[1], destination[1], Protocol.UDP, payload, identification=1).build()


def gateway(count: int, own: IPv4Address, direction: str) -> Boundary:
    """Alice's or Bob's boundary with so many policies and an SA for each."""
    ends = (ALICE, BOB) if direction == "out" else (BOB, ALICE)
    selectors = [Selector(*networks(number)) for number in range(count)]
    entries = (
        SpdEntry(
            "protect",
            (one if direction == "out" else one.mirrored,),
            (Template("tunnel", ends),),
        )
        for one in selectors
    )
    boundary = Boundary(Spd(entries), [own], random=system_random)
    for number, selector in enumerate(selectors):
        sa = association(direction, spi=0x1000 + number, selector=selector, replay=None)
        boundary.sad.add(sa)
    return boundary


def sample(count: int) -> list[int]:
    """The numbers of the SAs that carry the packets."""
    return [number * count // SAMPLE for number in range(SAMPLE)]


def outbound(count: int) -> Callable[[], object]:
    """Packets of flows that were seen before."""
    alice = gateway(count, ALICE, "out")
    packets = cycle([packet(number) for number in sample(count)])
    return lambda: alice.outbound(next(packets), 0.0)


def inbound(count: int) -> Callable[[], object]:
    """The same at the other end."""
    alice, bob = gateway(count, ALICE, "out"), gateway(count, BOB, "in")
    wires = [alice.outbound(packet(number), 0.0)[0] for number in sample(count)]
    assert all(bob.inbound(wire, 0.0) for wire in wires)
    turns = cycle(wires)
    return lambda: bob.inbound(next(turns), 0.0)


def first_packets(count: int) -> Callable[[], object]:
    """Packets of flows that were never seen: policy and SA have to be looked up for each."""
    alice = gateway(count, ALICE, "out")
    packets = cycle([packet(number) for number in sample(count)])

    def first() -> object:
        alice.spd = alice.spd  # which forgets every flow
        return alice.outbound(next(packets), 0.0)

    return first
