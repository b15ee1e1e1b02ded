"""Block ciphers in CBC mode, one row each (RFC 2451, RFC 3602).

The same row serves phase 1 (RFC 2409 Appendix A) and ESP (RFC 2407 4.4.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

if TYPE_CHECKING:
    from collections.abc import Callable


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
    build: Callable[[bytes], BlockCipherAlgorithm]


# fmt: off
_ROWS = (
    #         name      ike  esp  bits  key block  build
    CipherRow("aes128",   7,  12,  128,  16,   16, AES),
    CipherRow("aes192",   7,  12,  192,  24,   16, AES),
    CipherRow("aes256",   7,  12,  256,  32,   16, AES),
    CipherRow("3des",     5,   3, None,  24,    8, TripleDES),
)
# fmt: on

CIPHERS = {row.name: row for row in _ROWS}
"""Every cipher by its name."""


def encrypt_cbc(name: str, key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """Encrypt whole blocks; the next IV of a chain is the last block of the result.

    Raises KeyError for an unknown name, ValueError for a wrong key, IV or plaintext length.
    """
    encryptor = Cipher(CIPHERS[name].build(key), modes.CBC(iv)).encryptor()
    return encryptor.update(plaintext) + encryptor.finalize()


def decrypt_cbc(name: str, key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """Decrypt whole blocks, padding and all; the errors are those of encrypt_cbc."""
    decryptor = Cipher(CIPHERS[name].build(key), modes.CBC(iv)).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()
