# ruff: noqa: INP001 (a script, not a package)
"""Write ``crypto/ciphers.json``: CBC vectors of every family, verified by a second implementation.

Run it as a script with libgcrypt and libtomcrypt installed. Each ciphertext is computed by
conformance.crypto and, block by block, by one of those libraries; a difference ends the run.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.crypto.block import xor
from conformance.crypto.ciphers import CIPHERS, USUAL_CIPHERS, encrypt_cbc
from conformance.crypto.prf import digest, prf
from conformance.crypto.random import seeded_random

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = Path(__file__).parents[1] / "crypto" / "ciphers.json"
BLOCKS = 3
NAMES = (*USUAL_CIPHERS, "blowfish64", "cast40", "cast80", "rc5-64", "rc5-256", "rc5-1024")

ECB, SECURE_MEMORY_OFF = 1, 37
# Cipher numbers of gcrypt.h.
GCRYPT = {
    "3des": 2,
    "cast128": 3,
    "blowfish": 4,
    "blowfish128": 4,
    "blowfish192": 4,
    "blowfish256": 4,
    "blowfish448": 4,
    "aes128": 7,
    "aes192": 8,
    "aes256": 9,
    "twofish256": 10,
    "des": 302,
    "twofish128": 303,
    "serpent128": 304,
    "serpent192": 305,
    "serpent256": 306,
    "camellia128": 310,
    "camellia192": 311,
    "camellia256": 312,
    "idea": 1,
}
GCRYPT_TIGER = 306
RC5_ROUNDS = 16
KEY_SPACE = 1 << 16
"""Room for any of libtomcrypt's expanded keys."""


class Gcrypt:
    """Single blocks, and Tiger, by libgcrypt."""

    name = "libgcrypt"

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libgcrypt.so.20")
        self.library.gcry_check_version(None)
        self.library.gcry_control(SECURE_MEMORY_OFF, 0)

    def block(self, name: str, key: bytes, block: bytes) -> bytes:
        """One block under a key."""
        handle, out = ctypes.c_void_p(), ctypes.create_string_buffer(len(block))
        size = ctypes.c_size_t(len(block))
        errors = (
            self.library.gcry_cipher_open(ctypes.byref(handle), GCRYPT[name], ECB, 0),
            self.library.gcry_cipher_setkey(handle, key, ctypes.c_size_t(len(key))),
            self.library.gcry_cipher_encrypt(handle, out, size, block, size),
        )
        self.library.gcry_cipher_close(handle)
        if any(errors):
            raise RuntimeError(f"libgcrypt refuses {name}: {errors}")
        return out.raw

    def tiger(self, data: bytes) -> bytes:
        """Tiger by libgcrypt."""
        out = ctypes.create_string_buffer(24)
        self.library.gcry_md_hash_buffer(GCRYPT_TIGER, out, data, ctypes.c_size_t(len(data)))
        return out.raw


class Tomcrypt:
    """Single blocks by libtomcrypt."""

    name = "libtomcrypt"

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libtomcrypt.so.1")

    def block(self, name: str, key: bytes, block: bytes) -> bytes:
        """One block under a key."""
        family = next(
            one for one in ("rc5", "twofish", "cast5", "blowfish") if one.startswith(name[:3])
        )
        expanded, out = ctypes.create_string_buffer(KEY_SPACE), ctypes.create_string_buffer(16)
        rounds = RC5_ROUNDS if family == "rc5" else 0
        setup = getattr(self.library, f"{family}_setup")
        encrypt = getattr(self.library, f"{family}_ecb_encrypt")
        if setup(key, len(key), rounds, expanded) or encrypt(block, out, expanded):
            raise RuntimeError(f"libtomcrypt refuses {name}")
        return out.raw[: len(block)]


def second_cbc(
    block_of: Callable[[str, bytes, bytes], bytes], name: str, key: bytes, iv: bytes, plain: bytes
) -> bytes:
    """CBC around another library's single blocks."""
    chain, out = iv, b""
    for at in range(0, len(plain), len(iv)):
        chain = block_of(name, key, xor(plain[at : at + len(iv)], chain))
        out += chain
    return out


def cipher_case(name: str, gcrypt: Gcrypt, tomcrypt: Tomcrypt) -> dict[str, Any]:
    """One vector; raises RuntimeError where the two implementations differ."""
    row, random = CIPHERS[name], seeded_random(name)
    key, iv, plain = random(row.key_size), random(row.block_size), random(BLOCKS * row.block_size)
    ciphertext = encrypt_cbc(name, key, iv, plain)
    other = gcrypt if name in GCRYPT else tomcrypt
    if second_cbc(other.block, name, key, iv, plain) != ciphertext:
        raise RuntimeError(f"{other.name} differs for {name}")
    fields = {"key": key, "iv": iv, "plaintext": plain, "ciphertext": ciphertext}
    return {
        "cipher": name,
        **{field: value.hex() for field, value in fields.items()},
        "verified_by": other.name,
    }


def tiger_case(size: int, gcrypt: Gcrypt) -> dict[str, Any]:
    """Tiger and HMAC-Tiger over size octets; raises RuntimeError where libgcrypt differs."""
    data, key = seeded_random(size)(size), seeded_random("key")(size)
    if digest("tiger", data) != gcrypt.tiger(data):
        raise RuntimeError(f"libgcrypt differs for Tiger over {size} octets")
    short = (gcrypt.tiger(key) if len(key) > 64 else key).ljust(64, b"\x00")  # noqa: PLR2004
    inner = gcrypt.tiger(xor(short, b"\x36" * 64) + data)
    if prf("tiger", key, data) != gcrypt.tiger(xor(short, b"\x5c" * 64) + inner):
        raise RuntimeError(f"libgcrypt differs for HMAC-Tiger over {size} octets")
    values = {"data": data, "key": key, "digest": digest("tiger", data)}
    values["hmac"] = prf("tiger", key, data)
    return {"case": size, **{name: value.hex() for name, value in values.items()}}


def build() -> dict[str, Any]:
    """The whole file."""
    gcrypt, tomcrypt = Gcrypt(), Tomcrypt()
    return {
        "source": {
            "document": "generate/ciphers.py",
            "method": "generated",
            "verified_by": "libgcrypt 1.10.1 and libtomcrypt 1.18.2, as each case says",
        },
        "cases": [cipher_case(name, gcrypt, tomcrypt) for name in NAMES],
        "tiger": [tiger_case(size, gcrypt) for size in (0, 1, 55, 56, 63, 64, 65, 200)],
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(build(), indent=2) + "\n")
