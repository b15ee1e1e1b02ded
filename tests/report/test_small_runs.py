"""Runs at the edges: nothing run yet, one pairing, one combination."""

from __future__ import annotations

from pathlib import Path

from conformance.matrix import load_manifests, make_plan, parse_restrictions
from conformance.record import Run
from conformance.report import View, markdown, write_report

MANIFESTS = load_manifests(Path(__file__).parents[2] / "peers")


def test_a_run_without_records_has_a_page_that_says_so(tmp_path: Path) -> None:
    run = Run.create(tmp_path, make_plan(MANIFESTS, limit=2), {})
    text = write_report(run).read_text("utf-8")
    assert "not run" in text
    assert "What did not pass" not in text
    assert f"{len(run.plan.cells)} not run" in markdown(View.of(run))


def test_one_pairing_of_one_combination_shows_every_factor(tmp_path: Path) -> None:
    levels = ["exchange=main", "cipher=3des", "hash=md5", "group=modp1536", "pfs=none",
              "mode=tunnel", "esp_cipher=aes128", "esp_integrity=sha1"]  # fmt: skip
    plan = make_plan(
        MANIFESTS,
        pairings=[("reference", "strongswan-5.9.8")],
        restrictions=parse_restrictions(levels),
    )
    assert len(plan.cells) == 1
    text = write_report(Run.create(tmp_path, plan, {})).read_text("utf-8")
    assert "main · psk · 3des · md5 · modp1536" in text
    assert "not planned" in text


def test_a_combination_is_blank_where_a_pairing_is_not_asked_for_it(tmp_path: Path) -> None:
    """A client without the usual levels has rows of its own, and no cell in the others."""
    pairings = [("reference", "reference"), ("vpnc-0.5.3", "reference")]
    plan = make_plan(MANIFESTS, pairings=pairings)
    run = Run.create(tmp_path, plan, {})
    blank = sum(entry is None for _, entries in View.of(run).rows for entry in entries)
    assert blank == 2 * len(plan.combinations) - len(plan.cells) > 0
    text = write_report(run).read_text("utf-8")
    assert text.count('<td><span class="hidden">not planned</span></td>') == blank
