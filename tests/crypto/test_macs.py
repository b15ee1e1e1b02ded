"""Integrity algorithms against the vectors of the RFCs that bring them into IPsec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.crypto.macs import MACS

VECTORS = Path(__file__).parents[2] / "vectors" / "crypto"
CASES = json.loads((VECTORS / "macs.json").read_text())["cases"]
RIPEMD160 = json.loads((VECTORS / "rfc2286.json").read_text())["cases"]


@pytest.mark.covers("integ:{case[mac]}", by="vector")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['mac']}-{case['case']}")
def test_icv(case: dict[str, Any]) -> None:
    key, data, icv = (bytes.fromhex(case[name]) for name in ("key", "data", "icv"))
    assert MACS[case["mac"]].keyed(key).compute(data) == icv
    assert MACS[case["mac"]].keyed(key).verify(data, icv)
    assert not MACS[case["mac"]].keyed(key).verify(data + b"\x00", icv)


@pytest.mark.covers("integ:ripemd160", by="vector")
@pytest.mark.skipif("ripemd160" not in MACS, reason="this OpenSSL has no RIPEMD-160")
@pytest.mark.parametrize("case", RIPEMD160, ids=lambda case: case["case"])
def test_hmac_ripemd160(case: dict[str, Any]) -> None:
    """RFC 2286 2, truncated as RFC 2857 2 says."""
    key, data, digest = (bytes.fromhex(case[name]) for name in ("key", "data", "digest"))
    assert MACS["ripemd160"].keyed(key).compute(data) == digest[:12]


@pytest.mark.parametrize("name", ["aesxcbc", "aescmac"])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 32])
def test_a_padded_message_has_another_icv(name: str, size: int) -> None:
    """Padding is told from data: M and M | 80 00 .. differ, whatever the length."""
    key, data = bytes(16), bytes(size)
    padded = (data + b"\x80").ljust(-(-(size + 1) // 16) * 16, b"\x00")
    assert MACS[name].keyed(key).compute(data) != MACS[name].keyed(key).compute(padded)
