"""A peer's claims beside what was observed, as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from conformance.record.claims import Agreement
from conformance.record.observed import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.record.claims import Held

_STYLES = {
    Agreement.AGREES: "green",
    Agreement.FAILS: "bold red",
    Agreement.WORKS: "bold yellow",
    Agreement.OPEN: "yellow",
}
_COUNTED = {
    Agreement.AGREES: "agree",
    Agreement.FAILS: "declared but fail",
    Agreement.WORKS: "undeclared but work",
    Agreement.OPEN: "inconclusive",
}


def claims_table(held: Sequence[Held]) -> Table:
    """A row for each factor and role: how many agree, and by name what does not."""
    columns = ["factor", "role", *(f"[{style}]{one}[/]" for one, style in _STYLES.items())]
    table = Table(*columns, box=None, header_style="bold")
    for factor, role in dict.fromkeys((one.factor, one.role) for one in held):
        ours = [one for one in held if (one.factor, one.role) == (factor, role)]
        agreeing = [one for one in ours if one.agreement is Agreement.AGREES]
        named = [_levels(ours, kind) for kind in list(_STYLES)[1:]]
        table.add_row(factor, role, str(len(agreeing)), *named)
    return table


def _levels(held: Iterable[Held], kind: Agreement) -> str:
    return " ".join(one.level for one in held if one.agreement is kind)


def disagreements(held: Iterable[Held]) -> list[str]:
    """A line for each level that must be spoken of: what was seen, and what explains it."""
    return [
        f"[{_STYLES[one.agreement]}]{one.agreement}[/] {one.factor}={one.level} as {one.role}"
        f"{_beside(one)}: {escape(one.seen.reason or 'it works')}"
        f"{f' [dim]known: {escape(one.explanation)}[/]' if one.explanation else ''}"
        for one in held
        if one.agreement is not Agreement.AGREES
    ]


def unasked(held: Iterable[Held]) -> list[str]:
    """A line for each reason for which levels could not even be asked for."""
    reasons: dict[str, dict[str, None]] = {}
    for one in held:
        if one.seen.outcome is Outcome.UNASKED:
            reasons.setdefault(one.seen.reason, {})[f"{one.factor}={one.level}"] = None
    return [
        f"[dim]cannot be asked[/] {' '.join(levels)}: {escape(reason)}"
        for reason, levels in reasons.items()
    ]


def _beside(held: Held) -> str:
    return f" with {held.seen.beside}" if held.seen.beside else ""


def summary(held: Sequence[Held]) -> str:
    """How many levels came to what, in one line."""
    counts = Counter("explained" if one.explanation else _COUNTED[one.agreement] for one in held)
    order = (*_COUNTED.values(), "explained")
    return ", ".join(f"{counts[name]} {name}" for name in order if counts[name])


def fact(held: Held) -> dict[str, Any]:
    """One level as an object, for ``--json``."""
    return {
        "role": held.role,
        "factor": held.factor,
        "level": held.level,
        "claimed": held.claimed,
        "outcome": held.seen.outcome,
        "agreement": held.agreement,
        "beside": held.seen.beside,
        "reason": held.seen.reason,
        "explanation": held.explanation,
    }
