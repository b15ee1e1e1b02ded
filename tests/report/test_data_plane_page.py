"""The page of the data plane, from invented records of every verdict."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from conformance.matrix.data_plane import DataCell, make_data_plan
from conformance.record.data_plane import DataRecord, DataRun, Difference, Refusal
from conformance.record.records import Verdict
from conformance.report.data_plane import DataView, data_page, write_data_report
from conformance.runner.data_plane.algorithms import algorithms

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<script>alert('x')</script>"
RESTRICTIONS = {
    "cipher": ("aes128", "aes128gcm16", "none", "seed128"),
    "integrity": ("sha256", "none"),
}
PLAN = make_data_plan(algorithms(), restrictions=RESTRICTIONS)


def invented(cell: DataCell) -> DataRecord | None:
    """SEED is refused, empty packets and wrong padding fail, one breaks, one is not run."""
    base = {"cell": cell.id, "seed": "1", "repeat": "again"}
    if cell.cipher == "seed128":
        refusal = Refusal(asked="ESP SA of cbc(seed)", error="ENOSYS", words="not found")
        reason = "ESP SA of cbc(seed): Function not implemented (not found)"
        return DataRecord(**base, verdict=Verdict.UNSUPPORTED, reason=reason, refusal=refusal)
    if cell.case == "empty":
        return DataRecord(**base, verdict=Verdict.FAIL, reason=f"drops 0 octets {HOSTILE}")
    if cell.case == "sealed-padding":
        found = Difference(offset=3, expected="aa", got="bb")
        return DataRecord(
            **base,
            verdict=Verdict.FAIL,
            reason=f"another packet of {len(cell.id)} octets",
            requirement="RFC 4303 2.4",
            difference=found,
            evidence=("capture.pcapng",),
        )
    if cell.case == "dummy":
        return DataRecord(**base, verdict=Verdict.ERROR, reason="KeyError: 'x'")
    if cell.case == "replay":
        return None
    return DataRecord(**base, verdict=Verdict.PASS, reason="20 packets pass", sizes=(1, 2))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> DataRun:
    made = DataRun.create(tmp_path_factory.mktemp("results"), PLAN, {"peer": "linux-9.9"})
    for cell in PLAN.cells:
        record = invented(cell)
        if record is not None:
            made.write(record, dict.fromkeys(record.evidence, b""))
    return made


def test_totals_are_those_of_the_records(run: DataRun) -> None:
    view = DataView(run)
    expected = [record.verdict if record else "not run" for record in map(invented, PLAN.cells)]
    assert {look.name: number for look, number in view.totals.looks} == {
        name: expected.count(name) for name in set(expected)
    }
    assert sum(grid.count for grid in view.grids) == len(PLAN.cells)


def test_every_cell_has_its_mark_in_its_column(run: DataRun) -> None:
    """Read back from the page: as many marks as cells, each titled with its id and reason."""
    page = data_page(DataView(run))
    titles = re.findall(r'<td class="([\w-]+)" title="([\w.+-]+): ', page)
    assert sorted(name for _, name in titles) == sorted(cell.id for cell in PLAN.cells)
    records = {cell.id: invented(cell) for cell in PLAN.cells}
    for look, name in titles:
        record = records[name]
        assert look == (record.verdict if record else "not-run"), name


def test_what_did_not_pass_is_grouped_by_reason(run: DataRun) -> None:
    """Numbers do not tell reasons apart; requirements and verdicts do."""
    view = DataView(run)
    assert len(view.trouble) == 3
    assert len(view.refusals) == 1
    assert [group.look.name for group in view.trouble].count("error") == 1
    padding = next(group for group in view.trouble if group.requirement)
    assert len(padding.cells) == sum(cell.case == "sealed-padding" for cell in PLAN.cells)


def test_the_page_names_the_kernel_that_was_found(run: DataRun) -> None:
    page = data_page(DataView(run))
    assert "Data plane: reference and linux-9.9" in page
    assert "reference → linux-9.9" in page
    assert "linux-9.9 → reference" in page


def test_text_of_a_kernel_is_no_markup(run: DataRun) -> None:
    page = data_page(DataView(run))
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_the_page_is_published(run: DataRun) -> None:
    page = write_data_report(run)
    assert page == run.folder / "index.html"
    assert (run.folder.parent / "latest" / "index.html").samefile(page)


def test_a_run_of_one_cell_has_a_page(tmp_path: Path) -> None:
    plan = make_data_plan(algorithms(), limit=1)
    view = DataView(DataRun.create(tmp_path, plan, {}))
    assert "1 cells" in data_page(view)
    assert view.kernel == "linux"
