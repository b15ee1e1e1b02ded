"""A run arranged for reading: totals, the grid of pairings, the matrix, and what failed and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.matrix.factors import FACTORS, combination_id
from conformance.record.notifies import ERRORS, notify_name
from conformance.record.records import Record, Verdict
from conformance.record.triangulate import Triangulation, triangulate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from conformance.matrix.factors import Combination
    from conformance.matrix.plan import Cell
    from conformance.record.store import Run


class Look(NamedTuple):
    """How a verdict is shown: never by colour alone."""

    name: str
    symbol: str
    meaning: str


LOOKS: dict[str, Look] = {
    look.name: look
    for look in (
        Look(
            "pass", "✓", "Both ends hold the SAs asked for, and protected traffic passed both ways."
        ),
        Look("fail", "✗", "A peer did not do what it claims, or the two ends do not agree."),
        Look("unsupported", "○", "A peer does not claim it, and refused it."),
        Look("inconclusive", "?", "Time ran out or something was not read: no proof either way."),
        Look("error", "!", "The suite's own side broke; this says nothing about the peers."),
        Look("not run", "·", "The run has not come to this cell."),
    )
}
"""In the order of legends and totals."""

_TROUBLE = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)
_PHASES = (
    ("IKE", ("exchange", "auth", "cipher", "hash", "group")),
    ("ESP", ("protocol", "esp_cipher", "esp_integrity", "mode", "pfs")),
)
_NAMED = (
    *("esn", "family", "certificates", "mode_config", "fragmentation", "nat", "lifetime", "event"),
)
"""Factors whose level says nothing without their name; the plain one goes without saying."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell of the plan with its record, if it has one."""

    cell: Cell
    record: Record | None
    triangulation: Triangulation | None

    @property
    def look(self) -> Look:
        """How its verdict is shown."""
        return LOOKS[self.record.verdict if self.record else "not run"]

    @property
    def href(self) -> str:
        """The cell's page, relative to the run's."""
        return f"cells/{self.cell.id}/index.html"

    @property
    def reason(self) -> str:
        """The record's reason."""
        return self.record.reason if self.record else self.look.meaning

    @property
    def title(self) -> str:
        """The cell in words, for a reader who does not see the table."""
        levels = " ".join(self.cell.combination.values())
        pairing = f"{self.cell.initiator} to {self.cell.responder}"
        return f"{pairing}, {levels}: {self.look.name}. {self.reason}"

    @property
    def error_notifies(self) -> list[str]:
        """The error notifies of the cell, in order, each named once."""
        if self.record is None:
            return []
        ends = (self.record.initiator, self.record.responder)
        named = [notify.name for notify in self.record.wire_notifies]
        named += [name for end in ends for name in end.notifies]
        spelled = map(notify_name, named)
        return list(dict.fromkeys(name for name in spelled if name in ERRORS))


@dataclass(frozen=True, slots=True)
class Group:
    """Cells of one combination that came to the same verdict for the same cause."""

    entries: tuple[Entry, ...]
    """In the order of the plan; at least one."""

    @property
    def first(self) -> Entry:
        """The cell whose words stand for all."""
        return self.entries[0]

    @property
    def record(self) -> Record:
        """The first cell's record."""
        if self.first.record is None:
            raise ValueError("a group is made of cells that ran")
        return self.first.record

    @property
    def faults(self) -> list[str]:
        """The peers whose fault it looks like, each named once."""
        found = [entry.triangulation for entry in self.entries]
        return list(dict.fromkeys(item.fault for item in found if item and item.fault))

    @property
    def diverges_beyond_reason(self) -> bool:
        """Whether there is a diverging value that the reason does not give already."""
        found = self.record.divergence
        return found is not None and not (
            found.expected in self.record.reason and found.got in self.record.reason
        )


@dataclass(frozen=True, slots=True)
class Count:
    """How many cells of a set have which verdict."""

    looks: tuple[tuple[Look, int], ...]
    """The verdicts that occur, in legend order."""
    total: int


@dataclass(frozen=True)
class View:
    """Everything the pages show of one run."""

    run: Run
    entries: tuple[Entry, ...]
    """Every cell of the plan, in the plan's order."""

    @classmethod
    def of(cls, run: Run) -> View:
        """Read the run's records and hold each failing one against the others."""
        records = {record.cell: record for record in run.records()}
        return cls(run, tuple(_entries(run.plan.cells, records)))

    @cached_property
    def totals(self) -> Count:
        """The verdicts of all cells."""
        return _count(self.entries)

    @cached_property
    def trouble(self) -> list[Entry]:
        """What failed first, then what broke, then what stayed open."""
        return [
            entry
            for verdict in _TROUBLE
            for entry in self.entries
            if entry.record and entry.record.verdict is verdict
        ]

    @cached_property
    def groups(self) -> list[Group]:
        """`trouble` with the cells together that have combination, verdict and cause in common."""
        found: dict[tuple[str, ...], list[Entry]] = {}
        for entry in self.trouble:
            found.setdefault(_cause(entry), []).append(entry)
        return [Group(tuple(entries)) for entries in found.values()]

    @cached_property
    def findings(self) -> list[Entry]:
        """What works although it is not declared."""
        return [
            entry
            for entry in self.entries
            if entry.record and entry.record.undeclared and entry.record.verdict is Verdict.PASS
        ]

    @cached_property
    def peers(self) -> list[str]:
        """Every peer of the run, in the order of the pairings."""
        return list(dict.fromkeys(name for pair in self.run.plan.pairings for name in pair))

    @cached_property
    def versions(self) -> dict[str, str]:
        """What each peer's running daemon said its version is."""
        records = [entry.record for entry in self.entries if entry.record]
        ends = [end for record in records for end in (record.initiator, record.responder)]
        return {end.peer: end.version for end in ends}

    def pairing(self, initiator: str, responder: str) -> Count | None:
        """The verdicts of one pairing; None where it is not planned."""
        pair = (initiator, responder)
        found = [entry for entry in self.entries if entry.cell.pairing == pair]
        return _count(found) if found else None

    @cached_property
    def columns(self) -> list[tuple[str, list[str]]]:
        """The initiators, each with its responders: the two header rows of the matrix."""
        initiators = dict.fromkeys(initiator for initiator, _ in self.run.plan.pairings)
        return [(name, [b for a, b in self.run.plan.pairings if a == name]) for name in initiators]

    @cached_property
    def rows(self) -> list[tuple[Combination, list[Entry | None]]]:
        """The combinations, each with its cells in the order of the columns; None is not planned.

        A device out there cannot be made to begin with everything that it answers.
        """
        found = {
            (entry.cell.pairing, combination_id(entry.cell.combination)): entry
            for entry in self.entries
        }
        pairs = [(initiator, name) for initiator, names in self.columns for name in names]
        return [
            (row, [found.get((pair, combination_id(row))) for pair in pairs])
            for row in self.run.plan.combinations
        ]

    @cached_property
    def constants(self) -> dict[str, str]:
        """The factors that have one level in the whole run: said once, not in every row."""
        rows = self.run.plan.combinations
        return {
            factor.title: rows[0][factor.name]
            for factor in FACTORS
            if len({row[factor.name] for row in rows}) == 1
        }

    def brief(self, combination: Combination) -> list[tuple[str, list[str]]]:
        """A combination by phase, without the factors that never vary in a run of several rows."""
        keep_all = len(self.run.plan.combinations) == 1
        titles = {factor.name: factor.title for factor in FACTORS}
        plain = {factor.name: factor.plain for factor in FACTORS}
        named = [
            f"{titles[name].lower()} {combination[name]}"
            for name in _NAMED
            if combination[name] != plain[name]
        ]
        phases = [
            (
                phase,
                [
                    f"pfs {combination[name]}" if name == "pfs" else combination[name]
                    for name in names
                    if keep_all or titles[name] not in self.constants
                ],
            )
            for phase, names in _PHASES
        ]
        return [*phases, ("and", named)] if named else phases

    @cached_property
    def environment(self) -> list[tuple[str, str]]:
        """Where it ran, nested facts flattened to dotted names."""
        return list(_flat(self.run.environment))

    @cached_property
    def started(self) -> str:
        """When the run started, for reading: UTC to the minute."""
        text = str(self.run.environment.get("started", ""))
        return f"{datetime.fromisoformat(text).astimezone(UTC):%d %B %Y, %H:%M} UTC" if text else ""

    @cached_property
    def seconds(self) -> float:
        """The seconds that the cells took together."""
        return sum(entry.record.seconds for entry in self.entries if entry.record)


def _entries(cells: Iterable[Cell], records: Mapping[str, Record]) -> Iterator[Entry]:
    for cell in cells:
        record = records.get(cell.id)
        yield Entry(cell, record, triangulate(record, records.values()) if record else None)


def _cause(entry: Entry) -> tuple[str, ...]:
    divergence = entry.record.divergence if entry.record else None
    cause = divergence.name if divergence else entry.reason
    return entry.look.name, combination_id(entry.cell.combination), cause


def _count(entries: Iterable[Entry]) -> Count:
    numbers = Counter(entry.look for entry in entries)
    looks = tuple((look, numbers[look]) for look in LOOKS.values() if numbers[look])
    return Count(looks, numbers.total())


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
