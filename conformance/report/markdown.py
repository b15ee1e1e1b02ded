"""A run as a Markdown summary, for a README or the log of a continuous integration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.report.view import Count, Entry, View


def markdown(view: View) -> str:
    """Totals, the grid of pairings, and every cell that failed, broke or stayed open."""
    parts = [
        f"# Interoperability matrix of {_text(view.started or view.run.id)}",
        f"{view.totals.total} cells: {_counted(view.totals)}.",
        _table(["initiator \\ responder", *view.peers], _grid(view)),
    ]
    if view.trouble:
        rows = [_trouble(entry) for entry in view.trouble]
        parts += ["## What did not pass", _table(["", "cell", "why", "looks like"], rows)]
    if view.findings:
        found = [
            f"- [`{entry.cell.id}`]({entry.href}): {_text(entry.reason)}" for entry in view.findings
        ]
        parts += ["## Works although not declared", "\n".join(found)]
    return "\n\n".join(parts) + "\n"


def _grid(view: View) -> list[list[str]]:
    return [
        [
            f"**{_text(initiator)}**",
            *(_counted(view.pairing(initiator, responder)) for responder in view.peers),
        ]
        for initiator in view.peers
    ]


def _trouble(entry: Entry) -> list[str]:
    fault = entry.triangulation.fault if entry.triangulation else None
    link = f"[`{entry.cell.id}`]({entry.href})"
    return [f"{entry.look.symbol} {entry.look.name}", link, _text(entry.reason), _text(fault or "")]


def _counted(count: Count | None) -> str:
    if count is None:
        return ""
    return ", ".join(f"{number} {look.name}" for look, number in count.looks)


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """``text`` on one line, with what Markdown or HTML would take for markup escaped."""
    one_line = " ".join(text.split())
    marked = "".join(f"\\{letter}" if letter in "\\`*_[]|#" else letter for letter in one_line)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
