"""What proves the transforms from outside: published vectors, and scapy under its own names."""

from __future__ import annotations

import json
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH, ESP
from scapy.layers.ipsec import SecurityAssociation as Oracle

from conformance.ipsec.esp import authenticate, seal, seal_padded
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.packet import parse_packet
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from conftest import MakeSa

    from conformance.ipsec.packet import Packet
    from conformance.ipsec.sad import SecurityAssociation

Case = dict[str, Any]

VECTORS = Path(__file__).parents[2] / "vectors"
PACKETS = ("ipsec/rfc3602.json", "ipsec/rfc4196.json")
"""Whole IP packets."""
PAYLOADS = ("ipsec/gcm_esp.json",)
"""Whole ESP payloads."""
PLAIN_CIPHERS = (
    "crypto/published_ciphers.json",
    "crypto/ciphers.json",
    "crypto/rfc2410.json",
    "crypto/rfc3602.json",
    "crypto/rfc3686.json",
    "crypto/rfc4196.json",
)
"""Ciphers without integrity: what a packet encrypts."""
COMBINED = ("crypto/gcm.json", "crypto/nist_gcm.json", "crypto/nist_ccm.json")
"""Combined modes, whose associated data are no ESP header."""
MAC_FILES = (
    "crypto/rfc2202.json",
    "crypto/rfc2286.json",
    "crypto/rfc4231.json",
    "crypto/macs.json",
    "crypto/wycheproof_gmac.json",
    "crypto/fips113.json",
)
"""Integrity algorithms; where key and length allow, their data are read as an ESP packet."""
CUT_OF = {"sha256_96": "sha256"}
"""A MAC without vectors of its own, and the one that it is the start of."""
LEAST_ESP = 10
"""SPI, sequence number, pad length and next header."""


@cache
def load(*files: str) -> list[Case]:
    """The cases of vector files that are of a transform, each with its row and document."""
    found = []
    for name in files:
        read = json.loads((VECTORS / name).read_text("utf-8"))
        source = read["source"]
        for case in read.get("cases") or read["packets"]:
            row = next(case[key] for key in ("transform", "cipher", "mac", "hash") if key in case)
            document = case.get("verified_by") or case.get("document") or source["document"]
            if row in ENCRYPTION or row in INTEGRITY:
                found.append(case | {"row": row, "document": document})
    return found


def id_of(case: Case) -> str:
    """A readable id."""
    return "-".join(str(case[key]) for key in ("row", "document", "case") if key in case)


def octets(case: Case, *names: str) -> list[bytes]:
    """Fields of a case; empty where the case lacks one."""
    return [bytes.fromhex(case.get(name, "")) for name in names]


# Vectors.


def carried(payload: bytes) -> Ipv4Packet:
    """A packet with ESP in it."""
    return Ipv4Packet(IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"), 50, payload)


def payload_sa(case: Case, make_sa: MakeSa) -> SecurityAssociation:
    """The SA of a case that is a whole ESP payload."""
    key, salt = octets(case, "key", "salt")
    return make_sa(
        spi=int(case["spi"], 16),
        mode="transport",
        cipher=case["row"],
        encryption_key=key + salt,
        integrity="none",
        esn=case["esn"],
    )


def payload_holds(case: Case, make_sa: MakeSa) -> bool:
    """Whether ESP makes the published payload of the plaintext, and the plaintext of it."""
    sa, sequence = payload_sa(case, make_sa), int(case["sequence"], 16)
    plain, iv, published = octets(case, "plaintext", "iv", "packet")
    if seal(sa, plain, case["next_header"], sequence, iv) != published:
        return False
    return authenticate(sa, carried(published), sequence).startswith(plain)


def cipher_holds(case: Case, make_sa: MakeSa) -> bool:
    """Whether ESP encrypts and decrypts a case of a cipher that has no ICV."""
    key, salt, iv, plain, sealed, ciphertext = octets(
        case, "key", "salt", "iv", "plaintext", "sealed", "ciphertext"
    )
    sa = make_sa(cipher=case["row"], encryption_key=key + salt, integrity="sha1")
    payload = seal_padded(sa, plain, 1, iv)
    published = iv + sealed + ciphertext
    return payload[8:-12] == published and authenticate(sa, carried(payload), 1) == plain


def combined_holds(case: Case) -> bool:
    """Whether a combined mode seals and opens a case."""
    key, salt, iv, plain, aad, sealed = octets(
        case, "key", "salt", "iv", "plaintext", "associated", "sealed"
    )
    keyed = ENCRYPTION[case["row"]].keyed(key + salt)
    return keyed.encrypt(iv, plain, aad) == sealed and keyed.decrypt(iv, sealed, aad) == plain


def mac_holds(case: Case, make_sa: MakeSa) -> bool:
    """Whether a MAC, and ESP with it where the case is a packet, has the ICV of a case."""
    row = INTEGRITY[case["row"]]
    key, salt, iv, data, digest = octets(case, "key", "salt", "iv", "data", "digest")
    icv = bytes.fromhex(case.get("icv") or case.get("digest_96") or "")
    computed = row.keyed(key + salt).compute(iv + data)
    size = min(len(computed), len(digest))
    if computed != icv if icv else computed[:size] != digest[:size]:
        return False
    return not fits_esp(case) or _esp_holds(row.name, key, data, computed, make_sa)


def fits_esp(case: Case) -> bool:
    """Whether the data can be read as SPI, sequence number and what NULL encrypts."""
    row, (key, data) = INTEGRITY[case["row"]], octets(case, "key", "data")
    return len(key) == row.key_size and len(data) >= LEAST_ESP and not row.ah_only


def _esp_holds(name: str, key: bytes, data: bytes, icv: bytes, make_sa: MakeSa) -> bool:
    spi, sequence, padded = int.from_bytes(data[:4]), int.from_bytes(data[4:8]), data[8:]
    sa = make_sa(spi=spi, cipher="null", integrity=name, integrity_key=key)
    if seal_padded(sa, padded, sequence, b"") != data + icv:
        return False
    return authenticate(sa, carried(data + icv), sequence) == padded


# Scapy.

SCAPY_FAMILIES = {
    "null": "NULL",
    "des": "DES",
    "3des": "3DES",
    "cast": "CAST",
    "blowfish": "Blowfish",
    "aes": "AES-CBC",
    "aesctr": "AES-CTR",
    "aesccm": "AES-CCM",
    "aesgcm": "AES-GCM",
    "aesgmac": "AES-NULL-GMAC",
}
"""A cipher's name without numbers, and scapy's for it."""
SCAPY_MACS = {
    "none": "NULL",
    "md5": "HMAC-MD5-96",
    "sha1": "HMAC-SHA1-96",
    "sha256": "SHA2-256-128",
    "sha384": "SHA2-384-192",
    "sha512": "SHA2-512-256",
    "aescmac": "AES-CMAC-96",
}
"""Integrity algorithms, and scapy's names for them."""
SHORT_GCM = frozenset(f"aes{bits}gcm{icv}" for bits in (128, 192, 256) for icv in (8, 12))
"""Scapy's GCM has whole tags alone."""


def family_of(name: str) -> str:
    """A cipher's name without key and tag lengths."""
    first = name[0] if name[0].isdigit() else ""
    return first + "".join(letter for letter in name if letter.isalpha())


SCAPY_CIPHERS = {
    name: SCAPY_FAMILIES[family_of(name)]
    for name in ENCRYPTION
    if family_of(name) in SCAPY_FAMILIES and name not in SHORT_GCM
}
"""Every cipher that scapy has, each key length, and scapy's name for it."""


def header_of(sa: SecurityAssociation) -> IP | IPv6:
    """Scapy's class of the SA's packets."""
    return IP if isinstance(sa.source, IPv4Address) else IPv6


def oracle_of(sa: SecurityAssociation, high: int = 0, *, in_udp: bool = False) -> Oracle:
    """Scapy's SA; high is the high half of its sequence numbers."""
    ends = {"src": str(sa.source), "dst": str(sa.destination)}
    cipher = ENCRYPTION.get(sa.cipher)
    encryption = {} if cipher is None else {
        "crypt_algo": SCAPY_CIPHERS[sa.cipher],
        "crypt_key": sa.encryption_key,
        "crypt_icv_size": cipher.icv_size or None,
    }  # fmt: skip
    return Oracle(
        AH if cipher is None else ESP,
        spi=sa.spi,
        auth_algo=SCAPY_MACS[sa.integrity],
        auth_key=sa.integrity_key,
        tunnel_header=header_of(sa)(**ends) if sa.mode == "tunnel" else None,
        nat_t_header=UDP(sport=4500, dport=4500) if in_udp else None,
        esn_en=sa.esn,
        esn=high,
        **encryption,
    )


def theirs(sa: SecurityAssociation, inner: Packet, sequence: int, iv: bytes = b"") -> Packet:
    """The packet that scapy makes."""
    high, low = divmod(sequence, 2**32)
    packet = header_of(sa)(inner.build())
    wire = oracle_of(sa, high).encrypt(packet, seq_num=low, iv=iv or None, esn=high)
    return parse_packet(bytes(wire))
