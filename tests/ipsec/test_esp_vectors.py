"""Published ESP packets, both ways, octet for octet: AES-CBC, SEED-CBC, AES-GCM."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ipsec.esp import authenticate, release, seal
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.protection import decapsulate, encapsulate
from conformance.ipsec.sad import Selector

if TYPE_CHECKING:
    from conftest import MakeSa

    from conformance.ipsec.sad import SecurityAssociation

VECTORS = Path(__file__).parents[2] / "vectors" / "ipsec"
PACKETS = [
    packet | {"cipher": cipher}
    for name, cipher in (("rfc3602.json", "aes128"), ("rfc4196.json", "seed128"))
    for packet in json.loads((VECTORS / name).read_text())["packets"]
]
GCM = json.loads((VECTORS / "gcm_esp.json").read_text())["cases"]
by_case = pytest.mark.parametrize(
    "packet", PACKETS, ids=[f"{p['cipher']}-{p['case']}" for p in PACKETS]
)


def sa_of(packet: dict[str, Any], make_sa: MakeSa) -> SecurityAssociation:
    return make_sa(
        spi=int(packet["spi"], 16),
        source=IPv4Address(packet["source"]),
        destination=IPv4Address(packet["destination"]),
        mode=packet["mode"],
        cipher=packet["cipher"],
        encryption_key=bytes.fromhex(packet["key"]),
        integrity="none",
        replay=None,
        selector=Selector(IPv4Network("192.168.123.0/24"), IPv4Network("192.168.123.0/24")),
    )


@pytest.mark.covers("esp:{packet[cipher]}", "encap:{packet[mode]}", "protocol:esp", by="vector")
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


@pytest.mark.covers("esp:{case[transform]}", by="vector")
@pytest.mark.parametrize("case", GCM, ids=lambda case: case["transform"])
def test_gcm(case: dict[str, Any], make_sa: MakeSa) -> None:
    key, iv, plain, sealed = (
        bytes.fromhex(case[name]) for name in ("key", "iv", "plaintext", "sealed")
    )
    sa = make_sa(
        spi=int(case["spi"], 16),
        cipher=case["transform"],
        encryption_key=key + bytes.fromhex(case["salt"]),
        integrity="none",
        esn=case["esn"],
    )
    sequence = int(case["sequence"], 16)
    payload = seal(sa, plain, case["next_header"], sequence, iv)
    assert payload == bytes.fromhex(case["spi"] + case["sequence"][-8:]) + iv + sealed
    packet = Ipv4Packet(IPv4Address(0), IPv4Address(0), 50, payload)
    opened = release(sa, packet, authenticate(sa, packet, sequence))
    assert (opened.payload, opened.protocol) == (plain, case["next_header"])
