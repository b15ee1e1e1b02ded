"""Explicit congestion notification through tunnels (RFC 6040, RFC 4301 5.1.2.1, RFC 3168 9.1)."""

from __future__ import annotations

from typing import Literal, NamedTuple

NOT_ECT, ECT_1, ECT_0, CE = 0b00, 0b01, 0b10, 0b11
"""The codepoints of the ECN field (RFC 3168 5)."""
ECN_MASK = 0b11
"""The ECN field within the type of service or traffic class."""

Ingress = Literal["normal", "compatibility", "rfc3168"]
"""``rfc3168`` begins anew at each tunnel, as Linux does; the others are RFC 6040 4.1's."""
Egress = Literal["rfc6040", "rfc4301", "limited"]
"""``rfc4301`` drops nothing, as Linux; ``limited`` hears nothing (RFC 3168 9.1, RFC 2401)."""


class Leaving(NamedTuple):
    """What becomes of a packet that leaves a tunnel."""

    ecn: int | None
    """The ECN field it goes on with; None where it is dropped."""
    alarm: Literal["", "possibly dangerous", "always potentially dangerous"] = ""
    """Whether no tunnel makes this combination, which SHOULD be logged (RFC 6040 4.2)."""


_INGRESS: dict[Ingress, tuple[int, int, int, int]] = {  # RFC 6040 Figure 3
    # the inner field: NOT_ECT    ECT_1    ECT_0    CE
    "normal":        (NOT_ECT,   ECT_1,   ECT_0,   CE),
    "compatibility": (NOT_ECT,   NOT_ECT, NOT_ECT, NOT_ECT),
    "rfc3168":       (NOT_ECT,   ECT_1,   ECT_0,   ECT_0),
}  # fmt: skip

_Row = tuple[Leaving, Leaving, Leaving, Leaving]


def _row(*codepoints: int) -> _Row:
    first, second, third, fourth = map(Leaving, codepoints)
    return first, second, third, fourth


def _bad(codepoint: int | None) -> Leaving:
    return Leaving(codepoint, "always potentially dangerous")


def _odd(codepoint: int) -> Leaving:
    return Leaving(codepoint, "possibly dangerous")


_EGRESS: dict[Egress, dict[int, _Row]] = {
    # the outer field:  NOT_ECT           ECT_1           ECT_0           CE
    "rfc6040": {  # Figure 4
        NOT_ECT: (Leaving(NOT_ECT), _bad(NOT_ECT),  _bad(NOT_ECT),  _bad(None)),
        ECT_0:   (Leaving(ECT_0),   Leaving(ECT_1), Leaving(ECT_0), Leaving(CE)),
        ECT_1:   (Leaving(ECT_1),   Leaving(ECT_1), _odd(ECT_1),    Leaving(CE)),
        CE:      (Leaving(CE),      _bad(CE),       Leaving(CE),    Leaving(CE)),
    },
    "rfc4301": {
        NOT_ECT: _row(NOT_ECT, NOT_ECT, NOT_ECT, NOT_ECT),
        ECT_0:   _row(ECT_0, ECT_0, ECT_0, CE),
        ECT_1:   _row(ECT_1, ECT_1, ECT_1, CE),
        CE:      _row(CE, CE, CE, CE),
    },
    "limited": {inner: _row(*[inner] * 4) for inner in (NOT_ECT, ECT_1, ECT_0, CE)},
}  # fmt: skip


def entering(inner: int, mode: Ingress = "normal") -> int:
    """The outer ECN field around a packet with this inner one (RFC 6040 4.1)."""
    return _INGRESS[mode][inner]


def leaving(inner: int, outer: int, mode: Egress = "rfc6040") -> Leaving:
    """What becomes of a packet with these two ECN fields (RFC 6040 4.2)."""
    return _EGRESS[mode][inner][outer]
