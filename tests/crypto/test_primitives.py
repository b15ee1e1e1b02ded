"""The primitives against the vectors of the RFCs that define them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gmpy2
import pytest

from conformance.crypto.ciphers import CIPHERS, USUAL_CIPHERS, decrypt_cbc, encrypt_cbc
from conformance.crypto.dh import GROUPS, InvalidPublicValueError, modp_prime
from conformance.crypto.macs import MACS
from conformance.crypto.prf import HASHES, digest, prf
from conformance.crypto.random import seeded_random

VECTORS = Path(__file__).parents[2] / "vectors" / "crypto"


def load(name: str, key: str = "cases") -> list[Any]:
    """The cases of a vector file, each with a readable id."""
    cases = json.loads((VECTORS / name).read_text())[key]
    ids = ["-".join(str(case[k]) for k in ("hash", "group", "case") if k in case) for case in cases]
    return [pytest.param(case, id=text) for case, text in zip(cases, ids, strict=True)]


@pytest.mark.covers("hash:{case[hash]}", by="vector")
@pytest.mark.parametrize("case", load("rfc2202.json") + load("rfc4231.json"))
def test_prf_is_the_hmac_of_the_hash(case: dict[str, Any]) -> None:
    value = prf(case["hash"], bytes.fromhex(case["key"]), bytes.fromhex(case["data"])).hex()
    assert value[: len(case["digest"])] == case["digest"]


@pytest.mark.covers("integ:{case[hash]}", by="vector")
@pytest.mark.parametrize("case", [c for c in load("rfc2202.json") if "digest_96" in c.values[0]])
def test_icv_is_the_truncated_hmac(case: dict[str, Any]) -> None:
    key, data = bytes.fromhex(case["key"]), bytes.fromhex(case["data"])
    assert MACS[case["hash"]].keyed(key).compute(data).hex() == case["digest_96"]


@pytest.mark.covers("cipher:{case[cipher]}", "esp:{case[cipher]}", by="vector")
@pytest.mark.parametrize("case", load("rfc3602.json"))
def test_aes_cbc(case: dict[str, Any]) -> None:
    key, iv = bytes.fromhex(case["key"]), bytes.fromhex(case["iv"])
    plain, cipher = bytes.fromhex(case["plaintext"]), bytes.fromhex(case["ciphertext"])
    assert encrypt_cbc(case["cipher"], key, iv, plain) == cipher
    assert decrypt_cbc(case["cipher"], key, iv, cipher) == plain


@pytest.mark.covers("group:{case[group]}", by="vector")
@pytest.mark.parametrize("case", load("modp.json", "groups"))
def test_primes_are_computed_from_pi_and_are_safe(case: dict[str, Any]) -> None:
    """The hexadecimal of the RFC equals its own formula; p and (p-1)/2 are prime."""
    prime = modp_prime(int(case["group"][4:]), case["constant"])
    assert f"{prime:x}" == case["prime"]
    assert gmpy2.is_prime(prime)
    assert gmpy2.is_prime((prime - 1) // 2)
    private = bytes(GROUPS[case["group"]].private_size - 1) + b"\x02"
    exponent = 2 | 1 << (8 * len(private) - 1)
    expected = int(gmpy2.powmod(2, exponent, prime))
    assert GROUPS[case["group"]].key_pair(private).public == expected.to_bytes(
        len(case["prime"]) // 2
    )


@pytest.mark.covers("group:{case[group]}", by="vector")
@pytest.mark.parametrize(
    "case", [c for name in ("rfc5903", "rfc5114", "rfc6932") for c in load(f"{name}.json")]
)
def test_key_agreement(case: dict[str, Any]) -> None:
    """On curves KE is x and y and the shared secret is x alone (RFC 5903 7)."""
    group = GROUPS[case["group"]]

    def pair(name: str) -> Any:
        scalar = int(case[f"private_{name}"], 16)
        return group.key_pair((scalar - 1).to_bytes(group.private_size))

    initiator, responder = pair("i"), pair("r")
    assert initiator.public.hex() == case["public_i"]
    assert responder.public.hex() == case["public_r"]
    assert initiator.exchange(responder.public).hex() == case["shared_secret"]
    assert responder.exchange(initiator.public).hex() == case["shared_secret"]


@pytest.mark.covers("group:{name}", by="self")
@pytest.mark.parametrize("name", GROUPS)
def test_both_sides_of_a_group_get_one_secret(name: str) -> None:
    random = seeded_random(name)
    mine, yours = GROUPS[name].generate(random), GROUPS[name].generate(random)
    assert mine.public != yours.public
    assert len(mine.public) == GROUPS[name].public_size
    assert mine.exchange(yours.public) == yours.exchange(mine.public)
    assert "exchange" not in repr(mine)


@pytest.mark.parametrize("name", [case.values[0]["group"] for case in load("modp.json", "groups")])
@pytest.mark.parametrize("value", ["0", "1", "p-1", "p", "short", "long"])
def test_modp_refuses_public_values_out_of_range(name: str, value: str) -> None:
    """1 < y < p-1, and exactly the group's length (RFC 2409 5)."""
    size = GROUPS[name].public_size
    case = next(c.values[0] for c in load("modp.json", "groups") if c.values[0]["group"] == name)
    prime = int(case["prime"], 16)
    values = {
        "0": bytes(size),
        "1": (1).to_bytes(size),
        "p-1": (prime - 1).to_bytes(size),
        "p": prime.to_bytes(size),
        "short": (2).to_bytes(size - 1),
        "long": (2).to_bytes(size + 1),
    }
    with pytest.raises(InvalidPublicValueError):
        GROUPS[name].generate(seeded_random(1)).exchange(values[value])


@pytest.mark.parametrize("public", [bytes(64), b"\1" * 64, bytes(63), b"\xff" * 64])
def test_ecp_refuses_points_off_the_curve(public: bytes) -> None:
    with pytest.raises(InvalidPublicValueError):
        GROUPS["ecp256"].generate(seeded_random(1)).exchange(public)


@pytest.mark.parametrize("name", USUAL_CIPHERS)
def test_cbc_chains_from_the_iv(name: str) -> None:
    """Two messages along one chain equal one message: the next IV is the last block."""
    row, random = CIPHERS[name], seeded_random(name)
    key, iv, plain = random(row.key_size), random(row.block_size), random(4 * row.block_size)
    half = 2 * row.block_size
    first = encrypt_cbc(name, key, iv, plain[:half])
    second = encrypt_cbc(name, key, first[-row.block_size :], plain[half:])
    assert first + second == encrypt_cbc(name, key, iv, plain)
    assert decrypt_cbc(name, key, iv, first + second) == plain


@pytest.mark.parametrize("name", MACS)
def test_every_flipped_bit_of_an_icv_is_noticed(name: str) -> None:
    key, data = bytes(MACS[name].key_size), b"IV, then data"
    icv = MACS[name].keyed(key).compute(data)
    assert len(icv) == MACS[name].icv_size
    assert MACS[name].keyed(key).verify(data, icv)
    for bit in range(8 * len(icv)):
        flipped = (int.from_bytes(icv) ^ 1 << bit).to_bytes(len(icv))
        assert not MACS[name].keyed(key).verify(data, flipped)


@pytest.mark.parametrize("name", HASHES)
def test_digest_size(name: str) -> None:
    assert len(digest(name, b"")) == HASHES[name].digest_size


def test_seeded_random_repeats() -> None:
    """The same seed gives the same octets; another seed gives others."""
    assert seeded_random(7)(100) == seeded_random(7)(100) != seeded_random(8)(100)
    assert len({seeded_random(7)(n)[:4] for n in range(4, 99)}) == 1
