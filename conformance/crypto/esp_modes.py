"""The transforms that ESP alone has: counter mode, the combined modes, and NULL.

RFC 2410 (NULL), RFC 3686 (CTR), RFC 4106 (GCM), RFC 4309 (CCM), RFC 4543 (GMAC).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    seal: Callable[[bytes, bytes, bytes, bytes], bytes]
    """(key | salt, iv, plaintext, associated data) -> ciphertext | ICV."""
    open: Callable[[bytes, bytes, bytes, bytes], bytes | None]
    """(key | salt, iv, ciphertext | ICV, associated data) -> plaintext; None for a bad ICV."""
    title: str
    """The name of the transform, as transcripts show it."""
    source: str
    """The RFC that defines it."""
    block_size: int = 1


class Nonce(NamedTuple):
    """Keying material taken apart, and the nonce made of salt and IV."""

    key: bytes
    nonce: bytes

    @classmethod
    def of(cls, material: bytes, iv: bytes, salt_size: int) -> Nonce:
        """The salt is the end of the material (RFC 4106 8.1, RFC 4309 7.1, RFC 3686 5.1)."""
        at = len(material) - salt_size
        return cls(material[:at], material[at:] + iv)


def _ctr(material: bytes, iv: bytes, data: bytes, _: bytes) -> bytes:
    """The same both ways; the block counter begins at 1 (RFC 3686 4)."""
    key, nonce = Nonce.of(material, iv, 4)
    encryptor = Cipher(AES(key), modes.CTR(nonce + _FIRST_BLOCK)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def _seal_gcm(icv_size: int) -> Callable[[bytes, bytes, bytes, bytes], bytes]:
    def seal(material: bytes, iv: bytes, plain: bytes, aad: bytes) -> bytes:
        key, nonce = Nonce.of(material, iv, 4)
        return AESGCM(key).encrypt(nonce, plain, aad)[: len(plain) + icv_size]

    return seal


def _open_gcm(icv_size: int) -> Callable[[bytes, bytes, bytes, bytes], bytes | None]:
    def open_(material: bytes, iv: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        key, nonce = Nonce.of(material, iv, 4)
        at = len(sealed) - icv_size
        mode = modes.GCM(nonce, sealed[at:], min_tag_length=icv_size)
        decryptor = Cipher(AES(key), mode).decryptor()
        decryptor.authenticate_additional_data(aad)
        try:
            return decryptor.update(sealed[:at]) + decryptor.finalize()
        except InvalidTag:
            return None

    return open_


def _seal_ccm(icv_size: int) -> Callable[[bytes, bytes, bytes, bytes], bytes]:
    def seal(material: bytes, iv: bytes, plain: bytes, aad: bytes) -> bytes:
        key, nonce = Nonce.of(material, iv, 3)
        return AESCCM(key, icv_size).encrypt(nonce, plain, aad)

    return seal


def _open_ccm(icv_size: int) -> Callable[[bytes, bytes, bytes, bytes], bytes | None]:
    def open_(material: bytes, iv: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        key, nonce = Nonce.of(material, iv, 3)
        try:
            return AESCCM(key, icv_size).decrypt(nonce, sealed, aad)
        except InvalidTag:
            return None

    return open_


def aes_gmac(material: bytes, iv: bytes, data: bytes) -> bytes:
    """The 16 octets of the MAC; material is the key and 4 octets of salt (RFC 4543 2)."""
    key, nonce = Nonce.of(material, iv, 4)
    return AESGCM(key).encrypt(nonce, b"", data)


def _seal_gmac(material: bytes, iv: bytes, plain: bytes, aad: bytes) -> bytes:
    # The IV is authenticated, as Figure 4 of RFC 4543 and all who speak GMAC have it.
    return plain + aes_gmac(material, iv, aad + iv + plain)


def _open_gmac(material: bytes, iv: bytes, sealed: bytes, aad: bytes) -> bytes | None:
    plain = sealed[: len(sealed) - _FULL_TAG]
    opened = _open_gcm(_FULL_TAG)(material, iv, sealed[len(plain) :], aad + iv + plain)
    return None if opened is None else plain


def _same(_key: bytes, _iv: bytes, data: bytes, _aad: bytes) -> bytes:
    return data


def _rows() -> Iterator[EspModeRow]:
    yield EspModeRow("null", 11, None, 0, 0, 0, 0, _same, _same, "NULL", "RFC 2410")
    # fmt: off
    for bits in (128, 192, 256):
        aes, key = f"aes{bits}", bits // 8
        #                name       id  bits  key    salt iv icv seal  open
        yield EspModeRow(f"{aes}ctr", 13, bits, key + 4, 4, 8, 0, _ctr, _ctr, "AES-CTR", "RFC 3686")
        for esp_id, icv in ((14, 8), (15, 12), (16, 16)):
            yield EspModeRow(f"{aes}ccm{icv}", esp_id, bits, key + 3, 3, 8, icv,
                             _seal_ccm(icv), _open_ccm(icv), f"AES-CCM-{icv}", "RFC 4309")
        for esp_id, icv in ((18, 8), (19, 12), (20, 16)):
            yield EspModeRow(f"{aes}gcm{icv}", esp_id, bits, key + 4, 4, 8, icv,
                             _seal_gcm(icv), _open_gcm(icv), f"AES-GCM-{icv}", "RFC 4106")
        yield EspModeRow(f"{aes}gmac", 23, bits, key + 4, 4, 8, _FULL_TAG,
                         _seal_gmac, _open_gmac, "AES-GMAC", "RFC 4543")
    # fmt: on


ESP_MODES = {row.name: row for row in _rows()}
"""Every transform by its name."""
