"""One wording for a name that is not known: what was given, the nearest match, all valid ones."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from conformance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable


def unknown(kind: str, name: str, known: Iterable[str], where: str = "") -> UserError:
    """The error for a ``name`` that is no known ``kind``; ``where`` says in which input it is."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    prefix = f"{where}: " if where else ""
    return UserError(f"{prefix}unknown {kind} {name!r}", f"{guess}Known: {', '.join(names)}.")
