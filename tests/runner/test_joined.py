"""Fragments of a capture, joined as their receiver joins them (RFC 791 3.2)."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import permutations

import pytest

from conformance.ipsec.fragments import fragment
from conformance.ipsec.ip import Ipv4Packet
from conformance.runner.capture import Packet
from conformance.runner.joined import joined

HEADER = bytes(12) + b"\x08\x00"
ENDS = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
WHOLE = Ipv4Packet(*ENDS, 17, bytes(range(200)), identification=7)


PARTS = [one.build() for one in fragment(WHOLE, 100)]
"""The same packet in three."""


def captured(*packets: bytes) -> list[Packet]:
    return [Packet(float(number), HEADER + ip) for number, ip in enumerate(packets)]


def test_what_is_whole_stays_what_it_is() -> None:
    packets = captured(WHOLE.build(), WHOLE.build())
    assert list(joined(packets)) == packets


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_fragments_come_whole_with_the_last_of_them(order: tuple[int, ...]) -> None:
    """In any order; the time is that of the last."""
    (found,) = joined(captured(*(PARTS[number] for number in order)))
    assert found.time == 2.0
    assert Ipv4Packet.parse(found.ip).payload == WHOLE.payload
    assert found.frame.startswith(HEADER)


@pytest.mark.parametrize("lost", range(3))
def test_with_a_fragment_lost_nothing_comes(lost: int) -> None:
    rest = PARTS[:lost] + PARTS[lost + 1 :]
    assert list(joined(captured(*rest))) == []


def test_what_is_no_packet_is_left_out() -> None:
    """And the packets around it are not."""
    packets = captured(WHOLE.build(), b"\x45\x00", WHOLE.build())
    assert list(joined(packets)) == [packets[0], packets[2]]
