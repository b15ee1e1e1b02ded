"""The key tables beside a capture open it in tshark (RFC 2409 appendix B, RFC 4303 2)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.utils import wrpcap

from conformance.record.wireshark import EspKey, IkeKey, configuration

if TYPE_CHECKING:
    from pathlib import Path

INITIATOR, RESPONDER = "10.77.0.10", "10.77.0.13"
ECHO = ICMPv6EchoRequest()
COOKIES = bytes.fromhex("0102030405060708a1a2a3a4a5a6a7a8")
CIPHERS = {5: TripleDES, 7: algorithms.AES}
HASHES = {1: "md5", 2: "sha1", 4: "sha256"}


def esp_key(
    cipher: str, key: bytes, integrity: str, integrity_key: bytes, **changes: Any
) -> EspKey:
    given: dict[str, Any] = {"source": INITIATOR, "destination": RESPONDER, "spi": 0xC0FFEE}
    return EspKey(
        cipher=cipher, key=key, integrity=integrity, integrity_key=integrity_key, **given | changes
    )


def test_the_rows_are_as_wireshark_writes_them() -> None:
    files = configuration(
        [IkeKey(COOKIES[:8], bytes(range(16)))],
        [esp_key("aes128", b"\1" * 16, "sha256", b"\2" * 32)],
    )
    assert files["wireshark/ikev1_decryption_table"] == (
        b"0102030405060708,000102030405060708090a0b0c0d0e0f\n"
    )
    assert files["wireshark/esp_sa"] == (
        b'"IPv4","10.77.0.10","10.77.0.13","0x00c0ffee","AES-CBC [RFC3602]",'
        b'"0x' + b"01" * 16 + b'","HMAC-SHA-256-128 [RFC4868]","0x' + b"02" * 32 + b'"\n'
    )
    assert b"esp.enable_encryption_decode: TRUE" in files["wireshark/preferences"]


def test_only_esp_has_a_row() -> None:
    """Wireshark's table is of ESP SAs: what stands beside ESP in a bundle has no key there."""
    keys = [
        esp_key("none", b"", "sha1", b"\2" * 20, protocol="ah"),
        esp_key("aes128", b"\1" * 16, "sha1", b"\2" * 20, mode="transport"),
        esp_key("none", b"", "none", b"", protocol="ipcomp", spi=0xF7B4),
    ]
    rows = configuration([], keys)["wireshark/esp_sa"].splitlines()
    assert len(rows) == 1
    assert b"AES-CBC" in rows[0]


ROWS: list[tuple[str, bytes, str, bytes, bytes]] = [
    ("aes256ctr", b"\1" * 36, "sha1", b"\2" * 20,
     b'"AES-CTR [RFC3686]","0x' + b"01" * 36 + b'","HMAC-SHA-1-96 [RFC2404]","0x' + b"02" * 20),
    ("aes128gcm12", b"\1" * 20, "none", b"",
     b'"AES-GCM with 12 octet ICV [RFC4106]","0x' + b"01" * 20 + b'","NULL","'),
    ("null", b"", "md5", b"\2" * 16,
     b'"NULL","","HMAC-MD5-96 [RFC2403]","0x' + b"02" * 16),
    ("3des", b"\1" * 24, "sha512", b"\2" * 64,
     b'"TripleDES-CBC [RFC2451]","0x' + b"01" * 24 + b'","HMAC-SHA-512-256 [RFC4868]","0x'
     + b"02" * 64),
]  # fmt: skip


@pytest.mark.parametrize(("cipher", "key", "integrity", "integrity_key", "end"), ROWS)
def test_rows_of_other_transforms(
    cipher: str, key: bytes, integrity: str, integrity_key: bytes, end: bytes
) -> None:
    """A key goes with its salt; what has no key has an empty column."""
    files = configuration([], [esp_key(cipher, key, integrity, integrity_key)])
    row = files["wireshark/esp_sa"]
    assert row == b'"IPv4","10.77.0.10","10.77.0.13","0x00c0ffee",' + end + b'"\n'


@pytest.mark.parametrize(
    ("cipher", "integrity", "changes"),
    [
        ("serpent128", "sha1", {}),
        ("aes128ccm8", "none", {}),
        ("aes128gmac", "none", {}),
        ("aes128", "aesxcbc", {}),
        ("aes128", "sha1", {"esn": True}),
        ("cbc(aria)-16", "sha1", {}),
    ],
)
def test_what_wireshark_cannot_open_has_no_row(
    cipher: str, integrity: str, changes: dict[str, bool]
) -> None:
    """Of several keys the others keep their rows."""
    keys = [
        esp_key(cipher, b"\1" * 16, integrity, b"\2" * 20, **changes),
        esp_key("aes128", b"\1" * 16, "sha1", b"\2" * 20, spi=1),
    ]
    rows = configuration([], keys)["wireshark/esp_sa"].splitlines()
    assert [b'"0x00000001"' in row for row in rows] == [True]


def test_esp_in_tunnel_mode_goes_without_saying() -> None:
    assert esp_key("none", b"", "none", b"") == esp_key(
        "none", b"", "none", b"", protocol="esp", mode="tunnel"
    )


def test_keys_stay_out_of_representations() -> None:
    ike = IkeKey(COOKIES[:8], b"\xaa" * 16)
    esp = esp_key("aes128", b"\xaa" * 16, "sha1", b"\xbb" * 20)
    assert repr(ike) == "IkeKey(0102030405060708)"
    assert repr(esp) == "EspKey(10.77.0.10 > 10.77.0.13, 0x00c0ffee)"


@pytest.mark.lab
@pytest.mark.parametrize(
    ("cipher", "key_size", "integrity", "integrity_size"),
    [("aes128", 16, "sha256", 32), ("aes192", 24, "sha1", 20), ("aes256", 32, "sha256", 32)],
)
def test_tshark_decrypts_and_checks_esp(
    tmp_path: Path, cipher: str, key_size: int, integrity: str, integrity_size: int
) -> None:
    """Packets made by scapy open with our table, and their ICV is said to be good."""
    key, integrity_key = os.urandom(key_size), os.urandom(integrity_size)
    association = SecurityAssociation(  # type: ignore[no-untyped-call]
        ESP,
        spi=0xC0FFEE,
        crypt_algo="AES-CBC",
        crypt_key=key,
        auth_algo={"sha1": "HMAC-SHA1-96", "sha256": "SHA2-256-128"}[integrity],
        auth_key=integrity_key,
        tunnel_header=IP(src=INITIATOR, dst=RESPONDER),
    )
    inner = IP(src="10.78.10.1", dst="10.78.13.1") / ICMP() / b"echo"
    packet = association.encrypt(inner)  # type: ignore[no-untyped-call]
    esp = esp_key(cipher, key, integrity, integrity_key)
    (closed,) = _dissected(tmp_path, [packet], configuration([], []))
    (opened,) = _dissected(tmp_path, [packet], configuration([], [esp]))
    assert "icmp" not in closed
    assert "icmp" in opened
    assert '"esp.icv_good": "1"' in json.dumps(opened["esp"])


@pytest.mark.lab
@pytest.mark.parametrize("inner", [IP(dst="10.78.13.1") / ICMP(), IPv6(dst="fd78::1") / ECHO])
@pytest.mark.parametrize("ends", [("fd77::10:1", "fd77::13:1"), ("fd77::a", "fd77:0:0:1::a")])
def test_tshark_decrypts_esp_over_ipv6(
    tmp_path: Path, inner: IP | IPv6, ends: tuple[str, str]
) -> None:
    """A row names its family, and addresses as people write them."""
    key, integrity_key = os.urandom(16), os.urandom(20)
    source, destination = ends
    association = SecurityAssociation(  # type: ignore[no-untyped-call]
        ESP,
        spi=0xC0FFEE,
        crypt_algo="AES-CBC",
        crypt_key=key,
        auth_algo="HMAC-SHA1-96",
        auth_key=integrity_key,
        tunnel_header=IPv6(src=source, dst=destination),
    )
    packet = association.encrypt(inner)  # type: ignore[no-untyped-call]
    row = {"source": source, "destination": destination}
    esp = esp_key("aes128", key, "sha1", integrity_key, **row)
    (closed,) = _dissected(tmp_path, [packet], configuration([], []))
    (opened,) = _dissected(tmp_path, [packet], configuration([], [esp]))
    within = {"icmp", "icmpv6"}
    assert not within & closed.keys()
    assert within & opened.keys()
    assert '"esp.icv_good": "1"' in json.dumps(opened["esp"])


@pytest.mark.lab
@pytest.mark.parametrize(
    ("cipher", "hash_number", "key_size", "block"),
    [(7, 4, 16, 16), (7, 2, 24, 16), (7, 4, 32, 16), (5, 1, 24, 8)],
    ids=["aes128-sha256", "aes192-sha1", "aes256-sha256", "3des-md5"],
)
def test_tshark_decrypts_main_mode(
    tmp_path: Path, cipher: int, hash_number: int, key_size: int, block: int
) -> None:
    """A Main Mode whose fifth message is encrypted by hand shows its ID payload in clear."""
    key = os.urandom(key_size)
    publics = os.urandom(256), os.urandom(256)
    iv = hashlib.new(HASHES[hash_number], publics[0] + publics[1]).digest()[:block]
    attributes = [(1, cipher), (2, hash_number), (3, 1), (4, 14)]
    attributes += [(14, key_size * 8)] if cipher == 7 else []
    security = _sa_payload(attributes)
    identity = _payload(0, bytes([1, 0, 0, 0, 10, 77, 0, 10]))
    plain = identity + bytes(-len(identity) % block)
    encryptor = Cipher(CIPHERS[cipher](key), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(plain) + encryptor.finalize()
    nonce = bytes(16)
    messages = [
        (0, _message(COOKIES[:8] + bytes(8), 1, 0, security)),
        (1, _message(COOKIES, 1, 0, security)),
        *(
            (side, _message(COOKIES, 4, 0, _payload(10, public) + _payload(0, nonce)))
            for side, public in enumerate(publics)
        ),
        (0, _message(COOKIES, 5, 1, sealed)),
    ]
    ends = (INITIATOR, RESPONDER)
    packets = [
        IP(src=ends[side], dst=ends[1 - side]) / UDP(sport=500, dport=500) / data
        for side, data in messages
    ]
    closed = _dissected(tmp_path, packets, configuration([], []))[-1]
    opened = _dissected(tmp_path, packets, configuration([IkeKey(COOKIES[:8], key)], []))[-1]
    assert "10.77.0.10" not in json.dumps(closed["isakmp"])
    assert "10.77.0.10" in json.dumps(opened["isakmp"])


def _payload(following: int, body: bytes) -> bytes:
    return bytes([following, 0]) + (len(body) + 4).to_bytes(2, "big") + body


def _sa_payload(attributes: list[tuple[int, int]]) -> bytes:
    values = b"".join(
        (0x8000 | kind).to_bytes(2, "big") + value.to_bytes(2, "big") for kind, value in attributes
    )
    transform = _payload(0, bytes([1, 1, 0, 0]) + values)
    proposal = _payload(0, bytes([1, 1, 0, 1]) + transform)
    return _payload(0, (1).to_bytes(4, "big") + (1).to_bytes(4, "big") + proposal)


def _message(cookies: bytes, first: int, flags: int, body: bytes) -> bytes:
    size = (28 + len(body)).to_bytes(4, "big")
    return cookies + bytes([first, 0x10, 2, flags]) + bytes(4) + size + body


def _dissected(folder: Path, packets: list[IP], files: dict[str, bytes]) -> list[dict[str, object]]:
    """The packets' layers as tshark shows them with the configuration in ``files``."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    capture = folder / "capture.pcap"
    wrpcap(str(capture), packets)
    shown = subprocess.run(
        ["tshark", "-r", str(capture), "-T", "json", "--no-duplicate-keys"],
        env={**os.environ, "WIRESHARK_CONFIG_DIR": str(folder / "wireshark")},
        capture_output=True,
        check=True,
    )
    return [packet["_source"]["layers"] for packet in json.loads(shown.stdout)]
