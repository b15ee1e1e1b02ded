"""strongSwan's names of algorithms, as vici lists them, and the suite's levels for them."""

from __future__ import annotations

CIPHERS = {
    ("AES_CBC", "128"): "aes128",
    ("AES_CBC", "192"): "aes192",
    ("AES_CBC", "256"): "aes256",
    ("3DES_CBC", ""): "3des",
    ("DES_CBC", ""): "des",
    ("CAST_CBC", "128"): "cast128",
    ("BLOWFISH_CBC", "128"): "blowfish128",
    ("BLOWFISH_CBC", "192"): "blowfish192",
    ("BLOWFISH_CBC", "256"): "blowfish256",
    ("CAMELLIA_CBC", "128"): "camellia128",
    ("CAMELLIA_CBC", "192"): "camellia192",
    ("CAMELLIA_CBC", "256"): "camellia256",
}
"""(name, key bits) -> level of ``cipher``; in proposals strongSwan's keywords are our levels."""

HASHES = {
    "HMAC_MD5_96": "md5",
    "HMAC_SHA1_96": "sha1",
    "HMAC_SHA2_256_128": "sha256",
    "HMAC_SHA2_384_192": "sha384",
    "HMAC_SHA2_512_256": "sha512",
}
"""vici names IKEv1's hash by the integrity algorithm it stands for."""

SIGNATURES = {
    "RSA_EMSA_PKCS1_NULL": ("rsa-sig",),
    "ECDSA_WITH_NULL": ("ecdsa-256", "ecdsa-384", "ecdsa-521"),
}
"""What charon logs of the other end's signature -> the levels of ``auth`` it may stand for."""

GROUPS = {
    **{f"MODP_{bits}": f"modp{bits}" for bits in (768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)},
    "MODP_1024_160": "modp1024s160",
    "MODP_2048_224": "modp2048s224",
    "MODP_2048_256": "modp2048s256",
    **{f"ECP_{bits}": f"ecp{bits}" for bits in (192, 224, 256, 384, 521)},
    **{f"ECP_{bits}_BP": f"ecp{bits}bp" for bits in (224, 256, 384, 512)},
}
"""Name -> level of ``group`` and ``pfs``."""
