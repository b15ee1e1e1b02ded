"""Block ciphers in CBC mode, a row for each key length (RFC 2409 Appendix A and B, RFC 2451).

The same row serves phase 1 (RFC 2409 Appendix A) and ESP (RFC 2407 4.4.4). A family with a range of
key lengths has a row for each of them, so that a configuration names any: ``blowfish40``,
``rc5-2040``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import (
    CAST5,
    IDEA,
    SEED,
    Blowfish,
    Camellia,
    TripleDES,
)
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from conformance.crypto.esp_modes import ESP_MODES, EspModeRow
from conformance.crypto.rc5 import Rc5
from conformance.crypto.serpent import Serpent
from conformance.crypto.twofish import Twofish
from conformance.crypto.weak_keys import is_weak_des_key, never_weak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm

    from conformance.crypto.block import CbcCipher


class _LibraryCbc:
    """CBC of the library around one of its keyed algorithms."""

    def __init__(self, algorithm: BlockCipherAlgorithm) -> None:
        self._algorithm = algorithm

    def encrypt(self, iv: bytes, plaintext: bytes) -> bytes:
        """The ciphertext of whole blocks."""
        encryptor = Cipher(self._algorithm, modes.CBC(iv)).encryptor()
        return encryptor.update(plaintext) + encryptor.finalize()

    def decrypt(self, iv: bytes, ciphertext: bytes) -> bytes:
        """The plaintext of whole blocks."""
        decryptor = Cipher(self._algorithm, modes.CBC(iv)).decryptor()
        return decryptor.update(ciphertext) + decryptor.finalize()


def _cbc(algorithm: Callable[[bytes], BlockCipherAlgorithm]) -> Callable[[bytes], CbcCipher]:
    return lambda key: _LibraryCbc(algorithm(key))


def _single_des(key: bytes) -> TripleDES:
    """EDE with three equal keys is DES."""
    return TripleDES(3 * key)


class CipherRow(NamedTuple):
    """What a layer must know of a cipher; sizes in octets."""

    name: str
    """The name used in factors, records and on the command line."""
    ike_id: int
    """Encryption algorithm of phase 1, RFC 2409 Appendix A."""
    esp_id: int
    """ESP transform identifier, RFC 2407 4.4.4."""
    key_length: int | None
    """Value of the key length attribute in bits; None where the attribute must be absent."""
    key_size: int
    block_size: int
    build: Callable[[bytes], CbcCipher]
    """A key of key_size octets to the cipher in CBC mode."""
    title: str
    """The name of the family, as transcripts show it."""
    is_weak: Callable[[bytes], bool] = never_weak
    """Whether a key must be passed over (RFC 2409 Appendix B)."""


class Family(NamedTuple):
    """A cipher with all its key lengths, in bits."""

    name: str
    ike_id: int
    """65004 and 65005 are the private numbers that peers share for Serpent and Twofish."""
    esp_id: int
    lengths: range
    """The key lengths that the attribute may name; empty where it must be absent."""
    fixed: int | None
    """The key length where the attribute is absent; None where it must be there."""
    block_size: int
    """In octets."""
    build: Callable[[bytes], CbcCipher]
    title: str
    separator: str = ""
    """Between name and key length."""
    is_weak: Callable[[bytes], bool] = never_weak

    def rows(self) -> Iterator[CipherRow]:
        """The row without the attribute, where there is one, and one for each key length."""
        if self.fixed is not None:
            yield self._row(self.name, None, self.fixed)
        for bits in self.lengths:
            yield self._row(f"{self.name}{self.separator}{bits}", bits, bits)

    def _row(self, name: str, key_length: int | None, bits: int) -> CipherRow:
        return CipherRow(
            name,
            self.ike_id,
            self.esp_id,
            key_length,
            bits // 8,
            self.block_size,
            self.build,
            self.title,
            self.is_weak,
        )


_NONE, _AES_LIKE = range(0), range(128, 257, 64)

# Without a key length Blowfish has 448 bits in phase 1 (RFC 2409 Appendix B), where RFC 2451 2.2
# says 128 for ESP. The lengths of the middle block are those of RFC 2451 2.2, in steps of 8.
# fmt: off
FAMILIES = (
    #      name         ike  esp  lengths           fixed block  build
    Family("aes",         7,  12, _AES_LIKE,         None, 16, _cbc(AES), "AES-CBC"),
    Family("3des",        5,   3, _NONE,              192,  8, _cbc(TripleDES), "3DES-CBC"),
    Family("des",         1,   2, _NONE,               64,  8, _cbc(_single_des), "DES-CBC",
           is_weak=is_weak_des_key),
    Family("idea",        2,   5, _NONE,              128,  8, _cbc(IDEA), "IDEA-CBC"),
    Family("blowfish",    3,   7, range(40, 449, 8),  448,  8, _cbc(Blowfish), "Blowfish-CBC"),
    Family("rc5",         4,   4, range(40, 2041, 8), 128,  8, Rc5, "RC5-R16-B64-CBC", "-"),
    Family("cast",        6,   6, range(40, 129, 8),  128,  8, _cbc(CAST5), "CAST-CBC"),
    Family("camellia",    8,  22, _AES_LIKE,         None, 16, _cbc(Camellia), "CAMELLIA-CBC"),
    Family("serpent", 65004, 252, _AES_LIKE,         None, 16, Serpent, "SERPENT-CBC"),
    Family("twofish", 65005, 253, _AES_LIKE,         None, 16, Twofish, "TWOFISH-CBC"),
)
"""Every family of phase 1; AES first, for its rows are those that are asked for most."""
# fmt: on

CIPHERS = {row.name: row for family in FAMILIES for row in family.rows()}
"""Every cipher by its name: every key length that an attribute can ask for."""

_SEED = CipherRow("seed128", 0, 21, 128, 16, 16, _cbc(SEED), "SEED-CBC")
"""RFC 4196, whose phase 1 has no number."""
_ESP_CBC = {name: row for name, row in CIPHERS.items() if name != "blowfish"} | {"seed128": _SEED}
ESP_CIPHERS: dict[str, CipherRow | EspModeRow] = {**_ESP_CBC, **ESP_MODES}
"""Every cipher of ESP: the rows that mean the same there, and the modes that ESP alone has.

ESP's Blowfish has 128 bits without the attribute, not 448: a peer that leaves it out there means
``blowfish128`` (RFC 2451 2.2).
"""

# fmt: off
USUAL_CIPHERS = (
    "aes128", "aes192", "aes256", "3des", "des", "idea", "blowfish", "blowfish128", "blowfish192",
    "blowfish256", "blowfish448", "rc5", "cast128", "camellia128", "camellia192", "camellia256",
    "serpent128", "serpent192", "serpent256", "twofish128", "twofish192", "twofish256",
)
"""The names worth listing: every family, with the key lengths that peers have names for."""
# fmt: on


def encrypt_cbc(name: str, key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """Encrypt whole blocks; the next IV of a chain is the last block of the result.

    Raises KeyError for an unknown name, ValueError for a wrong key, IV or plaintext length.
    """
    return _keyed(name, key).encrypt(iv, plaintext)


def decrypt_cbc(name: str, key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """Decrypt whole blocks, padding and all; the errors are those of encrypt_cbc."""
    return _keyed(name, key).decrypt(iv, ciphertext)


def _keyed(name: str, key: bytes) -> CbcCipher:
    row = CIPHERS[name] if name in CIPHERS else _ESP_CBC[name]
    if len(key) != row.key_size:
        raise ValueError(f"a key for {name} has {row.key_size} octets, not {len(key)}")
    return row.build(key)


def strong_key(name: str, material: bytes) -> bytes:
    """The first whole key of some keying material that is not weak (RFC 2409 Appendix B).

    Material is at least one key long. Raises KeyError for an unknown name, ValueError where every
    key is weak.
    """
    row = CIPHERS[name]
    starts = range(0, len(material) - row.key_size + 1, row.key_size)
    keys = (material[start : start + row.key_size] for start in starts)
    key = next((one for one in keys if not row.is_weak(one)), None)
    if key is None:
        raise ValueError(f"{len(material)} octets hold no key for {name} that is not weak")
    return key
