"""Extended authentication: a user's answers to a gateway (draft-beaulieu-ike-xauth-02).

```
                                    <--  HDR*, HASH, ATTR(REQUEST: user name, password)
HDR*, HASH, ATTR(REPLY: the same)   -->
                                    <--  HDR*, HASH, ATTR(SET: status)
HDR*, HASH, ATTR(ACK: status)       -->
```
REQUEST and REPLY may repeat, for further questions or for another try.
"""

from __future__ import annotations

import hmac
from hashlib import md5
from typing import TYPE_CHECKING

from conformance.ikev1 import one_time
from conformance.ikev1.mode_config import NUMBERS, Values
from conformance.ikev1.settings import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.payloads import Configuration
    from conformance.ikev1.policies import XauthPolicy, XauthRound

TYPES = {"generic": 0, "radius-chap": 1, "otp": 2, "s-key": 3}
"""XAUTH-TYPE by name (draft-beaulieu-ike-xauth-02 6.3)."""
OK, FAIL = b"\0\1", b"\0\0"
"""XAUTH-STATUS."""
USER, PASSWORD = NUMBERS["xauth-user-name"], NUMBERS["xauth-user-password"]
TYPE, CHALLENGE = NUMBERS["xauth-type"], NUMBERS["xauth-challenge"]
MESSAGE, STATUS = NUMBERS["xauth-message"], NUMBERS["xauth-status"]
_CHAP_SIZE = 17
_ANSWERS = (
    "xauth-user-name",
    "xauth-user-password",
    "xauth-passcode",
    "xauth-domain",
    "xauth-next-pin",
    "xauth-answer",
)
"""What a gateway may ask for (6.2)."""
_NAMED = ("xauth-user-name", "xauth-user-password")


def chap_response(identifier: int, password: bytes, challenge: bytes) -> bytes:
    """ID | MD5(ID | password | challenge), draft-beaulieu-ike-xauth-02 A-8, RFC 1994 4.1."""
    head = bytes([identifier])
    return head + md5(head + password + challenge, usedforsecurity=False).digest()


# -- the gateway -------------------------------------------------------------------------------


def question(asked: XauthRound, challenge: bytes) -> Values:
    """What the gateway asks for in one round; generic goes without a challenge (6.2)."""
    values: Values = (("xauth-type", TYPES[asked.kind].to_bytes(2)),)
    if asked.message:
        values += (("xauth-message", asked.message),)
    if asked.kind != "generic":
        values += (("xauth-challenge", challenge),)
    return values + tuple((name, b"") for name in asked.asks)


def gives_up(reply: Configuration) -> bool:
    """Whether the user cannot answer: any XAUTH-STATUS in a REPLY means FAIL (6.2)."""
    return reply.value(STATUS) is not None


def told(reply: Configuration, asked: XauthRound) -> Values:
    """The answers of a round but for the user's name and password."""
    values = ((name, reply.value(NUMBERS[name])) for name in asked.asks if name not in _NAMED)
    return tuple((name, value) for name, value in values if value)


def accepts(
    reply: Configuration,
    asked: XauthRound,
    challenge: bytes,
    user: bytes,
    users: tuple[tuple[bytes, bytes], ...],
) -> bool:
    """Whether a reply answers a round, the password being that of the user or of who it names.

    Every comparison takes constant time. A missing type means generic.
    """
    kind = int.from_bytes(reply.value(TYPE) or b"")
    given = [reply.value(NUMBERS[name]) for name in asked.asks]
    if kind != TYPES[asked.kind] or gives_up(reply) or not all(given):
        return False
    good = all(
        hmac.compare_digest(expected, reply.value(NUMBERS[name]) or b"")
        for name, expected in asked.expects
    )
    if "xauth-user-password" not in asked.asks:
        return good
    password = dict(users).get(reply.value(USER) or user)
    proves = _proves(asked.kind, password or b"", challenge, reply.value(PASSWORD) or b"")
    return good and proves and password is not None


def _proves(kind: str, password: bytes, challenge: bytes, proof: bytes) -> bool:
    expected: dict[str, Callable[[], bytes | None]] = {
        "generic": lambda: password,
        "radius-chap": lambda: chap_response(proof[0], password, challenge),
        "otp": lambda: one_time.response(password, challenge),
        "s-key": lambda: one_time.response(password, challenge),
    }
    if kind == "radius-chap" and len(proof) != _CHAP_SIZE:
        return False
    want = expected[kind]()
    if want is None:
        return False
    if kind in _ONE_TIME:
        want, proof = one_time.normal(want), one_time.normal(proof)
    return hmac.compare_digest(want, proof)


_ONE_TIME = ("otp", "s-key")


# -- the user ----------------------------------------------------------------------------------


def message_of(configuration: Configuration) -> str:
    """What the gateway wants the user to read; may be empty."""
    return text_of(configuration.value(MESSAGE) or b"")


def answer(request: Configuration, policy: XauthPolicy, identifier: int) -> Values:
    """The user's answer to all that is asked for, or FAIL where it cannot be given (6.1, 6.2)."""
    kind, given = request.value(TYPE), {one.type for one in request.attributes}
    known = {"xauth-user-name": policy.user, **dict(policy.answers)}
    if proof := _proof(request, policy.password, identifier):
        known["xauth-user-password"] = proof
    asked = [name for name in _ANSWERS if NUMBERS[name] in given]
    echo: Values = () if kind is None else (("xauth-type", kind),)
    if not asked or not all(known.get(name) for name in asked):
        return (*echo, ("xauth-status", FAIL))
    return (*echo, *((name, known[name]) for name in asked))


def _proof(request: Configuration, password: bytes, identifier: int) -> bytes | None:
    """The value of the password attribute; None where kind or challenge is unknown to us."""
    challenge = request.value(CHALLENGE) or b""
    proofs: dict[int, Callable[[], bytes | None]] = {
        TYPES["generic"]: lambda: password,
        TYPES["radius-chap"]: lambda: chap_response(identifier, password, challenge),
        TYPES["otp"]: lambda: one_time.response(password, challenge),
        TYPES["s-key"]: lambda: one_time.response(password, challenge),
    }
    proof = proofs.get(int.from_bytes(request.value(TYPE) or b""))
    return proof() if proof else None
