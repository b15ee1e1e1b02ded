"""The sample ESP packets of RFC 3602 section 4, both ways, octet for octet."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.protection import decapsulate, encapsulate
from conformance.ipsec.sad import Selector

if TYPE_CHECKING:
    from conftest import MakeSa

    from conformance.ipsec.sad import SecurityAssociation

VECTORS = Path(__file__).parents[2] / "vectors" / "ipsec" / "rfc3602.json"
PACKETS = json.loads(VECTORS.read_text())["packets"]
by_case = pytest.mark.parametrize("packet", PACKETS, ids=[f"case{p['case']}" for p in PACKETS])


def sa_of(packet: dict[str, Any], make_sa: MakeSa) -> SecurityAssociation:
    return make_sa(
        spi=int(packet["spi"], 16),
        source=IPv4Address(packet["source"]),
        destination=IPv4Address(packet["destination"]),
        mode=packet["mode"],
        encryption_key=bytes.fromhex(packet["key"]),
        integrity="none",
        replay=None,
        selector=Selector(IPv4Network("192.168.123.0/24"), IPv4Network("192.168.123.0/24")),
    )


@pytest.mark.covers("esp:aes128", "encap:{packet[mode]}", "protocol:esp", by="vector")
@by_case
def test_encapsulate(packet: dict[str, Any], make_sa: MakeSa) -> None:
    inner = Ipv4Packet.parse(bytes.fromhex(packet["inner"]))
    wire = bytes.fromhex(packet["wire"])
    iv = bytes.fromhex(packet["iv"])
    identification = int.from_bytes(wire[4:6])
    sa = sa_of(packet, make_sa)
    outer = encapsulate(sa, inner, packet["sequence"], iv, identification)
    assert outer.build().hex() == packet["wire"]


@pytest.mark.covers("esp:aes128", "encap:{packet[mode]}", "protocol:esp", by="vector")
@by_case
def test_decapsulate(packet: dict[str, Any], make_sa: MakeSa) -> None:
    outer = Ipv4Packet.parse(bytes.fromhex(packet["wire"]))
    assert decapsulate(sa_of(packet, make_sa), outer).build().hex() == packet["inner"]
