"""A second implementation, tshark, reads the SA payloads of suites and of several SAs."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dpkt
import pytest

from conformance.crypto.dh import GROUPS
from conformance.ikev1.config import SUITES, Phase1Proposal, Phase2Proposal
from conformance.ikev1.events import ChildInstalled, IsakmpEstablished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS = {"ah": "2", "esp": "3", "ipcomp": "4"}
ESP = Phase2Proposal("aes256", "sha256", "tunnel", "ecp256", lifetime_kilobytes=100000)
BUNDLE = replace(ESP, protocol="ah+esp+ipcomp", ah_integrity="sha1", esn=True)


def read(pair: Any, folder: Path) -> list[dict[str, list[str]]]:
    """What tshark sees in each message: every field with all its values."""
    (phase1,) = pair.of_initiator(IsakmpEstablished)
    table = f"{phase1.cookie_i.hex()},{phase1.encryption_key.hex()}\n"
    (folder / "ikev1_decryption_table").write_text(table)
    with (folder / "capture.pcap").open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_RAW)
        for number, data in enumerate(pair.sent):
            ends = (b"\n\0\0\1", b"\n\0\0\2")
            udp = dpkt.udp.UDP(sport=500, dport=500, data=data)
            udp.ulen = len(udp)
            source, target = ends if number % 2 == 0 else ends[::-1]
            packet = dpkt.ip.IP(src=source, dst=target, p=dpkt.ip.IP_PROTO_UDP, data=udp)
            packet.len = len(packet)
            writer.writepkt(bytes(packet), ts=number)
    done = subprocess.run(
        ["tshark", "-r", str(folder / "capture.pcap"), "-T", "ek", "-J", "isakmp"],
        env={"WIRESHARK_CONFIG_DIR": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = [line["layers"]["isakmp"] for line in lines if "layers" in line]
    return [
        {
            name.removeprefix("isakmp_isakmp_"): [
                str(one).replace(":", "") for one in (value if isinstance(value, list) else [value])
            ]
            for name, value in message.items()
        }
        for message in found
    ]


def as_hex(child: ChildInstalled, direction: str) -> list[str]:
    """The SPIs of one direction as proposals carry them; a CPI has two octets."""
    return [
        getattr(one, f"spi_{direction}").to_bytes(2 if one.protocol == "ipcomp" else 4).hex()
        for one in child.protections
    ]


@pytest.mark.lab
@pytest.mark.covers("feature:bundles", by="tshark")
@pytest.mark.parametrize("protocol", SUITES)
def test_suites(make_pair: Callable[..., Any], protocol: str, tmp_path: Path) -> None:
    """Numbers, protocols, SPIs and transforms of offer and answer."""
    cipher = "aes128" if "esp" in protocol else "none"
    pair = make_pair(phase2=Phase2Proposal(cipher, "sha256", "tunnel", None, protocol))
    pair.handshake()
    messages = read(pair, tmp_path)
    (child,) = pair.of_initiator(ChildInstalled)
    names = SUITES[protocol]
    for message, direction in ((messages[6], "in"), (messages[7], "out")):
        assert message["prop_number"] == ["1"] * len(names)
        assert message["prop_protoid"] == [NUMBERS[name] for name in names]
        assert message["spi"] == as_hex(child, direction)
        identifiers = {"ah": "5", "esp": "12", "ipcomp": "2"}
        assert message["trans_id"] == [identifiers[name] for name in names]
        assert message["ipsec_attr_encap_mode"] == ["1"] * len(names)


@pytest.mark.lab
@pytest.mark.covers("attr2:2", "attr2:3", "attr2:5", "attr2:6", "attr2:11", by="tshark")
def test_several_sas(make_pair: Callable[..., Any], tmp_path: Path) -> None:
    """Two SA payloads, of which the second offers a bundle or ESP alone."""
    config = {"phase2": (ESP,), "phase2_further": ((BUNDLE, ESP),)}
    pair = make_pair(initiator=config, responder=config)
    pair.handshake()
    messages = read(pair, tmp_path)
    esp, bundle = pair.of_initiator(ChildInstalled)
    offer, answer = messages[6:8]
    assert offer["prop_number"] == ["1", "1", "1", "1", "2"]
    assert offer["prop_protoid"] == ["3", "2", "3", "4", "3"]
    assert answer["prop_protoid"] == ["3", "2", "3", "4"]
    assert answer["spi"] == as_hex(esp, "out") + as_hex(bundle, "out")
    assert answer["ipsec_attr_ext_seq_nbr"] == ["1", "1"]
    assert answer["ipsec_attr_key_length"] == ["256", "256"]
    assert answer["ipsec_attr_auth_algorithm"] == ["5", "2", "5"]
    assert answer["ipsec_attr_group_description"] == ["19"] * 4
    assert answer["ipsec_attr_life_duration"] == ["3600", "100000"] * 4


@pytest.mark.lab
@pytest.mark.covers("attr1:5", "attr1:6", "attr1:7", "attr1:16", by="tshark")
@pytest.mark.parametrize("name", ["modp1024s160", "ecp224"])
def test_explicit_groups(make_pair: Callable[..., Any], name: str, tmp_path: Path) -> None:
    """Every number of the group as tshark reads it, in hexadecimal digits."""
    parameters = GROUPS[name].parameters
    pair = make_pair(Phase1Proposal("aes128", "sha256", name, group_parameters=parameters))
    pair.handshake()
    offer = read(pair, tmp_path)[0]
    assert "ike_attr_group_description" not in offer
    values = dict(zip(offer["ike_attr_type"], offer["ike_attr_value"], strict=True))
    for number, value in parameters.as_attributes().items():
        assert int(values[str(number)], 16) == value
