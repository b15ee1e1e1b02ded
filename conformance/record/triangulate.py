"""Whose fault a failing cell looks like, from the other cells of the same combination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.matrix.factors import combination_id
from conformance.record.records import Record, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REFERENCE = "reference"
"""The name of the peer that the others are held against."""


@dataclass(frozen=True, slots=True)
class Triangulation:
    """Whose fault it looks like, and why."""

    fault: str | None
    """A peer's name; None where the other cells do not tell."""
    why: str
    """One sentence that names the cells it rests on."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one peer did in the other cells of the combination."""

    peer: str
    passed: tuple[str, ...]
    """The pairings that passed, as ``a → b``."""
    failed: tuple[str, ...]
    """The pairings that failed."""

    @property
    def label(self) -> str:
        """``bad`` where it fails elsewhere and passes nowhere, ``good`` the other way round."""
        match bool(self.passed), bool(self.failed):
            case True, False:
                return "good"
            case False, True:
                return "bad"
        return "unclear"

    def sentence(self) -> str:
        """The pairings in words."""
        parts = [
            f"{verb} in {', '.join(pairings)}"
            for verb, pairings in (("passes", self.passed), ("fails", self.failed))
            if pairings
        ]
        return f"{self.peer} {' and '.join(parts) or 'has no other verdict to compare with'}"


def triangulate(record: Record, records: Iterable[Record]) -> Triangulation | None:
    """Hold a failing cell A, B against A with A, B with B and both with the reference.

    None for a cell that did not fail. Pure and made when a page is: records are never rewritten.
    """
    if record.verdict is not Verdict.FAIL:
        return None
    verdicts = _of_combination(record, records)
    peers = list(dict.fromkeys(record.pairing))
    standings = [_standing(peer, record.pairing, verdicts) for peer in peers]
    why = "; ".join(standing.sentence() for standing in standings)
    if len(peers) == 1:
        return Triangulation(peers[0], f"it fails with itself; {why}")
    return Triangulation(_fault(record, standings), why)


def _fault(record: Record, standings: list[Standing]) -> str | None:
    """The one peer that does badly elsewhere; else whom the cell points at; else who is left."""
    bad = [standing.peer for standing in standings if standing.label == "bad"]
    left = [standing.peer for standing in standings if standing.label != "good"]
    if bad:
        return bad[0] if len(bad) == 1 else None
    return record.fault or (left[0] if len(left) == 1 else None)


def _of_combination(record: Record, records: Iterable[Record]) -> Mapping[tuple[str, str], Verdict]:
    wanted = combination_id(record.combination)
    return {
        other.pairing: other.verdict
        for other in records
        if combination_id(other.combination) == wanted and other.pairing != record.pairing
    }


def _standing(
    peer: str, pairing: tuple[str, str], verdicts: Mapping[tuple[str, str], Verdict]
) -> Standing:
    """How ``peer`` did with itself and with the reference, the pairing's own two ways left out."""
    partners = {peer, REFERENCE} - (set(pairing) - {peer})
    seen = {
        pair: verdict
        for pair, verdict in verdicts.items()
        if peer in pair and set(pair) <= partners
    }

    def with_verdict(wanted: Verdict) -> tuple[str, ...]:
        return tuple(" → ".join(pair) for pair, verdict in seen.items() if verdict is wanted)

    return Standing(peer, with_verdict(Verdict.PASS), with_verdict(Verdict.FAIL))
