"""Which cells to run: factors, what the peers claim, covering arrays and the plan."""

from __future__ import annotations

from conformance.matrix.factors import FACTORS, Combination, combination_id, parse_restrictions
from conformance.matrix.manifest import Manifest, load_manifest, load_manifests
from conformance.matrix.plan import Cell, Plan, make_plan, parse_pairing, repeat_command

__all__ = [
    "FACTORS",
    "Cell",
    "Combination",
    "Manifest",
    "Plan",
    "combination_id",
    "load_manifest",
    "load_manifests",
    "make_plan",
    "parse_pairing",
    "parse_restrictions",
    "repeat_command",
]
