"""The key schedule as pure functions, arguments in formula order (RFC 2409 5, Appendix B)."""

# ruff: noqa: PLR0917 (as many arguments as the formulas have)

from __future__ import annotations

from itertools import accumulate, chain, repeat
from typing import TYPE_CHECKING

from conformance.crypto.prf import HASHES, digest, prf

if TYPE_CHECKING:
    from collections.abc import Callable


def skeyid_psk(hash_name: str, psk: bytes, nonce_i: bytes, nonce_r: bytes) -> bytes:
    """SKEYID = prf(pre-shared-key, Ni_b | Nr_b), RFC 2409 5."""
    return prf(hash_name, psk, nonce_i + nonce_r)


def skeyid_signature(hash_name: str, nonce_i: bytes, nonce_r: bytes, g_xy: bytes) -> bytes:
    """SKEYID = prf(Ni_b | Nr_b, g^xy), RFC 2409 5."""
    return prf(hash_name, nonce_i + nonce_r, g_xy)


def skeyid_encryption(
    hash_name: str, nonce_i: bytes, nonce_r: bytes, cookie_i: bytes, cookie_r: bytes
) -> bytes:
    """SKEYID = prf(hash(Ni_b | Nr_b), CKY-I | CKY-R), RFC 2409 5."""
    return prf(hash_name, digest(hash_name, nonce_i + nonce_r), cookie_i + cookie_r)


def skeyid_d(hash_name: str, skeyid: bytes, g_xy: bytes, cookie_i: bytes, cookie_r: bytes) -> bytes:
    """SKEYID_d = prf(SKEYID, g^xy | CKY-I | CKY-R | 0), RFC 2409 5."""
    return prf(hash_name, skeyid, g_xy + cookie_i + cookie_r + b"\x00")


def skeyid_a(
    hash_name: str, skeyid: bytes, skeyid_d: bytes, g_xy: bytes, cookie_i: bytes, cookie_r: bytes
) -> bytes:
    """SKEYID_a = prf(SKEYID, SKEYID_d | g^xy | CKY-I | CKY-R | 1), RFC 2409 5."""
    return prf(hash_name, skeyid, skeyid_d + g_xy + cookie_i + cookie_r + b"\x01")


def skeyid_e(
    hash_name: str, skeyid: bytes, skeyid_a: bytes, g_xy: bytes, cookie_i: bytes, cookie_r: bytes
) -> bytes:
    """SKEYID_e = prf(SKEYID, SKEYID_a | g^xy | CKY-I | CKY-R | 2), RFC 2409 5."""
    return prf(hash_name, skeyid, skeyid_a + g_xy + cookie_i + cookie_r + b"\x02")


def hash_i(
    hash_name: str,
    skeyid: bytes,
    g_xi: bytes,
    g_xr: bytes,
    cookie_i: bytes,
    cookie_r: bytes,
    sa_i: bytes,
    id_ii: bytes,
) -> bytes:
    """HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b), RFC 2409 5."""
    return prf(hash_name, skeyid, g_xi + g_xr + cookie_i + cookie_r + sa_i + id_ii)


def hash_r(
    hash_name: str,
    skeyid: bytes,
    g_xr: bytes,
    g_xi: bytes,
    cookie_r: bytes,
    cookie_i: bytes,
    sa_i: bytes,
    id_ir: bytes,
) -> bytes:
    """HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b), RFC 2409 5."""
    return prf(hash_name, skeyid, g_xr + g_xi + cookie_r + cookie_i + sa_i + id_ir)


def hash_1(hash_name: str, skeyid_a: bytes, message_id: bytes, message: bytes) -> bytes:
    """HASH(1) = prf(SKEYID_a, M-ID | what follows the HASH payload), RFC 2409 5.5 and 5.7."""
    return prf(hash_name, skeyid_a, message_id + message)


def hash_2(
    hash_name: str, skeyid_a: bytes, message_id: bytes, nonce_i: bytes, message: bytes
) -> bytes:
    """HASH(2) = prf(SKEYID_a, M-ID | Ni_b | what follows the HASH payload), RFC 2409 5.5."""
    return prf(hash_name, skeyid_a, message_id + nonce_i + message)


def hash_3(
    hash_name: str, skeyid_a: bytes, message_id: bytes, nonce_i: bytes, nonce_r: bytes
) -> bytes:
    """HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b), RFC 2409 5.5."""
    return prf(hash_name, skeyid_a, b"\x00" + message_id + nonce_i + nonce_r)


def _expand(first: bytes, feed: Callable[[bytes], bytes], size: int) -> bytes:
    """K1 | K2 | ... cut to size, each K made of the one before it."""
    count = -(-size // len(first))
    blocks = accumulate(chain([first], repeat(b"", count - 1)), lambda last, _: feed(last))
    return b"".join(blocks)[:size]


def keymat(
    hash_name: str,
    skeyid_d: bytes,
    g_qm_xy: bytes,
    protocol: int,
    spi: bytes,
    nonce_i: bytes,
    nonce_r: bytes,
    size: int,
) -> bytes:
    """K1 | K2 | ... with Kn = prf(SKEYID_d, Kn-1 | [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b).

    RFC 2409 5.5; g_qm_xy is empty without PFS, size in octets.
    """
    seed = g_qm_xy + bytes([protocol]) + spi + nonce_i + nonce_r
    first = prf(hash_name, skeyid_d, seed)
    return _expand(first, lambda last: prf(hash_name, skeyid_d, last + seed), size)


def encryption_key(hash_name: str, skeyid_e: bytes, size: int) -> bytes:
    """The key of phase 1: the first octets of SKEYID_e, or of Ka where that is too short.

    Ka = K1 | K2 | ... with K1 = prf(SKEYID_e, 0), Kn = prf(SKEYID_e, Kn-1), RFC 2409 Appendix B.
    """
    if len(skeyid_e) >= size:
        return skeyid_e[:size]
    first = prf(hash_name, skeyid_e, b"\x00")
    return _expand(first, lambda last: prf(hash_name, skeyid_e, last), size)


def ephemeral_key(hash_name: str, nonce: bytes, cookie: bytes, size: int) -> bytes:
    """Ke_i or Ke_r of size octets, made of Ne = prf(N_b, CKY) as encryption_key does.

    RFC 2409 5.3; Ni_b and CKY-I for the initiator, Nr_b and CKY-R for the responder.
    """
    return encryption_key(hash_name, prf(hash_name, nonce, cookie), size)


def phase1_iv(hash_name: str, g_xi: bytes, g_xr: bytes, block_size: int) -> bytes:
    """The first octets of hash(g^xi | g^xr), RFC 2409 Appendix B."""
    return digest(hash_name, g_xi + g_xr)[:block_size]


def phase2_iv(hash_name: str, last_block: bytes, message_id: bytes, block_size: int) -> bytes:
    """The first octets of hash(last CBC output block of phase 1 | M-ID), RFC 2409 Appendix B."""
    return digest(hash_name, last_block + message_id)[:block_size]


def prf_size(hash_name: str) -> int:
    """Octets of every hash and key of this schedule."""
    return HASHES[hash_name].digest_size
