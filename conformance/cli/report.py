"""``ipsec-conformance report``: render the pages of a run again, or tell it as Markdown."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from conformance.record import Run
from conformance.record.store import LATEST
from conformance.report.html import write_report
from conformance.report.json_lines import write_json_lines
from conformance.report.markdown import markdown
from conformance.report.view import View


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
    """Render the records of a run. FOLDER is results/latest unless given.

    Records are facts and are never changed; this only shows them.

    \b
    Examples:
      ipsec-conformance report
      ipsec-conformance report results/20260102T030405Z-a1b2c3 --format markdown
    """
    run = Run.open(folder)
    if form == "html":
        click.echo(write_report(run))
    elif form == "markdown":
        click.echo(markdown(View.of(run)))
    else:
        write_json_lines(run.records(), sys.stdout.buffer)
