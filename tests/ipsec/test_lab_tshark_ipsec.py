"""A third implementation, tshark, checks ICVs, decrypts ESP and inflates IPComp."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import dpkt
import pytest

from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.sad import Selector, UdpEncapsulation
from conformance.ipsec.transforms import ENCRYPTION

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MakePair, Pair

CIPHERS = {
    **{f"aes{bits}": "AES-CBC [RFC3602]" for bits in (128, 192, 256)},
    **{f"aes{bits}ctr": "AES-CTR [RFC3686]" for bits in (128, 192, 256)},
    **{f"twofish{bits}": "TWOFISH-CBC" for bits in (128, 256)},
    "3des": "TripleDES-CBC [RFC2451]",
    "des": "DES-CBC [RFC2405]",
    "cast128": "CAST5-CBC [RFC2144]",
    "blowfish128": "BLOWFISH-CBC [RFC2451]",
    "null": "NULL",
}
COMBINED = {
    f"aes{bits}gcm{icv}": f"AES-GCM with {icv} octet ICV [RFC4106]"
    for bits in (128, 192, 256)
    for icv in (8, 12, 16)
}
MACS = {
    "none": "NULL",
    "md5": "HMAC-MD5-96 [RFC2403]",
    "sha1": "HMAC-SHA-1-96 [RFC2404]",
    "sha256": "HMAC-SHA-256-128 [RFC4868]",
    "sha384": "HMAC-SHA-384-192 [RFC4868]",
    "sha512": "HMAC-SHA-512-256 [RFC4868]",
    "ripemd160": "MAC-RIPEMD-160-96 [RFC2857]",
}
SUITES = [
    *((cipher, "sha1") for cipher in CIPHERS),
    *(("aes128", mac) for mac in MACS),
    *((cipher, "none") for cipher in COMBINED),
]
ANY = Selector()
ENDS = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
# An unassigned UDP port, so that nothing dissects the payload any further.
INNER = Ipv4Packet(
    *ENDS, 17, bytes.fromhex("c001c00200b80000") + b"again again, " * 13 + b"ends 7!"
)
PREFERENCES = """\
esp.enable_encryption_decode: TRUE
esp.enable_authentication_check: TRUE
esp.enable_null_encryption_decode_heuristic: FALSE
"""


def row_of(pair: Pair, cipher: str, integrity: str) -> str:
    esp = next(sa for sa in pair.out.sas if sa.protocol == 50)
    columns = (
        "IPv4",
        str(esp.source),
        str(esp.destination),
        f"{esp.spi:#010x}",
        (CIPHERS | COMBINED)[cipher],
        f"0x{esp.encryption_key.hex()}" if esp.encryption_key else "",
        MACS[integrity],
        f"0x{esp.integrity_key.hex()}" if esp.integrity_key else "",
    )
    return ",".join(f'"{column}"' for column in columns)


def dissect(folder: Path, wires: list[bytes], rows: list[str], *fields: str) -> list[list[str]]:
    """The fields of every packet, as tshark prints them with these keys."""
    (folder / "preferences").write_text(PREFERENCES)
    (folder / "esp_sa").write_text("".join(f"{row}\n" for row in rows))
    with (folder / "capture.pcap").open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_RAW)
        for number, wire in enumerate(wires):
            writer.writepkt(wire, ts=number)
    command = ["tshark", "-r", str(folder / "capture.pcap"), "-T", "fields"]
    done = subprocess.run(
        command + [part for field in fields for part in ("-e", field)],
        env={"WIRESHARK_CONFIG_DIR": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.lab
@pytest.mark.covers("esp:2", "esp:3", "esp:6", "esp:7", "esp:11", "esp:12", "esp:13", "esp:18",
                    "esp:19", "esp:20", "esp:253", "integ:1", "integ:2", "integ:5", "integ:6",
                    "integ:7", "integ:8", by="tshark")  # fmt: skip
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_tshark_opens_every_suite(mode: str, make_pair: MakePair, tmp_path: Path) -> None:
    wires, rows = [], []
    for number, (cipher, integrity) in enumerate(SUITES, 0x1000):
        sa: dict[str, Any] = {"spi": number, "cipher": cipher, "integrity": integrity}
        if not ENCRYPTION[cipher].icv_size and integrity == "none":
            sa["replay"] = None
        pair = make_pair(sa, mode=mode, selector=ANY)
        wires.append(pair.wire(INNER))
        rows.append(row_of(pair, cipher, integrity))
    seen = dissect(tmp_path, wires, rows, "esp.spi", "esp.icv_good", "udp.srcport", "udp.length")
    for (cipher, integrity), row in zip(SUITES, seen, strict=True):
        good = "" if (cipher, integrity) == ("aes128", "none") else "1"
        assert row[1:] == [good, "49153", str(len(INNER.payload))], f"{cipher} {integrity}"


AH: dict[str, Any] = {"protocol": 51}
ESP: dict[str, Any] = {"protocol": 50, "integrity": "sha256"}
IPCOMP: dict[str, Any] = {"protocol": 108}
IN_UDP = ESP | {"udp": UdpEncapsulation()}
BUNDLES = {
    "ah": [AH],
    "ah+esp": [AH, ESP],
    "ah+esp+ipcomp": [AH, ESP, IPCOMP],
    "esp+ipcomp": [ESP, IPCOMP],
    "udp": [IN_UDP],
    "udp, ipcomp": [IN_UDP, IPCOMP],
}


@pytest.mark.lab
@pytest.mark.covers("ipcomp:2", "feature:bundles", "natt:esp-in-udp", by="tshark")
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("bundle", BUNDLES)
def test_tshark_follows_bundles(
    bundle: str, mode: str, make_pair: MakePair, tmp_path: Path
) -> None:
    """Every header on the way, and what was inside of the innermost."""
    sas = BUNDLES[bundle]
    pair = make_pair(*sas, mode=mode, selector=ANY)
    protocols = [sa["protocol"] for sa in sas]
    rows = [row_of(pair, "aes128", "sha256")] if 50 in protocols else []
    fields = ("ah.spi", "esp.icv_good", "ipcomp.cpi", "udp.srcport")
    (row,) = dissect(tmp_path, [pair.wire(INNER)], rows, *fields)
    assert row[0] == ("0x00005151" if 51 in protocols else "")
    assert row[1] == ("1" if 50 in protocols else "")
    assert row[2] == ("0x6c6c" if 108 in protocols else "")
    assert row[3].split(",")[-1] == "49153"
