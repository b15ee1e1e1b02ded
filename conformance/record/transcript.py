"""A negotiation as a ladder of text: who sent which message, and what it held (RFC 2408 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WIDTH = 76
_INDENT = " " * 9


@dataclass(frozen=True, slots=True)
class Message:
    """One message on the wire, decoded and, where keys allow, decrypted."""

    seconds: float
    """Since the cell started."""
    sender: Literal["initiator", "responder"]
    """Who sent it."""
    exchange: str
    """The exchange and the place in it, e.g. ``Main Mode 1``."""
    payloads: Sequence[str]
    """The payloads in the RFC's notation, e.g. ``HDR*``, ``HASH``."""
    details: Sequence[str] = ()
    """A line for everything worth reading in them."""
    requirement: str = ""
    """What the step rests on, e.g. ``RFC 2409 5.4``."""


def ladder(initiator: str, responder: str, messages: Iterable[Message]) -> str:
    """The ladder as text: a rung for each message, its details below it."""
    gap = _WIDTH - len(initiator) - len(responder)
    head = f"{_INDENT}{initiator}{' ' * max(gap, 3)}{responder}\n"
    rungs = ["\n".join(_rung(message)) for message in messages]
    return head + "\n".join(rungs or [f"{_INDENT}no message was seen"]) + "\n"


def _rung(message: Message) -> list[str]:
    requirement = f"  [{message.requirement}]" if message.requirement else ""
    title = f" {message.exchange}: {', '.join(message.payloads)}{requirement} "
    line = title.center(_WIDTH - 4, "-")
    arrow = f"|-{line}>|" if message.sender == "initiator" else f"|<{line}-|"
    return [
        f"{message.seconds:8.3f} {arrow}",
        *(f"{_INDENT}|  {detail}" for detail in message.details),
    ]
