"""The options of an IPv4 header (RFC 791 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ipsec.ip import require

if TYPE_CHECKING:
    from collections.abc import Iterator

_END, _NO_OPERATION = 0, 1
_COPIED = 0x80
_WORD = 4


def options_of(octets: bytes) -> Iterator[bytes]:
    """Every option whole, the padding behind the end of the list with it.

    Raises MalformedPacketError where an option's length is wrong.
    """
    while octets:
        if octets[0] == _NO_OPERATION:
            size = 1
        elif octets[0] == _END:
            size = len(octets)
        else:
            require(len(octets) > 1 and 1 < octets[1] <= len(octets), "IPv4 option's length")
            size = octets[1]
        yield octets[:size]
        octets = octets[size:]


def copied(octets: bytes) -> bytes:
    """The options that every fragment repeats, padded (RFC 791 3.1)."""
    kept = b"".join(option for option in options_of(octets) if option[0] & _COPIED)
    return kept + bytes(-len(kept) % _WORD)
