"""A run as pages: one for the matrix, and one for every cell beside its evidence."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from conformance.matrix.factors import FACTORS
from conformance.record import wireshark
from conformance.record.store import write_atomically
from conformance.report.markdown import markdown
from conformance.report.view import LOOKS, View

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.record.records import EndState, Record
    from conformance.record.store import Run
    from conformance.report.view import Entry

_IKE_ROWS = (
    ("Initiator cookie", "cookie_initiator"),
    ("Responder cookie", "cookie_responder"),
    ("State", "state"),
    ("Cipher", "cipher"),
    ("Hash", "hash"),
    ("Group", "group"),
    ("Authentication", "auth"),
    ("Lifetime, s", "lifetime_seconds"),
)
_CHILD_ROWS = (
    ("Inbound SPI", "spi_in"),
    ("Outbound SPI", "spi_out"),
    ("Protocol", "protocol"),
    ("Mode", "mode"),
    ("Cipher", "cipher"),
    ("Integrity", "integrity"),
    ("PFS group", "pfs"),
    ("Lifetime, s", "lifetime_seconds"),
    ("Local selector", "local_selector"),
    ("Remote selector", "remote_selector"),
    ("Packets in", "packets_in"),
    ("Packets out", "packets_out"),
)
_SA_TABLES = (("ISAKMP SA", "ike", _IKE_ROWS), ("IPsec SAs", "child", _CHILD_ROWS))


def write_report(run: Run) -> Path:
    """Write the run's pages and its ``matrix.md``, then let ``results/latest`` point at the run.

    Every file is replaced whole; records are only read. Returns the path of ``index.html``.
    """
    view = View.of(run)
    for entry in view.entries:
        if entry.record is not None:
            page = cell_page(view, entry, entry.record)
            write_atomically(run.folder / entry.href, page.encode("utf-8"))
    write_atomically(run.folder / "matrix.md", markdown(view).encode("utf-8"))
    index = run.folder / "index.html"
    write_atomically(index, index_page(view).encode("utf-8"))
    run.publish()
    return index


def index_page(view: View) -> str:
    """The page of the matrix: totals, what failed, the grid of pairings, every cell."""
    return templates().get_template("index.html").render(view=view, looks=LOOKS)


def cell_page(view: View, entry: Entry, record: Record) -> str:
    """The page of one cell that has a record."""
    return (
        templates()
        .get_template("cell.html")
        .render(
            view=view,
            entry=entry,
            record=record,
            factors=FACTORS,
            tables=[(title, sa_rows(record, name, rows)) for title, name, rows in _SA_TABLES],
            transcript=_transcript(view.run, record),
            keys=(view.run.cell_folder(record.cell) / wireshark.FOLDER).is_dir(),
        )
    )


def sa_rows(
    record: Record, name: str, rows: tuple[tuple[str, str], ...]
) -> list[tuple[str, str, str]]:
    """One kind of SA as both ends tell it: (title, initiator's value, responder's value)."""
    ends = record.initiator, record.responder
    if not any(getattr(end, name) for end in ends):
        return []
    return [
        (title, _value(ends[0], name, attribute), _value(ends[1], name, attribute))
        for title, attribute in rows
    ]


def _value(end: EndState, name: str, attribute: str) -> str:
    sa = getattr(end, name)
    if sa is None:
        return "no SA"
    value = getattr(sa, attribute)
    if value is None:
        return "none" if attribute == "pfs" else "not told"
    return f"{value:#010x}" if attribute.startswith("spi_") else str(value)


def _transcript(run: Run, record: Record) -> str:
    """The ladder among the evidence; empty where the cell came to none."""
    name = record.evidence.get("transcript")
    if name is None:
        return ""
    return (run.cell_folder(record.cell) / name).read_text("utf-8", errors="replace")


@cache
def templates() -> Environment:
    """The pages' templates."""
    return Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
