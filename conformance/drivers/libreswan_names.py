"""Pluto's names of algorithms: keywords in its configuration, and what its status shows."""

from __future__ import annotations

HASHES = {
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha2_256",
    "sha384": "sha2_384",
    "sha512": "sha2_512",
    "aesxcbc": "aes_xcbc",
    "none": "null",
}
"""Level of ``hash`` and ``esp_integrity`` -> keyword; where none is here, our level is."""

ESP_CIPHERS = {
    **{f"aes{bits}ctr": f"aes_ctr{bits}" for bits in (128, 192, 256)},
    **{
        f"aes{bits}{mode}{icv}": f"aes_{mode}_{icv}_{bits}"
        for bits in (128, 192, 256)
        for mode in ("ccm", "gcm")
        for icv in (8, 12, 16)
    },
    **{f"aes{bits}gmac": f"null_auth_aes_gmac_{bits}" for bits in (128, 192, 256)},
}
"""Level of ``esp_cipher`` -> keyword, where they differ."""

GROUPS = {"ecp256": "dh19", "ecp384": "dh20", "ecp521": "dh21"}
"""Level of ``group`` -> keyword, where they differ."""

AUTHBY = {
    "psk": "secret",
    "rsa-sig": "rsasig",
    **dict.fromkeys(("ecdsa-256", "ecdsa-384", "ecdsa-521"), "ecdsa"),
}
"""Level of ``auth`` -> keyword."""

AUTHS = {"PRESHARED_KEY": "psk", "RSA_SIG": "rsa-sig"}
"""What pluto logs of an established ISAKMP SA -> level of ``auth``."""

STATUS_CIPHERS = {
    **{f"AES_CBC_{bits}": f"aes{bits}" for bits in (128, 192, 256)},
    **{f"CAMELLIA_CBC_{bits}": f"camellia{bits}" for bits in (128, 192, 256)},
    "3DES_CBC_192": "3des",
}
STATUS_HASHES = {
    "HMAC_MD5": "md5",
    "HMAC_SHA1": "sha1",
    "HMAC_SHA2_256": "sha256",
    "HMAC_SHA2_384": "sha384",
    "HMAC_SHA2_512": "sha512",
}
STATUS_GROUPS = {
    **{f"MODP{bits}": f"modp{bits}" for bits in (1024, 1536, 2048, 3072, 4096, 6144, 8192)},
    "DH19": "ecp256",
    "DH20": "ecp384",
    "DH21": "ecp521",
}
"""Names in ``whack --status`` -> levels."""

WITHOUT_WORDS = {
    ("esn", "yes"): "pluto passes over esn= with IKEv1",
    ("lifetime", "kilobytes"): "pluto has no option for a lifetime in kilobytes",
}
"""(factor, level) -> why pluto cannot be asked for it."""

UNABLE_TO_BEGIN = {
    ("libreswan-4.3", "event", "rekey-bytes"): "this pluto has no option for a limit in octets",
}
"""(peer, factor, level) -> why this version of pluto cannot be asked for it where it begins."""

ABORTING = {
    (peer, "esp_cipher", f"aes{bits}gmac"): "pluto derives GMAC's keys without salt and then aborts"
    for peer in ("libreswan-4.3", "libreswan-4.10")
    for bits in (128, 192, 256)
}
"""(peer, factor, level) -> why this version of pluto is not asked for it; see docs/findings.md."""
