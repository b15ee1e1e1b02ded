"""Every transform of ESP and AH through the engine, and what must not be combined."""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.ciphers import USUAL_CIPHERS, encrypt_cbc
from conformance.crypto.esp_modes import ESP_MODES, aes_gmac
from conformance.crypto.macs import MACS
from conformance.crypto.transforms import AH_TRANSFORMS, ESP_INTEGRITY
from conformance.crypto.xcbc import aes_xcbc_mac
from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import Protected
from conformance.ipsec.esp import seal
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.matrix.factors import find_factor

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MakeInner, MakePair, MakeSa

MODES = ("tunnel", "transport")
COMBINED = [name for name, row in ESP_MODES.items() if row.icv_size]
SEPARATE = [
    name for name in (*USUAL_CIPHERS, "seed128", *ESP_MODES) if name not in (*COMBINED, "blowfish")
]
ESP_SUITES = [
    *((name, "sha256") for name in SEPARATE),
    *(("aes128", name) for name, row in MACS.items() if not row.ah_only),
    *((name, "none") for name in COMBINED),
]


def proving(value: Any, name: str, *rows: str) -> Any:
    """A parameter whose test proves rows of the inventory; what has no number has no row."""
    numbered = name == "none" or name in AH_TRANSFORMS
    return pytest.param(value, marks=[pytest.mark.covers(*rows, by="self")] if numbered else [])


every_esp_suite = pytest.mark.parametrize(
    "suite",
    [proving(suite, suite[1], f"esp:{suite[0]}", f"integ:{suite[1]}") for suite in ESP_SUITES],
    ids=map("+".join, ESP_SUITES),
)
every_ah_mac = pytest.mark.parametrize(
    "mac", [proving(mac, mac, f"ah:{mac}", f"integ:{mac}") for mac in MACS], ids=MACS
)


@pytest.mark.parametrize("mode", MODES)
@every_esp_suite
def test_esp_passes_and_flips_are_seen(
    suite: tuple[str, str], mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    pair = make_pair({"cipher": suite[0], "integrity": suite[1]}, mode=mode)
    for size in (0, 1, 7, 8, 100):
        inner = make_inner(mode, bytes(size))
        wire = pair.wire(inner)
        assert pair.received(wire) == inner
        assert pair.reason(wire) is DropReason.IN_SEQUENCE
    wire = pair.wire(make_inner(mode, bytes(9)))
    for at in range(24, len(wire)):
        flipped = wire[:at] + bytes((wire[at] ^ 0x10,)) + wire[at + 1 :]
        assert pair.reason(flipped) in {DropReason.IN_INTEGRITY, DropReason.IN_SEQUENCE}


def test_every_key_length_of_every_cipher(make_pair: MakePair, make_inner: MakeInner) -> None:
    inner = make_inner("tunnel")
    for cipher, row in ENCRYPTION.items():
        pair = make_pair({"cipher": cipher, "integrity": "none" if row.icv_size else "sha1"})
        assert pair.received(pair.wire(inner)) == inner, cipher


@pytest.mark.parametrize("mode", MODES)
@every_ah_mac
def test_ah_passes_and_flips_are_seen(
    mac: str, mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    pair = make_pair({"protocol": 51, "integrity": mac}, mode=mode)
    for size in (0, 1, 100):
        inner = make_inner(mode, bytes(size))
        wire = pair.wire(inner)
        assert pair.received(wire) == inner
        assert pair.reason(wire) is DropReason.IN_SEQUENCE
    wire = pair.wire(make_inner(mode, bytes(9)))
    known = {DropReason.IN_INTEGRITY, DropReason.IN_SEQUENCE, DropReason.IN_LENGTH}
    for at in [*range(20, 24), *range(28, len(wire))]:
        flipped = wire[:at] + bytes((wire[at] ^ 0x10,)) + wire[at + 1 :]
        assert pair.reason(flipped) in known, f"octet {at}"


def by_definition(mac: str, key: bytes, data: bytes, iv: bytes) -> bytes:
    """The MACs that the oracle does not have, as their documents put them."""
    definitions: dict[str, Callable[[], bytes]] = {
        "ripemd160": lambda: hmac.digest(key, data, "ripemd160")[:12],  # RFC 2857 2
        "aesxcbc": lambda: aes_xcbc_mac(key)(data)[:12],  # RFC 3566 4
        "sha256_96": lambda: hmac.digest(key, data, "sha256")[:12],  # its draft, 4.3
        "md5-kpdk": lambda: keyed_hash("md5", key, (128).to_bytes(8, "little"), data),
        "sha1-kpdk": lambda: keyed_hash("sha1", key, (160).to_bytes(8, "big"), data),
        "des-mac": lambda: des_mac(key, data),
    }
    return definitions.get(mac, lambda: aes_gmac(key)(iv, data))()  # RFC 4543 4


def keyed_hash(name: str, key: bytes, bits: bytes, data: bytes) -> bytes:
    """RFC 1828 2, RFC 1852 2: key, keyfill, datagram, key; the hash fills the end itself."""
    filled = (key + b"\x80").ljust(56, b"\x00") + bits
    return hashlib.new(name, filled + data + key).digest()


def des_mac(key: bytes, data: bytes) -> bytes:
    """draft-bitan-auth-des-mac-00 2 and 4, block by block; zeros fill the last (RFC 4302)."""
    mac = bytes(8)
    for at in range(0, len(data), 8):
        mac = encrypt_cbc("des", key, mac, data[at : at + 8].ljust(8, b"\x00"))
    return mac


WRITTEN_OUT = ("ripemd160", "aesxcbc", "sha256_96", "des-mac", "md5-kpdk", "sha1-kpdk")


@pytest.mark.parametrize("mac", [name for name in MACS if name in WRITTEN_OUT or "gmac" in name])
def test_ah_octet_for_octet(mac: str, make_pair: MakePair, make_inner: MakeInner) -> None:
    """The header written out: mutable fields and the ICV zeroed, GMAC's IV ahead of it."""
    pair = make_pair({"protocol": 51, "integrity": mac}, mode="transport")
    inner = make_inner("transport")
    row = INTEGRITY[mac]
    iv = (1).to_bytes(8) if row.iv_size else b""
    size = 12 + len(iv) + row.icv_size
    ah = bytes((253, size // 4 - 2, 0, 0)) + pair.out.outer.spi.to_bytes(4) + (1).to_bytes(4) + iv
    ip = bytes.fromhex("4500") + (20 + size + 4).to_bytes(2) + bytes.fromhex("0007000000330000")
    still = ip + inner.source.packed + inner.destination.packed + ah + bytes(row.icv_size) + b"ping"
    icv = by_definition(mac, pair.out.outer.integrity_key, still, iv)
    assert Ipv4Packet.parse(pair.wire(inner)).payload == ah + icv + b"ping"


@pytest.mark.parametrize("cipher", [name for name, row in ESP_MODES.items() if row.iv_size])
def test_counted_ivs_never_repeat(cipher: str, make_pair: MakePair, make_inner: MakeInner) -> None:
    """RFC 3686 3.1, RFC 4106 3.1: whatever the source of randomness, the IV is the number."""
    integrity = "none" if ENCRYPTION[cipher].icv_size else "sha1"
    pair, inner = make_pair({"cipher": cipher, "integrity": integrity}), make_inner("tunnel")
    ivs = [pair.wire(inner)[28:36] for _ in range(5)]
    assert ivs == [number.to_bytes(8) for number in range(1, 6)]


REFUSED: dict[str, dict[str, Any]] = {
    "NULL without integrity (RFC 4303 3.2)": {"cipher": "null", "integrity": "none"},
    "CTR without integrity (RFC 3686 7)": {"cipher": "aes128ctr", "integrity": "none"},
    "GCM with integrity (RFC 4106 8.1)": {"cipher": "aes128gcm16", "integrity": "sha1"},
    "ESP with AH's GMAC (RFC 4543 3)": {"cipher": "aes128", "integrity": "aes128gmac"},
    "ESP with a keyed hash (RFC 1828 1)": {"cipher": "aes128", "integrity": "md5-kpdk"},
    "a short salt": {"cipher": "aes128gcm16", "integrity": "none", "encryption_key": bytes(16)},
    "AH without MAC": {"protocol": 51, "integrity": "none"},
    "AH with a cipher": {"protocol": 51, "cipher": "aes128"},
    "AH with a key too long": {"protocol": 51, "integrity_key": bytes(33)},
    "another protocol": {"protocol": 47},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
def test_impossible_transforms_are_refused(changes: dict[str, Any], make_sa: MakeSa) -> None:
    base = {"replay": None}
    with pytest.raises(ValueError, match=r"no transform|needs integrity|takes a key|protocol 47"):
        make_sa(**base | changes)


def test_every_row_names_its_source() -> None:
    sources = {row.source for row in ENCRYPTION.values()}
    sources |= {row.source for row in INTEGRITY.values()}
    assert all(source.startswith(("RFC ", "draft-")) for source in sources)


@pytest.mark.parametrize("cipher", ["null", "aes128ctr"])
def test_des_mac_has_whole_blocks(cipher: str, make_pair: MakePair, make_inner: MakeInner) -> None:
    """draft-bitan-auth-des-mac-00 2.1: ESP pads its payload to eight octets."""
    pair = make_pair({"cipher": cipher, "integrity": "des-mac"})
    for size in range(9):
        wire = pair.wire(make_inner("tunnel", bytes(size)))
        assert (len(wire) - 20) % 8 == 0


@pytest.mark.parametrize("name", ["sha256_96", "des-mac", "md5-kpdk", "sha1-kpdk"])
def test_what_has_no_number_is_no_level(name: str) -> None:
    """SAs may be given these by hand; nothing offers, accepts or plans them."""
    assert name in INTEGRITY
    assert name not in AH_TRANSFORMS
    assert name not in ESP_INTEGRITY
    assert name not in find_factor("esp_integrity").known


@pytest.mark.covers("feature:tfc", by="self")
def test_traffic_flow_padding_is_left_out(make_pair: MakePair, make_inner: MakeInner) -> None:
    """RFC 4303 2.7: in a tunnel, octets behind the inner packet's length are TFC padding."""
    pair, inner = make_pair({}), make_inner("tunnel")
    payload = seal(pair.out.outer, inner.build() + bytes(500), 4, 1, bytes(16))
    source, destination = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
    assert pair.received(Ipv4Packet(source, destination, 50, payload).build()) == inner


@pytest.mark.covers("feature:tfc", by="self")
@pytest.mark.parametrize("size", [0, 1, 56, 900])
def test_tunnels_hide_lengths(size: int, make_pair: MakePair, make_inner: MakeInner) -> None:
    pair, inner = make_pair({"tfc": 1000}), make_inner("tunnel", bytes(size))
    wire = pair.wire(inner)
    assert len(wire) == 20 + 8 + 16 + 1008 + 16
    assert pair.received(wire) == inner
    transport = make_pair({"tfc": 1000}, mode="transport")
    assert len(transport.wire(make_inner("transport", bytes(size)))) < len(wire)


@pytest.mark.covers("feature:dummy", "feature:tfc", by="self")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("around", [[], [{"protocol": 51}]], ids=["esp", "ah+esp"])
def test_dummy_packets_use_up_a_number_and_nothing_else(
    around: list[dict[str, Any]], mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """RFC 4303 2.6: next header 59, discarded without fault."""
    pair, inner = make_pair(*around, {"protocol": 50}, mode=mode), make_inner(mode)
    dummy = pair.alice.dummy(pair.out, b"noise")
    assert isinstance(dummy, Protected)
    assert pair.reason(dummy.wire) is DropReason.IN_DUMMY
    assert pair.reason(dummy.wire) is DropReason.IN_SEQUENCE
    assert pair.received(pair.wire(inner)) == inner
    assert [sa.usage.sequence for sa in pair.out.sas] == [2] * len(pair.out.sas)


def test_only_esp_has_dummy_packets(make_pair: MakePair) -> None:
    pair = make_pair({"protocol": 51})
    with pytest.raises(ValueError, match="only ESP"):
        pair.alice.dummy(pair.out)
