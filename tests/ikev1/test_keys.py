"""The key schedule against the formulas written out, and whole handshakes against their vectors."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import ikev1_handshake as generator
import pytest

from conformance.crypto.ciphers import CIPHERS, decrypt_cbc
from conformance.ikev1 import keys

VECTORS = Path(__file__).parents[2] / "vectors"
HANDSHAKES = json.loads((VECTORS / "ikev1" / "main_quick_psk.json").read_text())
NAMES = ["md5", "sha1", "sha256"]


def h(name: str, key: bytes, *parts: bytes) -> bytes:
    """prf(key, a | b | ...) without our own code."""
    return hmac.new(key, b"".join(parts), name).digest()


@pytest.mark.parametrize("name", NAMES)
def test_skeyid_family(name: str) -> None:
    """RFC 2409 5: each formula, its parts in order, its octet 0, 1 or 2."""
    ni, nr, gxy, ci, cr = b"Ni", b"Nr", b"g^xy", b"CKY-I", b"CKY-R"
    skeyid = keys.skeyid_psk(name, b"psk", ni, nr)
    assert skeyid == h(name, b"psk", ni, nr)
    assert keys.skeyid_signature(name, ni, nr, gxy) == h(name, ni + nr, gxy)
    nonces = hashlib.new(name, ni + nr).digest()
    assert keys.skeyid_encryption(name, ni, nr, ci, cr) == h(name, nonces, ci, cr)
    d = keys.skeyid_d(name, skeyid, gxy, ci, cr)
    a = keys.skeyid_a(name, skeyid, d, gxy, ci, cr)
    e = keys.skeyid_e(name, skeyid, a, gxy, ci, cr)
    assert d == h(name, skeyid, gxy, ci, cr, b"\0")
    assert a == h(name, skeyid, d, gxy, ci, cr, b"\1")
    assert e == h(name, skeyid, a, gxy, ci, cr, b"\2")
    assert len(e) == keys.prf_size(name)


@pytest.mark.parametrize("name", NAMES)
def test_hashes(name: str) -> None:
    """RFC 2409 5 and 5.5."""
    parts = [b"g^xi", b"g^xr", b"CKY-I", b"CKY-R", b"SAi_b", b"ID_b"]
    assert keys.hash_i(name, b"k", *parts) == h(name, b"k", *parts)
    swapped = [b"g^xr", b"g^xi", b"CKY-R", b"CKY-I", b"SAi_b", b"ID_b"]
    assert keys.hash_r(name, b"k", *swapped) == h(name, b"k", *swapped)
    assert keys.hash_1(name, b"k", b"MID.", b"rest") == h(name, b"k", b"MID.", b"rest")
    assert keys.hash_2(name, b"k", b"MID.", b"Ni", b"rest") == h(name, b"k", b"MID.Ni", b"rest")
    assert keys.hash_3(name, b"k", b"MID.", b"Ni", b"Nr") == h(name, b"k", b"\0MID.NiNr")


@pytest.mark.covers("hash:{name}", by="self")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 16, 32, 33, 64, 100])
def test_keymat_feeds_back(name: str, size: int) -> None:
    """K1 | K2 | ..., cut to what is needed (RFC 2409 5.5)."""
    seed = b"g^xy" + b"\3" + b"SPI." + b"NiNr"
    expected, last = b"", b""
    while len(expected) < size:
        last = h(name, b"d", last, seed)
        expected += last
    assert keys.keymat(name, b"d", b"g^xy", 3, b"SPI.", b"Ni", b"Nr", size) == expected[:size]


@pytest.mark.covers("feature:iv-chain", by="self")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [16, 24, 32, 80])
def test_encryption_key_is_expanded_only_when_needed(name: str, size: int) -> None:
    """RFC 2409 Appendix B: SKEYID_e itself, or Ka where it is too short."""
    skeyid_e = bytes(range(keys.prf_size(name)))
    key = keys.encryption_key(name, skeyid_e, size)
    assert len(key) == size
    if len(skeyid_e) >= size:
        assert key == skeyid_e[:size]
        return
    k1 = h(name, skeyid_e, b"\0")
    k2 = h(name, skeyid_e, k1)
    k3 = h(name, skeyid_e, k2)
    k4 = h(name, skeyid_e, k3)
    k5 = h(name, skeyid_e, k4)
    assert key == (k1 + k2 + k3 + k4 + k5)[:size]


@pytest.mark.covers("feature:iv-chain", by="self")
@pytest.mark.parametrize("name", NAMES)
def test_ivs(name: str) -> None:
    """RFC 2409 Appendix B."""
    assert keys.phase1_iv(name, b"xi", b"xr", 8) == hashlib.new(name, b"xixr").digest()[:8]
    assert (
        keys.phase2_iv(name, b"last", b"mid.", 16) == hashlib.new(name, b"lastmid.").digest()[:16]
    )


@pytest.mark.covers("exchange:2", "exchange:32", "auth:psk", by="self")
def test_handshakes_replay_octet_for_octet() -> None:
    """From the seeds alone every message and key comes out as recorded."""
    assert generator.build() == HANDSHAKES


@pytest.mark.covers("feature:transcript-keys", by="self")
@pytest.mark.parametrize("case", HANDSHAKES["cases"], ids=lambda case: case["factors"]["group"])
def test_recorded_quick_mode_opens_with_the_recorded_key(case: dict[str, Any]) -> None:
    """The recorded Quick Mode opens with the recorded key and the IV of Appendix B."""
    cipher, hash_name = case["factors"]["cipher"], case["factors"]["hash"]
    block = CIPHERS[cipher].block_size
    main_6, quick_1 = (bytes.fromhex(case["messages"][n]["datagram"]) for n in (5, 6))
    iv = hashlib.new(hash_name, main_6[-block:] + quick_1[20:24]).digest()[:block]
    plain = decrypt_cbc(cipher, bytes.fromhex(case["encryption_key"]), iv, quick_1[28:])
    assert plain[0] == 1  # the HASH is followed by the SA
    assert bytes.fromhex(case["initiator_spi_in"]) in plain
