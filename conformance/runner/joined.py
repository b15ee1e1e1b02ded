"""Captured packets as their receiver has them: the fragments of each joined (RFC 791 3.2)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from conformance.ipsec.drops import PacketDroppedError
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError
from conformance.ipsec.reassembly import Reassembly
from conformance.runner.capture import ETHERNET, Packet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def joined(packets: Iterable[Packet]) -> Iterator[Packet]:
    """Every packet that is whole, or comes to be: at the time of its last fragment.

    A bridge of Docker joins fragments by itself; on the way to a device they stay what they are.
    """
    reassembly = Reassembly()
    for packet in packets:
        # What is no packet, or fits no other fragment, its receiver would not have either.
        with suppress(MalformedPacketError, PacketDroppedError):
            parsed = Ipv4Packet.parse(packet.ip)
            whole = reassembly.add(parsed, packet.time)
            if whole is parsed:
                yield packet
            elif whole is not None:
                yield Packet(packet.time, packet.frame[:ETHERNET] + whole.build())
