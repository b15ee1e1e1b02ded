"""A second implementation, tshark, reads the recorded exchanges beside Main and Aggressive Mode."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import dpkt
import pytest

RECORDED = json.loads(
    (Path(__file__).parents[2] / "vectors" / "ikev1" / "exchanges.json").read_text()
)
SA, KE, ID, CERT, CR, HASH, SIG, NONCE, D = "1", "4", "5", "6", "7", "8", "9", "10", "12"
PROPOSAL, TRANSFORM = "2", "3"
CASES = {
    "-".join(str(value) for value in case["factors"].values()): case for case in RECORDED["cases"]
}


def dissect(case: dict[str, Any], folder: Path, *fields: str) -> list[list[str]]:
    """The fields of every message as tshark reads it, decrypted with the recorded key."""
    if "encryption_key" in case:
        table = f"{case['cookie_i']},{case['encryption_key']}\n"
        (folder / "ikev1_decryption_table").write_text(table)
    capture = folder / "capture.pcap"
    with capture.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_RAW)
        for number, message in enumerate(case["messages"]):
            udp = dpkt.udp.UDP(sport=500, dport=500, data=bytes.fromhex(message["datagram"]))
            udp.ulen = len(udp)
            ends = {
                name: bytes(map(int, at.split("."))) for name, at in RECORDED["addresses"].items()
            }
            source = ends.pop(message["sender"])
            (target,) = ends.values()
            packet = dpkt.ip.IP(src=source, dst=target, p=dpkt.ip.IP_PROTO_UDP, data=udp)
            packet.len = len(packet)
            writer.writepkt(bytes(packet), ts=number)
    command = ["tshark", "-r", str(capture), "-T", "fields"]
    done = subprocess.run(
        command + [part for field in fields for part in ("-e", field)],
        env={"WIRESHARK_CONFIG_DIR": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


def payloads(row: list[str]) -> list[str]:
    """The payloads of a message, without what an SA is made of."""
    return [one for one in row[1].split(",") if one not in {PROPOSAL, TRANSFORM}]


FIELDS = ("isakmp.exchangetype", "isakmp.typepayload", "isakmp.spi")


@pytest.mark.lab
@pytest.mark.covers("exchange:1", by="tshark")
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("base")])
def test_base(name: str, tmp_path: Path) -> None:
    """Payloads where the draft draws them, and a Quick Mode that its keys open."""
    case = CASES[name]
    rows = dissect(case, tmp_path, *FIELDS)
    proof = [HASH] if case["factors"]["auth"] == "psk" else [CERT, SIG]
    assert [row[0] for row in rows] == ["1"] * 4 + ["32"] * 3
    for row in rows[:2]:
        assert [one for one in payloads(row) if one != CR] == [SA, ID, NONCE]
    assert payloads(rows[2]) == payloads(rows[3]) == [KE, *proof]
    spis = [row[2] for row in rows[4:6]]
    assert spis == [case["initiator_spi_in"], case["initiator_spi_out"]]


@pytest.mark.lab
@pytest.mark.covers("exchange:3", by="tshark")
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("authentication")])
def test_authentication_only(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    rows = dissect(case, tmp_path, *FIELDS)
    proof = [HASH] if case["factors"]["auth"] == "psk" else [CERT, SIG]
    assert [row[0] for row in rows] == ["3"] * 3
    found = [[one for one in payloads(row) if one != CR] for row in rows]
    assert found == [[SA, NONCE], [SA, NONCE, ID, *proof], [ID, *proof]]


@pytest.mark.lab
@pytest.mark.covers("exchange:33", by="tshark")
@pytest.mark.parametrize("name", [name for name in CASES if "ec2n" in name or "modp1536" in name])
def test_new_group_mode(name: str, tmp_path: Path) -> None:
    """Decrypted, both messages hold HASH and SA; the Quick Mode with the group follows."""
    case = CASES[name]
    rows = dissect(case, tmp_path, *FIELDS)
    assert [row[0] for row in rows] == ["2"] * 6 + ["33"] * 2 + ["32"] * 3
    assert payloads(rows[6]) == payloads(rows[7]) == [HASH, SA]
    spis = [row[2] for row in rows[8:10]]
    assert spis == [case["initiator_spi_in"], case["initiator_spi_out"]]


@pytest.mark.lab
@pytest.mark.covers("exchange:34", by="tshark")
def test_acknowledged(tmp_path: Path) -> None:
    """Decrypted, both Deletes and their answers hold HASH, nonce and Delete."""
    (case,) = (case for case in CASES.values() if case["factors"]["acknowledged"])
    rows = dissect(case, tmp_path, *FIELDS)
    assert [row[0] for row in rows[9:]] == ["34"] * 4
    assert [payloads(row) for row in rows[9:]] == [[HASH, NONCE, D]] * 4
