"""One-time passwords that XAUTH asks for: OTP (RFC 2289) and S/KEY (RFC 1760)."""

from __future__ import annotations

from hashlib import md5, sha1
from typing import TYPE_CHECKING

from conformance.crypto.md4 import md4

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE = 8
_MOST_ROUNDS = 9999
_WORDS = 3
"""Algorithm, count and seed; what follows them are extensions (RFC 2243 3)."""


def _fold(digest: bytes) -> bytes:
    """The two halves of 16 octets, added modulo 2."""
    return bytes(one ^ other for one, other in zip(digest[:_SIZE], digest[_SIZE:], strict=True))


def _md4(data: bytes) -> bytes:
    return _fold(md4(data))


def _md5(data: bytes) -> bytes:
    return _fold(md5(data, usedforsecurity=False).digest())


def _sha1(data: bytes) -> bytes:
    """Five words into two, each little-endian (RFC 2289 Appendix A)."""
    digest = sha1(data, usedforsecurity=False).digest()
    words = [int.from_bytes(digest[at : at + 4]) for at in range(0, 20, 4)]
    folded = (words[0] ^ words[2] ^ words[4], words[1] ^ words[3])
    return b"".join(word.to_bytes(4, "little") for word in folded)


_ALGORITHMS: dict[bytes, Callable[[bytes], bytes]] = {
    b"otp-md4": _md4,
    b"otp-md5": _md5,
    b"otp-sha1": _sha1,
    b"s/key": _md4,
}


def response(passphrase: bytes, challenge: bytes) -> bytes | None:
    """The one-time password for "<algorithm> <count> <seed>" in hexadecimal groups.

    None for a challenge of another form or of too many rounds.
    """
    words = challenge.split()
    if len(words) < _WORDS or words[0] not in _ALGORITHMS or not words[1].isdigit():
        return None
    if len(words[1]) > len(str(_MOST_ROUNDS)):
        return None
    step = _ALGORITHMS[words[0]]
    value = step(words[2].lower() + passphrase)
    for _ in range(int(words[1])):
        value = step(value)
    return b" ".join(value.hex().encode()[index : index + 4] for index in range(0, 16, 4))


def normal(password: bytes) -> bytes:
    """A one-time password without what does not count in it: white space and case (RFC 2289 6)."""
    return b"".join(password.split()).lower()
