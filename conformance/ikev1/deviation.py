"""What a deviation is: one MUST that is broken on purpose, at the seams of an outgoing message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from conformance.ikev1.payloads import Payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.constants import ExchangeType

Payloads = tuple[Payload, ...]


class Position(NamedTuple):
    """Which message of which exchange; the first is number 1."""

    exchange: ExchangeType
    number: int


@dataclass(frozen=True, slots=True)
class Deviation:
    """One misbehaviour: the seams it does not touch stay as they are."""

    name: str
    must: str
    """The requirement that it breaks, with its source."""
    positions: tuple[Position, ...]
    payloads: Callable[[Payloads], Payloads] | None = None
    """Changes the payloads before they are written (and, in phase 2, hashed)."""
    plain: Callable[[bytes], bytes] | None = None
    """Changes the payload chain before it is encrypted."""
    wire: Callable[[bytes], bytes] | None = None
    """Changes the datagram."""
    parts: Callable[[list[bytes]], list[bytes]] | None = None
    """Changes the fragments that a large datagram is sent as."""


def flip(data: bytes, index: int) -> bytes:
    """The data with the lowest bit of one octet inverted."""
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)
