"""What was seen in a cell, what follows from it, and where it is kept."""

from __future__ import annotations

from conformance.record.records import (
    ChildSa,
    Divergence,
    EndState,
    IkeSa,
    Judgement,
    Observation,
    Record,
    Traffic,
    Verdict,
    WireNotify,
    make_record,
)
from conformance.record.store import Run
from conformance.record.verdicts import exit_status, judge

__all__ = [
    "ChildSa",
    "Divergence",
    "EndState",
    "IkeSa",
    "Judgement",
    "Observation",
    "Record",
    "Run",
    "Traffic",
    "Verdict",
    "WireNotify",
    "exit_status",
    "judge",
    "make_record",
]
