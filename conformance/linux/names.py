"""The Linux kernel's names of algorithms and protocols (`net/xfrm/xfrm_algo.c` of Linux 6.1).

Some are of algorithms that it has not, as it would form them: it is asked, and refuses in its own
words.
"""

from __future__ import annotations

_AES_OCTETS = {bits: bits // 8 for bits in (128, 192, 256)}

CIPHERS = {
    **{
        (f"cbc({name})", octets): f"{name}{bits}"
        for name in ("aes", "camellia", "serpent", "twofish")
        for bits, octets in _AES_OCTETS.items()
    },
    **{("cbc(blowfish)", bits // 8): f"blowfish{bits}" for bits in range(40, 449, 8)},
    **{("cbc(cast5)", bits // 8): f"cast{bits}" for bits in range(40, 129, 8)},
    **{("rfc3686(ctr(aes))", octets + 4): f"aes{bits}ctr" for bits, octets in _AES_OCTETS.items()},
    ("cbc(des3_ede)", 24): "3des",
    ("cbc(des)", 8): "des",
    ("ecb(cipher_null)", 0): "null",
    ("cbc(idea)", 16): "idea",
    ("cbc(rc5)", 16): "rc5",
    ("cbc(seed)", 16): "seed128",
}
"""(kernel name, octets of key and salt) -> level of ``esp_cipher``."""

_COMBINED_MODES = (
    # kernel name, salt, ICVs, the name of the level behind the key length
    ("rfc4309(ccm(aes))", 3, {64: "ccm8", 96: "ccm12", 128: "ccm16"}),
    ("rfc4106(gcm(aes))", 4, {64: "gcm8", 96: "gcm12", 128: "gcm16"}),
    ("rfc4543(gcm(aes))", 4, {128: "gmac"}),
)
COMBINED = {
    (name, octets + salt, icv): f"aes{bits}{mode}"
    for name, salt, icvs in _COMBINED_MODES
    for icv, mode in icvs.items()
    for bits, octets in _AES_OCTETS.items()
}
"""(kernel name, octets of key and salt, ICV bits) -> level of ``esp_cipher``."""

INTEGRITIES = {
    ("hmac(md5)", 96): "md5",
    ("hmac(sha1)", 96): "sha1",
    ("hmac(sha256)", 128): "sha256",
    ("hmac(sha256)", 96): "sha256_96",
    ("hmac(sha384)", 192): "sha384",
    ("hmac(sha512)", 256): "sha512",
    ("hmac(rmd160)", 96): "ripemd160",
    ("xcbc(aes)", 96): "aesxcbc",
    ("cmac(aes)", 96): "aescmac",
}
"""(kernel name, ICV bits) -> level of ``esp_integrity``."""

PROTOCOLS = {"ah": "ah", "esp": "esp", "comp": "ipcomp"}
"""The kernel's name -> the suite's, outermost first as they stand in a packet."""

_CIPHER_NAMES = {
    **{level: name for (name, _), level in CIPHERS.items()},
    **{level: name for (name, _, _), level in COMBINED.items()},
}
# The name of GMAC for AH is the one that it has for ESP.
_INTEGRITY_NAMES = {
    **{level: name for (name, _), level in INTEGRITIES.items()},
    **{f"aes{bits}gmac": "rfc4543(gcm(aes))" for bits in _AES_OCTETS},
}


def cipher_name(level: str) -> str:
    """What the kernel calls a level of ``esp_cipher``; the level itself where it has no name."""
    return _CIPHER_NAMES.get(level, level)


def integrity_name(level: str) -> str:
    """What the kernel calls a level of ``esp_integrity``; the level where it has no name."""
    return _INTEGRITY_NAMES.get(level, level)
