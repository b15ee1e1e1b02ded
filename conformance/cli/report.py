"""``ipsec-conformance report``: render the pages of a run again, or tell it as Markdown."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.record import Run
from conformance.record.store import LATEST
from conformance.report.html import write_pages
from conformance.report.jsonlines import json_line
from conformance.report.markdown import summary


@click.command()
@click.argument(
    "folder",
    type=click.Path(path_type=Path),
    default=Path("results") / LATEST,
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "markdown", "json"]),
    default="html",
    show_default=True,
    help="html writes index.html into the run; the others go to standard output.",
)
def report(folder: Path, form: str) -> None:
    r"""Render the records of a run. FOLDER is results/latest unless given.

    Records are facts and are never changed; this only shows them.

    \b
    Examples:
      ipsec-conformance report
      ipsec-conformance report results/20260102T030405Z-a1b2c3 --format markdown
    """
    run = Run.open(folder)
    if form == "html":
        click.echo(write_pages(run))
    elif form == "markdown":
        click.echo(summary(run))
    else:
        for record in run.records():
            click.echo(json_line(record))
