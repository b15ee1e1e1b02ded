"""Published vectors through the engine: whole packets where there are, else what ESP covers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest

from conformance.crypto.random import seeded_random
from conformance.ipsec.engine import Accepted, DataPlane, Protected
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.protection import decapsulate, encapsulate
from conformance.ipsec.sad import Selector
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from tests.ipsec.oracles import (
    COMBINED,
    CUT_OF,
    MAC_FILES,
    PACKETS,
    PAYLOADS,
    PLAIN_CIPHERS,
    Case,
    carried,
    cipher_holds,
    combined_holds,
    fits_esp,
    id_of,
    load,
    mac_holds,
    payload_holds,
    payload_sa,
)

if TYPE_CHECKING:
    from conftest import MakeSa

    from conformance.ipsec.sad import SecurityAssociation

by_case = pytest.mark.parametrize("packet", load(*PACKETS), ids=id_of)
MACS = load(*MAC_FILES)
NET = IPv4Network("192.168.123.0/24")


def sa_of(packet: Case, make_sa: MakeSa, direction: str = "out") -> SecurityAssociation:
    return make_sa(
        spi=int(packet["spi"], 16),
        source=IPv4Address(packet["source"]),
        destination=IPv4Address(packet["destination"]),
        direction=direction,
        mode=packet["mode"],
        cipher=packet["cipher"],
        encryption_key=bytes.fromhex(packet["key"]),
        integrity="none",
        replay=None,
        selector=Selector(NET, NET),
    )


@pytest.mark.covers("esp:{packet[cipher]}", "encap:{packet[mode]}", "protocol:esp", by="vector")
@by_case
def test_encapsulate(packet: Case, make_sa: MakeSa) -> None:
    inner = Ipv4Packet.parse(bytes.fromhex(packet["inner"]))
    wire = bytes.fromhex(packet["wire"])
    iv = bytes.fromhex(packet["iv"])
    identification = int.from_bytes(wire[4:6])
    sa = sa_of(packet, make_sa)
    outer = encapsulate(sa, inner, packet["sequence"], iv, identification)
    assert outer.build().hex() == packet["wire"]


@pytest.mark.covers("esp:{packet[cipher]}", "encap:{packet[mode]}", "protocol:esp", by="vector")
@by_case
def test_decapsulate(packet: Case, make_sa: MakeSa) -> None:
    outer = Ipv4Packet.parse(bytes.fromhex(packet["wire"]))
    assert decapsulate(sa_of(packet, make_sa), outer).build().hex() == packet["inner"]


@by_case
def test_a_host_sends_the_packet(packet: Case, make_sa: MakeSa) -> None:
    """The IV is what its source of randomness gives, the number the one after the last."""
    sa = sa_of(packet, make_sa)
    sa.usage.sequence = packet["sequence"] - 1
    plane = DataPlane(lambda _: bytes.fromhex(packet["iv"]))
    plane.sad.add(sa)
    sent = plane.outbound(Ipv4Packet.parse(bytes.fromhex(packet["inner"])))
    assert isinstance(sent, Protected), sent
    assert sent.wire[20:].hex() == packet["wire"][40:]


@by_case
def test_a_host_receives_the_packet(packet: Case, make_sa: MakeSa) -> None:
    plane = DataPlane(seeded_random(1))
    plane.sad.add(sa_of(packet, make_sa, "in"))
    accepted = plane.inbound(bytes.fromhex(packet["wire"]))
    assert isinstance(accepted, Accepted), accepted
    assert accepted.inner.build().hex() == packet["inner"]


every_payload = pytest.mark.parametrize("case", load(*PAYLOADS), ids=id_of)


@pytest.mark.covers("esp:{case[row]}", by="vector")
@every_payload
def test_gcm(case: Case, make_sa: MakeSa) -> None:
    """AES-GCM and AES-GMAC, with and without ESN."""
    assert payload_holds(case, make_sa)


@every_payload
def test_a_host_receives_the_payload(case: Case, make_sa: MakeSa) -> None:
    """With ESN the window finds the half of the number that the packet lacks."""
    sa, sequence = payload_sa(case, lambda **own: make_sa(direction="in", **own)), case["sequence"]
    assert sa.replay is not None
    sa.replay.advance(int(sequence, 16) - 1)
    plane = DataPlane(seeded_random(1))
    plane.sad.add(sa)
    accepted = plane.inbound(carried(bytes.fromhex(case["packet"])).build())
    assert isinstance(accepted, Accepted), accepted
    assert accepted.inner.protocol == case["next_header"]
    assert accepted.inner.payload.hex() == case["plaintext"]


@pytest.mark.parametrize("case", load(*PLAIN_CIPHERS), ids=id_of)
def test_ciphers_in_esp(case: Case, make_sa: MakeSa) -> None:
    """What a packet encrypts is the vector's plaintext, its IV the vector's."""
    assert cipher_holds(case, make_sa)


@pytest.mark.parametrize("case", load(*COMBINED), ids=id_of)
def test_combined_modes(case: Case) -> None:
    assert combined_holds(case)


@pytest.mark.parametrize("case", MACS, ids=id_of)
def test_macs(case: Case, make_sa: MakeSa) -> None:
    """Where the key has the right length, the data are also the packet that ESP makes."""
    assert mac_holds(case, make_sa)


def test_macs_that_were_packets() -> None:
    """SPI and sequence number are the first eight octets of what the RFCs authenticate."""
    assert {case["row"] for case in MACS if fits_esp(case)} == {
        name for name in INTEGRITY if name in {case["row"] for case in MACS} and "gmac" not in name
    }


@pytest.mark.parametrize("short", CUT_OF)
def test_cut_macs(short: str, make_sa: MakeSa) -> None:
    """draft-ietf-ipsec-ciph-sha-256-00 4.3: the first 96 bits."""
    digits = 2 * INTEGRITY[short].icv_size
    cases = [case for case in MACS if case["row"] == CUT_OF[short]]
    assert cases
    for case in cases:
        name = "icv" if "icv" in case else "digest"
        assert mac_holds(case | {"row": short, name: case[name][:digits]}, make_sa)


def test_every_algorithm_has_a_vector_but_these() -> None:
    """CCM's short tags scapy has; no document has vectors for the others."""
    files = (*PACKETS, *PAYLOADS, *PLAIN_CIPHERS, *COMBINED, *MAC_FILES)
    proven = {case["row"] for case in load(*files)}
    families = {name.rstrip("0123456789-") for name in proven}
    assert {name for name in ENCRYPTION if name.rstrip("0123456789-") not in families} == set()
    short = {name for name in ENCRYPTION if name.endswith(("ccm8", "ccm12"))}
    assert {name for name in ENCRYPTION if name.startswith("aes")} - proven == short
    assert set(INTEGRITY) - proven == {"none", "sha256_96", "md5-kpdk", "sha1-kpdk"}
