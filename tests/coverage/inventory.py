"""The protocol inventory: every code point and feature of IKEv1, one row each (inventory.toml)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.coverage.names import NAMES

PATH = Path(__file__).with_name("inventory.toml")
STATES = {"yes": "yes", "named": "named", "refused": "refused"}
"""What the reference does with a row: speaks it, prints it and goes on, or refuses it."""


class UnknownRowError(LookupError):
    """A row id that the inventory lacks."""


@dataclass(frozen=True, slots=True)
class Row:
    """One code point or feature."""

    id: str
    """``<kind>:<code>``, as markers name it."""
    name: str
    source: str
    """The document, and where in it."""
    note: str
    """Why no daemon proves it, or why it goes without an implementation; may be empty."""
    state: str
    """A key of STATES."""

    @property
    def code(self) -> str:
        """The id without its kind."""
        return self.id.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one registry."""

    title: str
    kind: str
    rows: tuple[Row, ...]


def _row(section: dict[str, Any], row: dict[str, Any]) -> Row:
    code = str(row["code"])
    return Row(
        id=f"{section['kind']}:{code}",
        name=row.get("name", code),
        source=row.get("source", section["source"]),
        note=row.get("note", section.get("note", "")),
        state=STATES[row.get("state", "yes")],
    )


def load(path: Path = PATH) -> tuple[Section, ...]:
    """The sections of an inventory file, in order; KeyError for what a row lacks."""
    return tuple(
        Section(one["title"], one["kind"], tuple(_row(one, row) for row in one["rows"]))
        for one in tomllib.loads(path.read_text("utf-8"))["sections"]
    )


SECTIONS = load()
ROWS = {row.id: row for section in SECTIONS for row in section.rows}
"""Every row by its id."""


def row_id(text: str) -> str:
    """The id of a row that is named by its code or by a word of the suite (``cipher:aes128``).

    Raises UnknownRowError.
    """
    if text in ROWS:
        return text
    kind, _, word = text.partition(":")
    found = f"{kind}:{NAMES.get(kind, {}).get(word)}"
    if found not in ROWS:
        raise UnknownRowError(f"the inventory has no row {text!r}")
    return found
