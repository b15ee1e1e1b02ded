"""A run of the data plane as one page: grids of transforms, and what did not pass and why."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.matrix.data_plane import (
    DIRECTIONS,
    KERNEL,
    SHAPES,
    DataCell,
)
from conformance.record.records import Verdict
from conformance.record.store import write_atomically
from conformance.report.html import templates
from conformance.report.layouts import LAYOUTS, Layout
from conformance.report.view import LOOKS, Look

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from conformance.record.data_plane import DataRecord, DataRun

_MEANINGS = {
    "pass": "Every packet arrived as it was sent, or what must be dropped was, for its reason.",
    "fail": "An end did not send, deliver or drop what the RFC has it send, deliver or drop.",
    "unsupported": "The kernel did not take the SA; the reason is in its own words.",
    "error": "The suite's own side broke; this says nothing about the ends.",
    "not run": "The run has not come to this cell.",
}
_TROUBLE = (Verdict.FAIL, Verdict.ERROR)
_NUMBER = re.compile(r"\b\d{2,}\b")
_SHOWN = 12
"""Cells that a card names; the others are counted."""


def write_data_report(run: DataRun) -> Path:
    """Write the run's page, then let ``results/data-plane/latest`` point at the run."""
    page = run.folder / "index.html"
    write_atomically(page, data_page(DataView(run)).encode("utf-8"))
    run.publish()
    return page


def data_page(view: DataView) -> str:
    """The page as text."""
    return templates().get_template("data_plane.html").render(view=view)


class Mark(NamedTuple):
    """One cell of a grid: its look and what is to be said of it."""

    look: Look
    title: str


class Row(NamedTuple):
    """One row of a grid."""

    title: str
    marks: list[Mark | None]


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells arranged: rows in groups, columns by direction, shape and sequence numbers."""

    name: str
    title: str
    lead: str
    shapes: Sequence[tuple[str, str]]
    esn: Sequence[str]
    groups: dict[str, list[Row]]
    count: int


class Count(NamedTuple):
    """How often each verdict occurs."""

    looks: list[tuple[Look, int]]
    total: int


class Group(NamedTuple):
    """Cells that did not pass for the same reason."""

    look: Look
    reason: str
    requirement: str
    cells: list[tuple[DataCell, DataRecord]]

    @property
    def shown(self) -> list[tuple[DataCell, DataRecord]]:
        """The first ones."""
        return self.cells[:_SHOWN]

    @property
    def directions(self) -> list[str]:
        """The directions in which it happens."""
        return [one for one in DIRECTIONS if any(cell.direction == one for cell, _ in self.cells)]

    @property
    def cases(self) -> list[str]:
        """The cases in which it happens."""
        return list(dict.fromkeys(cell.case for cell, _ in self.cells))


@dataclass(frozen=True)
class DataView:
    """A run arranged for reading."""

    run: DataRun

    @cached_property
    def records(self) -> dict[str, DataRecord]:
        """By cell."""
        return self.run.records()

    @cached_property
    def kernel(self) -> str:
        """The name of the kernel as a peer."""
        return str(self.run.environment.get("peer", KERNEL))

    @cached_property
    def totals(self) -> Count:
        """All verdicts."""
        return self._count(self.run.plan.cells)

    @cached_property
    def directions(self) -> list[tuple[str, Count, Count]]:
        """For each direction, the verdicts of its positive and of its negative cells."""
        return [
            (
                self.words(direction),
                self._count(one for one in cells if not one.is_negative),
                self._count(one for one in cells if one.is_negative),
            )
            for direction in DIRECTIONS
            if (cells := [one for one in self.run.plan.cells if one.direction == direction])
        ]

    @cached_property
    def seconds(self) -> float:
        """What all cells took together."""
        return sum(record.seconds for record in self.records.values())

    @cached_property
    def packets(self) -> int:
        """Packets that arrived as they were sent."""
        return sum(len(record.sizes) for record in self.records.values())

    @cached_property
    def looks(self) -> list[tuple[Look, str]]:
        """The legend."""
        return [(LOOKS[name], meaning) for name, meaning in _MEANINGS.items()]

    @cached_property
    def grids(self) -> list[Grid]:
        """Those that have cells in this run."""
        grids = [self._grid(layout) for layout in LAYOUTS]
        return [grid for grid in grids if grid.count]

    @cached_property
    def trouble(self) -> list[Group]:
        """What did not pass, grouped by reason, the largest groups first."""
        return self._groups(_TROUBLE)

    @cached_property
    def refusals(self) -> list[Group]:
        """What the kernel did not take, in its own words."""
        return self._groups((Verdict.UNSUPPORTED,))

    @cached_property
    def environment(self) -> list[tuple[str, Any]]:
        """Where it ran."""
        facts = self.run.environment
        return [(name, value) for name, value in facts.items() if not isinstance(value, dict)]

    def words(self, direction: str) -> str:
        """A direction as people read it, with the kernel's name."""
        return direction.replace("-to-", " → ").replace(KERNEL, self.kernel)

    def _count(self, cells: Iterable[DataCell]) -> Count:
        counts = Counter(self._look(cell).name for cell in cells)
        looks = [(look, counts[look.name]) for look in LOOKS.values() if counts[look.name]]
        return Count(looks, counts.total())

    def _look(self, cell: DataCell) -> Look:
        record = self.records.get(cell.id)
        return LOOKS[record.verdict if record else "not run"]

    def _grid(self, layout: Layout) -> Grid:
        cells = [cell for cell in self.run.plan.cells if layout.holds(cell)]
        shapes = [
            shape for shape in SHAPES if any((cell.mode, cell.family) == shape for cell in cells)
        ]
        esn = [one for one in ("no", "yes") if any(cell.esn == one for cell in cells)]
        places = {
            (direction, *shape, each): number
            for number, (direction, shape, each) in enumerate(
                (direction, shape, each)
                for direction in DIRECTIONS
                for shape in shapes
                for each in esn
            )
        }
        groups: dict[str, dict[str, list[Mark | None]]] = {}
        for cell in cells:
            rows = groups.setdefault(layout.group(cell), {})
            marks = rows.setdefault(layout.row(cell), [None] * len(places))
            place = places[cell.direction, cell.mode, cell.family, cell.esn]
            marks[place] = self._mark(cell)
        made = {
            name: [Row(title, marks) for title, marks in rows.items()]
            for name, rows in groups.items()
        }
        return Grid(layout.name, layout.title, layout.lead, shapes, esn, made, len(cells))

    def _mark(self, cell: DataCell) -> Mark:
        record, look = self.records.get(cell.id), self._look(cell)
        return Mark(look, f"{cell.id}: {record.reason if record else look.name}")

    def _groups(self, verdicts: Sequence[Verdict]) -> list[Group]:
        found: dict[tuple[str, ...], Group] = {}
        for cell in self.run.plan.cells:
            record = self.records.get(cell.id)
            if record is None or record.verdict not in verdicts:
                continue
            key = (record.verdict, _NUMBER.sub("#", record.reason), record.requirement)
            group = Group(LOOKS[record.verdict], record.reason, record.requirement, [])
            found.setdefault(key, group).cells.append((cell, record))
        return sorted(found.values(), key=lambda group: -len(group.cells))
