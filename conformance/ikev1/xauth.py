"""Extended authentication: a user's answer to a gateway (draft-beaulieu-ike-xauth-02).

```
                                    <--  HDR*, HASH, ATTR(REQUEST: user name, password)
HDR*, HASH, ATTR(REPLY: the same)   -->
                                    <--  HDR*, HASH, ATTR(SET: status)
HDR*, HASH, ATTR(ACK: status)       -->
```
"""

from __future__ import annotations

import hmac
from hashlib import md5
from typing import TYPE_CHECKING

from conformance.ikev1.mode_config import NUMBERS, Values

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.payloads import Configuration

TYPES = {"generic": 0, "radius-chap": 1, "otp": 2}
"""XAUTH-TYPE by name (draft-beaulieu-ike-xauth-02 6.3)."""
OK, FAIL = b"\0\1", b"\0\0"
"""XAUTH-STATUS."""
_OTP_SIZE = 8
_MOST_OTP_ROUNDS = 9999
_CHAP_SIZE = 17


def chap_response(identifier: int, password: bytes, challenge: bytes) -> bytes:
    """ID | MD5(ID | password | challenge), draft-beaulieu-ike-xauth-02 A-8, RFC 1994 4.1."""
    head = bytes([identifier])
    return head + md5(head + password + challenge, usedforsecurity=False).digest()


def _fold(digest: bytes) -> bytes:
    pairs = zip(digest[:_OTP_SIZE], digest[_OTP_SIZE:], strict=True)
    return bytes(one ^ other for one, other in pairs)


def otp_response(password: bytes, challenge: bytes) -> bytes | None:
    """The one-time password for "otp-md5 <count> <seed>" in hexadecimal groups.

    RFC 2289 6 and Appendix A; None for a challenge of another form or of too many rounds.
    """
    words = challenge.split()
    if len(words) < 3 or words[0] != b"otp-md5" or not words[1].isdigit():  # noqa: PLR2004
        return None
    if len(words[1]) > len(str(_MOST_OTP_ROUNDS)):
        return None
    value = _fold(md5(words[2].lower() + password, usedforsecurity=False).digest())
    for _ in range(int(words[1])):
        value = _fold(md5(value, usedforsecurity=False).digest())
    return b" ".join(value.hex().encode()[index : index + 4] for index in range(0, 16, 4))


def question(kind: str, challenge: bytes) -> Values:
    """What the gateway asks for; generic goes without a challenge (6.2)."""
    values = (("xauth-user-name", b""), ("xauth-user-password", b""))
    asked = (("xauth-type", TYPES[kind].to_bytes(2)), *values)
    return asked if kind == "generic" else (*asked, ("xauth-challenge", challenge))


def answer(request: Configuration, user: bytes, password: bytes, identifier: int) -> Values:
    """The user's answer, or FAIL where the kind or its challenge is unknown to us (6.2)."""
    given, challenge = request.value(NUMBERS["xauth-type"]), request.value(CHALLENGE) or b""
    kind = int.from_bytes(given or b"")
    proofs: dict[int, Callable[[], bytes | None]] = {
        TYPES["generic"]: lambda: password,
        TYPES["radius-chap"]: lambda: chap_response(identifier, password, challenge),
        TYPES["otp"]: lambda: otp_response(password, challenge),
    }
    proof = proofs[kind]() if kind in proofs else None
    echo = () if given is None else (("xauth-type", given),)
    if proof is None:
        return (*echo, ("xauth-status", FAIL))
    return (*echo, ("xauth-user-name", user), ("xauth-user-password", proof))


def accepts(
    reply: Configuration, kind: str, challenge: bytes, users: tuple[tuple[bytes, bytes], ...]
) -> bool:
    """Whether a reply proves one of the users; the comparison takes constant time."""
    given = reply.value(NUMBERS["xauth-type"])
    user, proof = reply.value(NUMBERS["xauth-user-name"]), reply.value(PASSWORD)
    if given is None or int.from_bytes(given) != TYPES[kind] or proof is None:
        return False
    password = dict(users).get(user or b"")
    expected = _expected(kind, password or b"", challenge, proof)
    return hmac.compare_digest(expected, proof) and password is not None


def _expected(kind: str, password: bytes, challenge: bytes, proof: bytes) -> bytes:
    if kind == "radius-chap":
        return chap_response(proof[0], password, challenge) if len(proof) == _CHAP_SIZE else b""
    return password if kind == "generic" else otp_response(password, challenge) or b"\0"


CHALLENGE, PASSWORD = NUMBERS["xauth-challenge"], NUMBERS["xauth-user-password"]
"""The attributes that never belong into a transcript, and what they answer."""
