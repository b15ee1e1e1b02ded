"""The packets that a cell sends: every padding residue, nothing, a middling one and the largest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.crypto.random import seeded_random
from conformance.ipsec.engine import DataPlane, Protected
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.packet import empty_packet
from conformance.linux.host import MTU
from conformance.linux.local import PROTOCOL

if TYPE_CHECKING:
    from conformance.ipsec.packet import Address, Packet
    from conformance.runner.data_plane.setting import Setting

RESIDUES = range(19)
"""Payload sizes: each residue of a block of 16 octets, and beyond."""
COMPRESSIBLE = range(120, 139)
MIDDLING = 500
_TEXT = b"What is compressed must repeat itself. "


def sizes(setting: Setting) -> list[int]:
    """The payload sizes of a cell, in octets.

    Nothing at all in ESP's transport mode is another case; IPComp alone leaves no trace of a packet
    that is too small to compress (RFC 3173 2.2).
    """
    if setting.cell.protocol == "ipcomp":
        return [*COMPRESSIBLE, MIDDLING, largest(setting)]
    left_out = "esp" in setting.cell.protocol and setting.cell.mode == "transport"
    return [*RESIDUES[left_out:], MIDDLING, largest(setting)]


def largest(setting: Setting) -> int:
    """The largest payload whose protected packet still fits the wire."""
    size = MTU - len(_protected(setting, 0))
    while len(_protected(setting, size)) > MTU:
        size -= 1
    while len(_protected(setting, size + 1)) <= MTU:
        size += 1
    return size


def _protected(setting: Setting, size: int) -> bytes:
    random = seeded_random("no key and no packet is made of this")
    packet = replace(packet_between(*setting.addresses), payload=random(size))
    sent = DataPlane(random).outbound(packet, setting.bundle("out"))
    if not isinstance(sent, Protected):
        raise TypeError(f"the reference does not protect {size} octets: {sent}")
    return sent.wire


def packet_between(source: Address, destination: Address) -> Packet:
    """A packet without payload, its other header fields such that a change of them shows."""
    packet = empty_packet(source, destination, PROTOCOL)
    if isinstance(packet, Ipv4Packet):
        return replace(packet, identification=0x4321, tos=0x28, ttl=61)
    return replace(packet, tos=0x28, ttl=61)


def inner_packet(setting: Setting, size: int) -> Packet:
    """One of the cell's packets, with that much payload."""
    compressed = "ipcomp" in setting.cell.protocol
    text = (_TEXT * (size // len(_TEXT) + 1))[:size]
    payload = text if compressed else setting.random(size)
    return replace(packet_between(*setting.addresses), payload=payload)


def as_received(setting: Setting, sent: Packet) -> Packet:
    """What must arrive: the same, but for the hop that the kernel counts where it forwards."""
    return replace(sent, ttl=sent.ttl - 1) if setting.cell.mode == "tunnel" else sent
