"""The pages of a run: well-formed, complete, escaped, accessible, with links that resolve."""

from __future__ import annotations

import html
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from conformance.record.records import Verdict
from conformance.report import View, markdown, write_json_lines, write_report

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.record import Run

HOSTILE = "<script>alert('x')</script>"
VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """A strict reader: every element is closed where it should be."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.source = path.read_text("utf-8")
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(self.source)
        self.close()
        assert self.open == [], path

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="session")
def index(run: Run) -> Page:
    return Page(write_report(run))


@pytest.fixture(scope="session")
def pages(run: Run, index: Page) -> list[Page]:
    return [index, *map(Page, sorted(run.cells.glob("*/index.html")))]


def test_there_is_a_page_for_every_record(run: Run, pages: list[Page]) -> None:
    assert {page.path.parent.name for page in pages[1:]} == run.finished_cells()


def test_latest_leads_to_the_page(run: Run, index: Page) -> None:
    assert (run.folder.parent / "latest" / "index.html").samefile(index.path)


def test_the_invented_run_has_every_verdict(run: Run) -> None:
    assert {record.verdict for record in run.records()} == set(Verdict)


def test_links_resolve_and_nothing_is_fetched_from_elsewhere(pages: list[Page]) -> None:
    for page in pages:
        ids = {attributes.get("id") for _, attributes in page.elements}
        for link in page.all("a"):
            target = urlsplit(link["href"] or "")
            assert not target.scheme
            assert not target.netloc
            path = page.path.parent / unquote(target.path) if target.path else page.path
            assert path.is_file(), f"{page.path}: {link['href']}"
            assert not target.fragment or target.path or target.fragment in ids
        assert not [
            name for name, _ in page.elements if name in {"script", "img", "link", "iframe"}
        ]
        assert "url(" not in page.source
        assert "@import" not in page.source


def test_whatever_peers_say_is_escaped(pages: list[Page]) -> None:
    told = [page for page in pages if HOSTILE in page.words]
    assert len(told) > 5
    assert all("<script" not in page.source for page in pages)


def test_every_cell_shows_its_verdict_in_words_with_its_reason(run: Run, index: Page) -> None:
    links = {link["href"]: link for link in index.all("a") if link.get("aria-label")}
    for record in run.records():
        link = links[f"cells/{record.cell}/index.html"]
        assert link["title"] == record.reason
        label = link["aria-label"] or ""
        assert f": {record.verdict}. {record.reason}" in label
        who = f"{record.initiator.peer} to {record.responder.peer}"
        assert label.startswith(f"{who}, {record.combination['exchange']} psk ")


def test_what_did_not_pass_comes_before_the_matrix_with_its_reason(run: Run, index: Page) -> None:
    """Reason, first diverging value, notify and fault stand above the big table."""
    top = index.words[: index.words.index("Every cell")]
    view = View.of(run)
    assert view.trouble
    for group in view.groups:
        assert " ".join(group.first.reason.split()) in top
    for expected in ("HASH_R", "9f1c5a0e7745d1c2", "04be8a7711d09c53", "NO-PROPOSAL-CHOSEN"):
        assert expected in top
    assert "Looks like libreswan-4.10" in top
    listed = [entry for group in view.groups for entry in group.entries]
    assert sorted(entry.cell.id for entry in listed) == sorted(
        entry.cell.id for entry in view.trouble
    )


def test_totals_and_pairings_add_up(run: Run, index: Page) -> None:
    view = View.of(run)
    assert view.totals.total == len(run.plan.cells)
    assert sum(number for _, number in view.totals.looks) == len(run.plan.cells)
    for look, number in view.totals.looks:
        assert f"{number} {look.symbol} {look.name}" in index.words
    rows = len(run.plan.combinations)
    assert all(view.pairing(*pair).total == rows for pair in run.plan.pairings)  # type: ignore[union-attr]
    assert "4 · not run" in index.words


def test_works_undeclared_is_a_finding(run: Run, index: Page) -> None:
    view = View.of(run)
    assert view.findings
    assert all(entry.record and entry.record.undeclared for entry in view.findings)
    assert f"Works although not declared {len(view.findings)}" in index.words


def test_tables_are_accessible(pages: list[Page]) -> None:
    for page in pages:
        assert all(cell.get("scope") for cell in page.all("th"))
        regions = [div for div in page.all("div") if div.get("class") == "scroll"]
        assert all(div.get("aria-label") and div.get("tabindex") == "0" for div in regions)
        labels = [section["aria-labelledby"] for section in page.all("section")]
        assert set(labels) <= {heading.get("id") for heading in page.all("h2")}
        assert page.all("html")[0]["lang"] == "en"
        assert "width=device-width" in str(page.all("meta"))


def test_a_cell_page_shows_both_ends_transcript_evidence_and_command(
    run: Run, pages: list[Page]
) -> None:
    record = next(record for record in run.records() if record.initiator.child)
    page = next(page for page in pages if page.path.parent.name == record.cell)
    for expected in (
        record.reason,
        "0xc1a2b3c4",
        "0xd4c3b2a1",
        "10.78.14.0/24",
        "a1a2a3a4a5a6a7a8",
        "Main Mode 5: HDR*, IDii, HASH_I",
        "initiator's log",
        record.repeat,
        "WIRESHARK_CONFIG_DIR=$PWD/wireshark tshark -r capture.pcapng",
    ):
        assert expected in page.words


def test_a_failing_cell_page_says_why_and_whose_fault(run: Run, pages: list[Page]) -> None:
    view = View.of(run)
    for entry in view.trouble:
        page = next(page for page in pages if page.path.parent.name == entry.cell.id)
        assert " ".join(entry.reason.split()) in page.words
        if entry.triangulation:
            assert entry.triangulation.why in page.words


def test_reports_only_render(run: Run) -> None:
    before = {path: path.read_bytes() for path in run.folder.rglob("record.json")}
    write_report(run)
    assert before == {path: path.read_bytes() for path in run.folder.rglob("record.json")}
    assert not list(run.folder.rglob(".*"))


def test_markdown_has_totals_grid_and_reasons(run: Run) -> None:
    view = View.of(run)
    text = markdown(view)
    lines = text.splitlines()
    assert lines[0].startswith("# Interoperability matrix of ")
    assert f"{view.totals.total} cells: " in lines[2]
    assert "| initiator \\ responder | reference | libreswan-4.10 | strongswan-5.9.8 |" in lines
    assert sum("](cells/" in line and line.startswith("| ") for line in lines) == len(view.trouble)
    assert "HASH\\_R differs" in text
    assert "<script" not in text
    assert html.escape("<script>", quote=False) in text
    assert (run.folder / "matrix.md").read_text("utf-8") == text


def test_json_lines_are_one_record_each(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    with path.open("wb") as stream:
        write_json_lines(run.records(), stream)
    lines = path.read_bytes().splitlines()
    assert [msgspec.json.decode(line)["cell"] for line in lines] == [
        record.cell for record in run.records()
    ]
