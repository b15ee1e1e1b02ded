"""A second implementation, tshark, reads the recorded phase 1 of every authentication method."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import dpkt
import pytest

from conformance.ikev1.methods import METHOD_ROWS

RECORDED = json.loads(
    (Path(__file__).parents[2] / "vectors" / "ikev1" / "authentication.json").read_text()
)
KE, ID, CERT, HASH, SIG, NONCE = "4", "5", "6", "8", "9", "10"
ENCRYPTED = {"rsa-enc": [HASH, KE, ID, NONCE], "rsa-rev": [HASH, NONCE, KE, ID, CERT]}
"""What the initiator sends with its nonce, by method of public key encryption."""
VID, ATTR = "13", "14"


def base_of(case: dict[str, Any]) -> str:
    """The method whose keys and proofs a case has."""
    return METHOD_ROWS[case["factors"]["auth"]].base


def proofs_of(case: dict[str, Any]) -> list[list[str]]:
    """What stands for the proof of the initiator and of the responder."""
    row = METHOD_ROWS[case["factors"]["auth"]]
    return [
        [HASH] if row.base == "psk" or (row.user == role and not row.user_proves) else [CERT, SIG]
        for role in ("initiator", "responder")
    ]


def identifier(case: dict[str, Any]) -> str:
    """The name of a case."""
    return f"{case['factors']['exchange']}-{case['factors']['auth']}"


def write_capture(path: Path, messages: list[dict[str, str]]) -> None:
    """The datagrams as raw IPv4 packets between the vector's addresses."""
    addresses = RECORDED["addresses"]
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_RAW)
        for number, message in enumerate(messages):
            sender = message["sender"]
            receiver = next(name for name in addresses if name != sender)
            source, target = (
                bytes(map(int, addresses[name].split("."))) for name in (sender, receiver)
            )
            udp = dpkt.udp.UDP(sport=500, dport=500, data=bytes.fromhex(message["datagram"]))
            udp.ulen = len(udp)
            packet = dpkt.ip.IP(src=source, dst=target, p=dpkt.ip.IP_PROTO_UDP, data=udp)
            packet.len = len(packet)
            writer.writepkt(bytes(packet), ts=number)


def dissect(case: dict[str, Any], folder: Path, *fields: str) -> list[list[str]]:
    """The fields of every message as tshark reads it, decrypted with the recorded key."""
    table = f"{case['cookie_i']},{case['encryption_key']}\n"
    (folder / "ikev1_decryption_table").write_text(table)
    write_capture(folder / "capture.pcap", case["messages"])
    command = ["tshark", "-r", str(folder / "capture.pcap"), "-T", "fields"]
    done = subprocess.run(
        command + [part for field in fields for part in ("-e", field)],
        env={"WIRESHARK_CONFIG_DIR": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.covers(
    "auth:{case[factors][auth]}", "exchange:{case[factors][exchange]}", "id:2", by="tshark"
)
@pytest.mark.lab
@pytest.mark.parametrize(
    "case", [case for case in RECORDED["cases"] if base_of(case) not in ENCRYPTED], ids=identifier
)
def test_tshark_reads_proofs_and_quick_mode(case: dict[str, Any], tmp_path: Path) -> None:
    """Proof, certificate and identity where the RFC draws them; the Quick Mode's SPIs."""
    rows = dissect(case, tmp_path, "isakmp.typepayload", "isakmp.id.data.fqdn", "isakmp.spi")
    types = [[one for one in row[0].split(",") if one != VID] for row in rows]
    initiators, responders = proofs_of(case)
    if case["factors"]["exchange"] == "main":
        assert types[4:6] == [[ID, *initiators], [ID, *responders]]
        named = rows[4:6]
    else:
        assert types[1][-len(responders) :] == responders
        assert types[2] == initiators
        named = rows[0:2]
    assert [row[1] for row in named] == list(RECORDED["names"].values())
    quick = rows[-3:]
    assert [row[2] for row in quick[:2]] == [case["initiator_spi_in"], case["initiator_spi_out"]]


@pytest.mark.covers("auth:{case[factors][auth]}", "exchange:{case[factors][exchange]}", by="tshark")
@pytest.mark.lab
@pytest.mark.parametrize(
    "case",
    [case for case in RECORDED["cases"] if METHOD_ROWS[case["factors"]["auth"]].user],
    ids=identifier,
)
def test_tshark_reads_xauth(case: dict[str, Any], tmp_path: Path) -> None:
    """REQUEST, REPLY, SET and ACK between phase 1 and Quick Mode; the user's name in the REPLY."""
    fields = ("isakmp.typepayload", "isakmp.cfg.type", "isakmp.cfg.attr.xauth.user_name")
    rows = dissect(case, tmp_path, *fields)
    transactions = rows[-7:-3]
    assert [row[0] for row in transactions] == [f"{HASH},{ATTR}"] * 4
    assert [row[1] for row in transactions] == ["1", "2", "3", "4"]
    assert transactions[1][2] == RECORDED["xauth"]["user"]


@pytest.mark.lab
@pytest.mark.parametrize(
    "case", [case for case in RECORDED["cases"] if base_of(case) in ENCRYPTED], ids=identifier
)
def test_tshark_reads_public_key_encryption(case: dict[str, Any], tmp_path: Path) -> None:
    """Encrypted bodies behind readable headers, the HASHes, and the Quick Mode's SPIs."""
    rows = dissect(case, tmp_path, "isakmp.typepayload", "isakmp.spi")
    types = [[one for one in row[0].split(",") if one != VID] for row in rows]
    encrypted = ENCRYPTED[base_of(case)]
    if case["factors"]["exchange"] == "main":
        assert types[2] == encrypted
        assert types[3] == [one for one in encrypted if one not in {HASH, CERT}]
        assert types[4] == types[5] == [HASH]
    else:
        assert types[0][-len(encrypted) :] == encrypted
        assert types[1][-1] == HASH
        assert types[2] == [HASH]
    quick = rows[-3:]
    assert [row[1] for row in quick[:2]] == [case["initiator_spi_in"], case["initiator_spi_out"]]
