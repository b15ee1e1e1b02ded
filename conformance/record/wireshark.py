"""The keys of a cell as a Wireshark configuration folder, so that tshark decrypts its capture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "wireshark"
"""The folder's name in a cell's evidence; ``WIRESHARK_CONFIG_DIR`` points at it."""


@dataclass(frozen=True, slots=True)
class IkeKey:
    """What opens the encrypted messages of one ISAKMP SA."""

    cookie_initiator: bytes
    """8 octets."""
    key: bytes
    """The encryption key Ka (RFC 2409 appendix B), as long as the cipher wants it."""

    def __repr__(self) -> str:
        return f"IkeKey({self.cookie_initiator.hex()})"


@dataclass(frozen=True, slots=True, kw_only=True)
class EspKey:
    """What opens and checks the packets of one one-way SA, be it of ESP, AH or IPComp."""

    protocol: str = "esp"
    """``esp``, ``ah`` or ``ipcomp``."""
    mode: str = "tunnel"
    """``tunnel`` or ``transport``: of this SA, where several are used together."""
    source: str
    """The outer source address."""
    destination: str
    """The outer destination address."""
    spi: int
    """The SPI in the packets."""
    cipher: str
    """A level of the factor ``esp_cipher``."""
    key: bytes
    """The cipher's key, with the salt behind it where the cipher has one."""
    integrity: str
    """A level of the factor ``esp_integrity``."""
    integrity_key: bytes
    """The integrity algorithm's key."""
    esn: bool = False
    """Whether sequence numbers have 64 bits (RFC 4304)."""

    def __repr__(self) -> str:
        return f"EspKey({self.source} > {self.destination}, {self.spi:#010x})"


_CIPHERS = {
    **dict.fromkeys(("aes128", "aes192", "aes256"), "AES-CBC [RFC3602]"),
    **dict.fromkeys(("aes128ctr", "aes192ctr", "aes256ctr"), "AES-CTR [RFC3686]"),
    **dict.fromkeys(("twofish128", "twofish256"), "TWOFISH-CBC"),
    "3des": "TripleDES-CBC [RFC2451]",
    "des": "DES-CBC [RFC2405]",
    "cast128": "CAST5-CBC [RFC2144]",
    "blowfish128": "BLOWFISH-CBC [RFC2451]",
    "null": "NULL",
    **{
        f"aes{bits}gcm{icv}": f"AES-GCM with {icv} octet ICV [RFC4106]"
        for bits in (128, 192, 256)
        for icv in (8, 12, 16)
    },
}
"""Level of ``esp_cipher`` -> Wireshark's name; others it cannot open."""
_INTEGRITY = {
    "none": "NULL",
    "md5": "HMAC-MD5-96 [RFC2403]",
    "sha1": "HMAC-SHA-1-96 [RFC2404]",
    "sha256": "HMAC-SHA-256-128 [RFC4868]",
    "sha384": "HMAC-SHA-384-192 [RFC4868]",
    "sha512": "HMAC-SHA-512-256 [RFC4868]",
}
"""Level of ``esp_integrity`` -> Wireshark's name; others it cannot check."""
_PREFERENCES = """\
esp.enable_encryption_decode: TRUE
esp.enable_authentication_check: TRUE
esp.enable_null_encryption_decode_heuristic: FALSE
"""


def configuration(ike: Iterable[IkeKey], esp: Iterable[EspKey]) -> dict[str, bytes]:
    """The files of the configuration folder by path relative to the cell's folder."""
    tables = {
        "ikev1_decryption_table": [_ike_row(key) for key in ike],
        "esp_sa": [_esp_row(key) for key in esp if _can_open(key)],
    }
    files = {name: "".join(f"{row}\n" for row in rows) for name, rows in tables.items()}
    files["preferences"] = _PREFERENCES
    return {f"{FOLDER}/{name}": text.encode("ascii") for name, text in files.items()}


def _ike_row(key: IkeKey) -> str:
    return f"{key.cookie_initiator.hex()},{key.key.hex()}"


def _can_open(key: EspKey) -> bool:
    """Whether Wireshark has the algorithms; its rows know nothing of the upper half of ESN."""
    known = key.cipher in _CIPHERS and key.integrity in _INTEGRITY
    return key.protocol == "esp" and known and not key.esn


def _esp_row(key: EspKey) -> str:
    family = "IPv6" if ":" in key.source else "IPv4"
    columns = (
        family,
        key.source,
        key.destination,
        f"{key.spi:#010x}",
        _CIPHERS[key.cipher],
        _hex(key.key),
        _INTEGRITY[key.integrity],
        _hex(key.integrity_key),
    )
    return ",".join(f'"{column}"' for column in columns)


def _hex(key: bytes) -> str:
    return f"0x{key.hex()}" if key else ""
