"""What tests proved, as JSON that several runs add to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PASSED = "passed"
"""The one outcome that proves anything."""

Proof = tuple[str, str]
"""The id of a row, and by what it is proven: ``self``, ``vector``, a peer in its role."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one test, and what it proves where it passed."""

    test: str
    """The node id."""
    outcome: str
    proofs: frozenset[Proof]

    @property
    def place(self) -> tuple[str, str]:
        """The file from the root of the project, and the function."""
        path, _, rest = self.test.partition("::")
        return path, rest.partition("[")[0]


def read(path: Path) -> dict[str, Result]:
    """The results by test; none where there is no file yet."""
    if not path.exists():
        return {}
    return {
        test: Result(test, one["outcome"], frozenset((row, by) for row, by in one["proofs"]))
        for test, one in json.loads(path.read_text("utf-8"))["tests"].items()
    }


def add(path: Path, results: Iterable[Result]) -> None:
    """Write results over those of the same tests in the file; the others stay."""
    merged = read(path) | {result.test: result for result in results}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"tests": _plain(merged)}, indent=1, sort_keys=True) + "\n")


def _plain(results: Mapping[str, Result]) -> dict[str, Any]:
    return {
        test: {"outcome": one.outcome, "proofs": sorted(one.proofs)}
        for test, one in results.items()
    }


def proven(results: Iterable[Result]) -> dict[str, dict[str, list[Result]]]:
    """Row -> by what -> the tests that passed, those that prove fewest rows first."""
    table: dict[str, dict[str, list[Result]]] = {}
    for result in sorted(results, key=lambda one: (len(one.proofs), one.test)):
        for row, by in result.proofs if result.outcome == PASSED else ():
            table.setdefault(row, {}).setdefault(by, []).append(result)
    return table
