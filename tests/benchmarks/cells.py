"""What a cell of the lab costs, and where: the medians of a run's cells for each pairing.

    ipsec-conformance matrix --at-once 1 --results build/cells
    python tests/benchmarks/cells.py build/cells/latest

One cell at a time: otherwise each waits for the others. The handshake's own time is what an
initiator needs to establish both SAs; all else is the suite's.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from conformance.record import Run, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.record import Record

HANDSHAKE = "negotiate"
STEPS = ("configure", HANDSHAKE, "traffic", "observe", "teardown", "cleanup")
GOALS = {True: 0.5, False: 1.0}
"""Whether the reference initiates -> seconds that a cell may cost beyond its handshake."""


def beyond(record: Record) -> float:
    """Seconds that a cell cost beyond its handshake; its share of loading connections included."""
    return record.seconds + record.split["configure"] - record.split[HANDSHAKE]


def of_runs(folders: Sequence[Path]) -> list[Record]:
    """The passed cells of these runs that wait for no event."""
    records = [record for folder in folders for record in Run.open(folder).records()]
    return [
        record
        for record in records
        if record.verdict is Verdict.PASS and record.combination["event"] == "none"
    ]


def table(records: Sequence[Record]) -> Table:
    """One line for each pairing: medians in seconds."""
    made = Table("pairing", "cells", *STEPS, "beyond", "goal", box=None, header_style="bold")
    by_pairing: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        by_pairing[record.initiator.peer, record.responder.peer].append(record)
    for (initiator, responder), cells in sorted(by_pairing.items()):
        steps = (f"{median(cell.split.get(step, 0.0) for cell in cells):.3f}" for step in STEPS)
        cost, goal = median(map(beyond, cells)), GOALS[initiator == "reference"]
        met = f"{goal} {'met' if cost < goal else 'MISSED'}"
        made.add_row(f"{initiator} to {responder}", str(len(cells)), *steps, f"{cost:.3f}", met)
    return made


if __name__ == "__main__":
    found = of_runs([Path(name) for name in sys.argv[1:]])
    Console(highlight=False, width=140).print(table(found), f"{len(found)} passed cells", sep="\n")
