"""A second implementation, tshark, decrypts the recorded handshakes with the keys beside them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import dpkt
import pytest

HANDSHAKES = json.loads(
    (Path(__file__).parents[2] / "vectors" / "ikev1" / "main_quick_psk.json").read_text()
)


def write_capture(path: Path, messages: list[dict[str, str]]) -> None:
    """The datagrams as raw IPv4 packets between the vector's addresses."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_RAW)
        for number, message in enumerate(messages):
            sender = message["sender"]
            receiver = next(name for name in HANDSHAKES["addresses"] if name != sender)
            source, target = (
                bytes(map(int, HANDSHAKES["addresses"][name].split(".")))
                for name in (sender, receiver)
            )
            udp = dpkt.udp.UDP(sport=500, dport=500, data=bytes.fromhex(message["datagram"]))
            udp.ulen = len(udp)
            packet = dpkt.ip.IP(src=source, dst=target, p=dpkt.ip.IP_PROTO_UDP, data=udp)
            packet.len = len(packet)
            writer.writepkt(bytes(packet), ts=number)


@pytest.mark.covers(
    "cipher:{case[factors][cipher]}",
    "hash:{case[factors][hash]}",
    "group:{case[factors][group]}",
    by="tshark",
)
@pytest.mark.covers(
    "exchange:2",
    "exchange:32",
    "feature:client-ids",
    "feature:iv-chain",
    "feature:transcript-keys",
    "payload:SA",
    "payload:P",
    "payload:T",
    "payload:KE",
    "payload:ID",
    "payload:HASH",
    "payload:NONCE",
    by="tshark",
)
@pytest.mark.lab
@pytest.mark.parametrize("case", HANDSHAKES["cases"], ids=lambda case: case["factors"]["cipher"])
def test_tshark_decrypts_main_and_quick_mode(case: dict[str, Any], tmp_path: Path) -> None:
    """Identities of messages 5 and 6, SA and nonce of the Quick Mode, as payload numbers."""
    table = f"{case['cookie_i']},{case['encryption_key']}\n"
    (tmp_path / "ikev1_decryption_table").write_text(table)
    write_capture(tmp_path / "capture.pcap", case["messages"])
    command = ["tshark", "-r", str(tmp_path / "capture.pcap"), "-T", "fields"]
    fields = ["isakmp.typepayload", "isakmp.id.data.ipv4_addr", "isakmp.spi"]
    done = subprocess.run(
        command + [part for field in fields for part in ("-e", field)],
        env={"WIRESHARK_CONFIG_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0].split(",") for row in rows[4:6]] == [["5", "8"], ["5", "8"]]
    assert [row[1] for row in rows[4:6]] == list(HANDSHAKES["addresses"].values())
    pfs = ["4"] if case["factors"]["pfs"] else []
    for row in rows[6:8]:
        assert row[0].split(",") == ["8", "1", "2", "3", "10", *pfs, "5", "5"]
    assert [row[2] for row in rows[6:8]] == [case["initiator_spi_in"], case["initiator_spi_out"]]
    assert rows[8][0] == "8"
