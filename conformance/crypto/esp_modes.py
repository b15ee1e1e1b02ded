"""The transforms that ESP alone has: counter mode, the combined modes, and NULL.

RFC 2410 (NULL), RFC 3686 (CTR), RFC 4106 (GCM), RFC 4309 (CCM), RFC 4543 (GMAC).
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from conformance.crypto.keyed import Primitive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.crypto.keyed import KeyedCipher

_FIRST_BLOCK = (1).to_bytes(4)
_FULL_TAG = 16


class EspModeRow(NamedTuple):
    """What a layer must know of a transform; sizes in octets."""

    name: str
    """The name used in factors, records and on the command line."""
    esp_id: int
    """ESP transform identifier, RFC 2407 4.4.4 and the RFC of the transform."""
    key_length: int | None
    """Value of the key length attribute in bits, salt not counted; None without the attribute."""
    key_size: int
    """Of the keying material: the key and, behind it, the salt."""
    salt_size: int
    iv_size: int
    icv_size: int
    """0 where the transform has no integrity of its own."""
    keyed: Callable[[bytes], KeyedCipher]
    """Key | salt to the transform under them."""
    title: str
    """The name of the transform, as transcripts show it."""
    source: str
    """The RFC that defines it."""
    block_size: int = 1


def split_salt(material: bytes, size: int) -> tuple[bytes, bytes]:
    """Key and salt, which is the end of the material (RFC 3686 5.1, RFC 4106 8.1, RFC 4309 7.1)."""
    at = len(material) - size
    return material[:at], material[at:]


class _Null:
    """RFC 2410."""

    def __init__(self, _: bytes) -> None:
        pass

    def encrypt(self, _iv: bytes, plain: bytes, _aad: bytes) -> bytes:
        return plain

    def decrypt(self, _iv: bytes, sealed: bytes, _aad: bytes) -> bytes:
        return sealed


class _Ctr:
    """AES in counter mode, the same both ways."""

    def __init__(self, material: bytes) -> None:
        key, self._salt = split_salt(material, 4)
        self._algorithm = AES(key)

    def encrypt(self, iv: bytes, plain: bytes, _aad: bytes) -> bytes:
        # The block counter begins at 1 (RFC 3686 4).
        mode = modes.CTR(self._salt + iv + _FIRST_BLOCK)
        encryptor = Cipher(self._algorithm, mode).encryptor()
        return encryptor.update(plain) + encryptor.finalize()

    def decrypt(self, iv: bytes, sealed: bytes, aad: bytes) -> bytes:
        return self.encrypt(iv, sealed, aad)


class _Gcm:
    """AES-GCM with its whole tag of 16 octets (RFC 4106 6)."""

    def __init__(self, material: bytes) -> None:
        key, salt = split_salt(material, 4)
        gcm = AESGCM(key)
        self.primitive = Primitive(salt, gcm.encrypt, gcm.decrypt)

    def encrypt(self, iv: bytes, plain: bytes, aad: bytes) -> bytes:
        return self.primitive.seal(self.primitive.salt + iv, plain, aad)

    def decrypt(self, iv: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        try:
            return self.primitive.open(self.primitive.salt + iv, sealed, aad)
        except InvalidTag:
            return None


class _TruncatedGcm:
    """The same with the first 8 or 12 octets of the tag."""

    def __init__(self, icv_size: int, material: bytes) -> None:
        self._whole = _Gcm(material)
        self._icv_size = icv_size

    def encrypt(self, iv: bytes, plain: bytes, aad: bytes) -> bytes:
        return self._whole.encrypt(iv, plain, aad)[: len(plain) + self._icv_size]

    def decrypt(self, iv: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        # GCM encrypts in counter mode: the ciphertext encrypted again is the plaintext. The
        # library's decryption takes whole tags only, its slower interface from four octets on.
        size = len(sealed) - self._icv_size
        plain = self._whole.encrypt(iv, sealed[:size], b"")[:size]
        return plain if hmac.compare_digest(self.encrypt(iv, plain, aad), sealed) else None


class _Ccm:
    """AES-CCM with a tag of 8, 12 or 16 octets."""

    def __init__(self, icv_size: int, material: bytes) -> None:
        key, self._salt = split_salt(material, 3)
        self._ccm = AESCCM(key, icv_size)

    def encrypt(self, iv: bytes, plain: bytes, aad: bytes) -> bytes:
        return self._ccm.encrypt(self._salt + iv, plain, aad)

    def decrypt(self, iv: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        try:
            return self._ccm.decrypt(self._salt + iv, sealed, aad)
        except InvalidTag:
            return None


def aes_gmac(material: bytes) -> Callable[[bytes, bytes], bytes]:
    """Key | salt to (iv, data) -> the 16 octets of the MAC (RFC 4543 2)."""
    key, salt = split_salt(material, 4)
    gcm = AESGCM(key)
    return lambda iv, data: gcm.encrypt(salt + iv, b"", data)


class _Gmac:
    """Integrity alone, in the shape of a combined mode."""

    def __init__(self, material: bytes) -> None:
        self._mac = aes_gmac(material)

    def encrypt(self, iv: bytes, plain: bytes, aad: bytes) -> bytes:
        # The IV is authenticated, as Figure 4 of RFC 4543 and all who speak GMAC have it.
        return plain + self._mac(iv, aad + iv + plain)

    def decrypt(self, iv: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        plain = sealed[: len(sealed) - _FULL_TAG]
        return plain if hmac.compare_digest(self.encrypt(iv, plain, aad), sealed) else None


def _gcm(icv_size: int) -> Callable[[bytes], KeyedCipher]:
    return _Gcm if icv_size == _FULL_TAG else partial(_TruncatedGcm, icv_size)


def _rows() -> Iterator[EspModeRow]:
    yield EspModeRow("null", 11, None, 0, 0, 0, 0, _Null, "NULL", "RFC 2410")
    # fmt: off
    for bits in (128, 192, 256):
        aes, key = f"aes{bits}", bits // 8
        #                name       id  bits  key    salt iv icv keyed
        yield EspModeRow(f"{aes}ctr", 13, bits, key + 4, 4, 8, 0, _Ctr, "AES-CTR", "RFC 3686")
        for esp_id, icv in ((14, 8), (15, 12), (16, 16)):
            yield EspModeRow(f"{aes}ccm{icv}", esp_id, bits, key + 3, 3, 8, icv,
                             partial(_Ccm, icv), f"AES-CCM-{icv}", "RFC 4309")
        for esp_id, icv in ((18, 8), (19, 12), (20, 16)):
            yield EspModeRow(f"{aes}gcm{icv}", esp_id, bits, key + 4, 4, 8, icv,
                             _gcm(icv), f"AES-GCM-{icv}", "RFC 4106")
        yield EspModeRow(f"{aes}gmac", 23, bits, key + 4, 4, 8, _FULL_TAG,
                         _Gmac, "AES-GMAC", "RFC 4543")
    # fmt: on


ESP_MODES = {row.name: row for row in _rows()}
"""Every transform by its name."""
