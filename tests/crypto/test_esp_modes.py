"""The transforms of ESP alone: published vectors, and CCM against its definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from conformance.crypto.ciphers import ESP_CIPHERS, decrypt_cbc, encrypt_cbc
from conformance.crypto.esp_modes import ESP_MODES, aes_gmac
from conformance.crypto.random import seeded_random

VECTORS = Path(__file__).parents[2] / "vectors" / "crypto"
CASES = [
    case
    for name in ("rfc3686.json", "gcm.json")
    for case in json.loads((VECTORS / name).read_text())["cases"]
]
AUTHENTICATED = [name for name, row in ESP_MODES.items() if row.icv_size]


@pytest.mark.covers("esp:{case[transform]}", by="vector")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['transform']}-{case['case']}")
def test_vector(case: dict[str, Any]) -> None:
    names = ("key", "salt", "iv", "associated", "plaintext", "sealed")
    key, salt, iv, aad, plain, sealed = (bytes.fromhex(case[name]) for name in names)
    row = ESP_MODES[case["transform"]]
    assert len(key + salt) == row.key_size
    assert row.keyed(key + salt).encrypt(iv, plain, aad) == sealed
    assert row.keyed(key + salt).decrypt(iv, sealed, aad) == plain


@pytest.mark.parametrize("icv", [8, 12])
def test_a_short_tag_is_the_start_of_the_whole(icv: int) -> None:
    """RFC 4106 6: eight and twelve octets are truncations."""
    case = CASES[-1]
    key, iv, aad, plain, sealed = (
        bytes.fromhex(case[name]) for name in ("key", "iv", "associated", "plaintext", "sealed")
    )
    material = key + bytes.fromhex(case["salt"])
    keyed = ESP_MODES[f"aes256gcm{icv}"].keyed(material)
    assert keyed.encrypt(iv, plain, aad) == sealed[: icv - 16]
    assert keyed.decrypt(iv, sealed[: icv - 16], aad) == plain


def encrypt_block(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305  the bare cipher is wanted
    return encryptor.update(block) + encryptor.finalize()


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


def ccm(key: bytes, nonce: bytes, plain: bytes, aad: bytes, icv_size: int) -> bytes:
    """RFC 3610 2.2 and 2.3 with a length field of four octets, as RFC 4309 4 has it."""
    blocks = bytes([0x40 * bool(aad) + 8 * ((icv_size - 2) // 2) + 3]) + nonce
    blocks += len(plain).to_bytes(4)
    for part in (len(aad).to_bytes(2) + aad, plain):
        blocks += part + bytes(-len(part) % 16)
    mac = bytes(16)
    for at in range(0, len(blocks), 16):
        mac = encrypt_block(key, xor(mac, blocks[at : at + 16]))
    stream = b"".join(
        encrypt_block(key, b"\x03" + nonce + count.to_bytes(4))
        for count in range(1 + -(-len(plain) // 16))
    )
    return xor(plain, stream[16:]) + xor(mac, stream)[:icv_size]


@pytest.mark.parametrize("name", [name for name in ESP_MODES if "ccm" in name])
@pytest.mark.parametrize("size", [0, 1, 16, 40])
def test_ccm_is_as_defined(name: str, size: int) -> None:
    row, random = ESP_MODES[name], seeded_random(name)
    material, iv, aad, plain = random(row.key_size), random(8), random(12), random(size)
    expected = ccm(material[:-3], material[-3:] + iv, plain, aad, row.icv_size)
    assert row.keyed(material).encrypt(iv, plain, aad) == expected
    assert row.keyed(material).decrypt(iv, expected, aad) == plain


@pytest.mark.parametrize("name", AUTHENTICATED)
def test_every_flipped_octet_is_noticed(name: str) -> None:
    row, random = ESP_MODES[name], seeded_random(name)
    inputs = [random(row.key_size), random(8), random(20), random(8)]
    inputs[2] = row.keyed(inputs[0]).encrypt(*inputs[1:])
    assert row.keyed(inputs[0]).decrypt(*inputs[1:]) is not None
    for index, octets in enumerate(inputs):
        for at in range(len(octets)):
            changed = octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]
            key, iv, sealed, aad = (*inputs[:index], changed, *inputs[index + 1 :])
            assert row.keyed(key).decrypt(iv, sealed, aad) is None


def test_gmac_is_gcm_of_nothing() -> None:
    """RFC 4543 2; the IV counts as part of what ESP's payload authenticates."""
    row = ESP_MODES["aes128gmac"]
    material, iv = bytes(range(20)), bytes(8)
    sealed = row.keyed(material).encrypt(iv, b"plain", b"header")
    whole = ESP_MODES["aes128gcm16"].keyed(material).encrypt(iv, b"", b"header" + iv + b"plain")
    assert sealed == b"plain" + whole
    assert aes_gmac(material)(iv, b"header" + iv + b"plain") == whole


SEED = json.loads((VECTORS / "rfc4196.json").read_text())["cases"]


@pytest.mark.parametrize("case", SEED, ids=lambda case: case["case"])
def test_seed(case: dict[str, Any]) -> None:
    names = ("key", "iv", "plaintext", "ciphertext")
    key, iv, plain, cipher = (bytes.fromhex(case[name]) for name in names)
    assert encrypt_cbc("seed128", key, iv, plain) == cipher
    assert decrypt_cbc("seed128", key, iv, cipher) == plain


def test_numbers_are_told_apart() -> None:
    """RFC 2407 4.4.4: transform and key length name one row, CBC or not."""
    rows = [(row.esp_id, row.key_length) for row in ESP_CIPHERS.values()]
    assert len(set(rows)) == len(rows)
