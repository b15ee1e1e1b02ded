"""Every cipher family and Tiger against published vectors and against a second implementation's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.crypto.ciphers import (
    CIPHERS,
    FAMILIES,
    USUAL_CIPHERS,
    decrypt_cbc,
    encrypt_cbc,
    strong_key,
)
from conformance.crypto.prf import digest, prf
from conformance.crypto.random import seeded_random
from conformance.crypto.rc5 import Rc5
from conformance.crypto.serpent import Serpent
from conformance.crypto.twofish import Twofish
from conformance.crypto.weak_keys import is_weak_des_key

VECTORS = Path(__file__).parents[2] / "vectors" / "crypto"
PUBLISHED = json.loads((VECTORS / "published_ciphers.json").read_text())
GENERATED = json.loads((VECTORS / "ciphers.json").read_text())


def octets(case: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


@pytest.mark.covers("cipher:{case[cipher]}", by="vector")
@pytest.mark.parametrize(
    "case", PUBLISHED["cases"] + GENERATED["cases"], ids=lambda case: case["cipher"]
)
def test_cbc_vector(case: dict[str, Any]) -> None:
    key, iv, plain, cipher = octets(case, "key", "iv", "plaintext", "ciphertext")
    assert encrypt_cbc(case["cipher"], key, iv, plain) == cipher
    assert decrypt_cbc(case["cipher"], key, iv, cipher) == plain


def test_every_usual_cipher_has_a_vector() -> None:
    assert set(USUAL_CIPHERS) <= {case["cipher"] for case in GENERATED["cases"]}


@pytest.mark.parametrize("case", PUBLISHED["rc5_rounds"], ids=lambda case: case["rounds"])
def test_rc5_with_other_rounds(case: dict[str, Any]) -> None:
    """RFC 2040 9 has more vectors for other numbers of rounds than for IKE's 16."""
    key, iv, plain, cipher = octets(case, "key", "iv", "plaintext", "ciphertext")
    assert Rc5(key, case["rounds"]).encrypt(iv, plain) == cipher
    assert Rc5(key, case["rounds"]).decrypt(iv, cipher) == plain


@pytest.mark.parametrize("case", PUBLISHED["twofish_iterated"], ids=lambda case: case["bits"])
def test_twofish_iterated_table(case: dict[str, Any]) -> None:
    """Each line's key and plaintext are made of the line before; the last depends on all."""
    size = case["bits"] // 8
    key, plain = bytes(size), bytes(16)
    for _ in range(case["iterations"]):
        cipher = Twofish(key).encrypt_block(plain)
        key, plain = (plain + key)[:size], cipher
    assert plain.hex() == case["ciphertext"]


@pytest.mark.covers("hash:tiger", by="vector")
@pytest.mark.parametrize("case", PUBLISHED["tiger"], ids=lambda case: case["data"][:8] or "empty")
def test_tiger(case: dict[str, Any]) -> None:
    assert digest("tiger", case["data"].encode()).hex() == case["digest"]


@pytest.mark.covers("hash:tiger", by="vector")
@pytest.mark.parametrize("case", GENERATED["tiger"], ids=lambda case: case["case"])
def test_tiger_and_its_hmac_around_the_block_size(case: dict[str, Any]) -> None:
    data, key = octets(case, "data", "key")
    assert digest("tiger", data).hex() == case["digest"]
    assert prf("tiger", key, data).hex() == case["hmac"]


@pytest.mark.parametrize("name", CIPHERS)
def test_every_key_length_has_a_working_row(name: str) -> None:
    """What is encrypted comes back, and another key gives something else."""
    row, random = CIPHERS[name], seeded_random(name)
    key, iv, plain = random(row.key_size), random(row.block_size), random(row.block_size)
    cipher = encrypt_cbc(name, key, iv, plain)
    assert decrypt_cbc(name, key, iv, cipher) == plain
    assert encrypt_cbc(name, bytes([key[0] ^ 2]) + key[1:], iv, plain) != cipher
    assert row.key_length in {None, 8 * row.key_size}


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("aes", ["aes128", "aes192", "aes256"]),
        ("des", ["des"]),
        ("cast", ["cast", *(f"cast{bits}" for bits in range(40, 129, 8))]),
        ("blowfish", ["blowfish", *(f"blowfish{bits}" for bits in range(40, 449, 8))]),
        ("rc5", ["rc5", *(f"rc5-{bits}" for bits in range(40, 2041, 8))]),
    ],
)
def test_names_of_a_family(family: str, names: list[str]) -> None:
    rows = next(one for one in FAMILIES if one.name == family).rows()
    assert [row.name for row in rows] == names


@pytest.mark.parametrize(
    ("name", "bits"), [("blowfish", 448), ("cast", 128), ("rc5", 128), ("idea", 128), ("des", 64)]
)
def test_key_length_without_the_attribute(name: str, bits: int) -> None:
    """RFC 2409 Appendix B; only ESP's Blowfish has 128 bits then (RFC 2451 2.2)."""
    assert (CIPHERS[name].key_length, 8 * CIPHERS[name].key_size) == (None, bits)


@pytest.mark.parametrize("name", USUAL_CIPHERS)
def test_wrong_lengths_are_value_errors(name: str) -> None:
    """Key, IV and text must fit; every cipher says so in the same way."""
    row = CIPHERS[name]
    key, iv, text = bytes(row.key_size), bytes(row.block_size), bytes(row.block_size)
    for wrong in ((key[1:], iv, text), (key, iv[1:], text), (key, iv, text + b"\x00")):
        with pytest.raises(ValueError, match=r"."):
            encrypt_cbc(name, *wrong)
        with pytest.raises(ValueError, match=r"."):
            decrypt_cbc(name, *wrong)


@pytest.mark.parametrize(("cipher", "size"), [(Serpent, 17), (Twofish, 8), (Rc5, 0), (Rc5, 256)])
def test_own_ciphers_refuse_keys_they_do_not_have(cipher: Any, size: int) -> None:
    with pytest.raises(ValueError, match="octets"):
        cipher(bytes(size))


WEAK = ("0101010101010101", "fefefefefefefefe", "1f1f1f1f0e0e0e0e", "e0e0e0e0f1f1f1f1")
SEMI_WEAK = (
    ("01fe01fe01fe01fe", "fe01fe01fe01fe01"),
    ("1fe01fe00ef10ef1", "e01fe01ff10ef10e"),
    ("01e001e001f101f1", "e001e001f101f101"),
    ("1ffe1ffe0efe0efe", "fe1ffe1ffe0efe0e"),
    ("011f011f010e010e", "1f011f010e010e01"),
    ("e0fee0fef1fef1fe", "fee0fee0fef1fef1"),
)


@pytest.mark.parametrize(("first", "second"), [*((key, key) for key in WEAK), *SEMI_WEAK])
def test_weak_keys_undo_each_other(first: str, second: str) -> None:
    """What makes them weak: the second encryption is the first one's decryption."""
    keys, iv, block = (bytes.fromhex(first), bytes.fromhex(second)), bytes(8), b"plain..."
    once = encrypt_cbc("des", keys[0], iv, block)
    assert encrypt_cbc("des", keys[1], iv, once) == block
    for key in keys:
        assert is_weak_des_key(key)
        assert is_weak_des_key(bytes(octet ^ 1 for octet in key))  # parity is ignored


def test_the_weak_keys_as_rfc_2409_prints_them_are_refused_too() -> None:
    for text in ("1f1f1f1fe0e0e0e0", "e0e0e0e01f1f1f1f"):
        assert is_weak_des_key(bytes.fromhex(text))


@pytest.mark.covers("feature:weak-keys", by="self")
def test_a_des_key_passes_over_weak_octets() -> None:
    """The first eight octets that are neither weak nor semi-weak (RFC 2409 Appendix B)."""
    weak, good = bytes.fromhex(WEAK[0]), b"abcdefgh"
    assert strong_key("des", weak + good) == good
    assert strong_key("des", good + weak) == good
    assert strong_key("3des", weak * 3) == weak * 3  # RFC 2451 2.3
    with pytest.raises(ValueError, match="not weak"):
        strong_key("des", weak + weak[:7])
