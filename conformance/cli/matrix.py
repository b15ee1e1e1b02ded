"""``ipsec-conformance matrix``: run the interop matrix and publish it."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click
import msgspec

from conformance.cli.options import (
    at_once_option,
    engine_option,
    factor_option,
    json_option,
    keep_lab_option,
    kernel_option,
    limit_option,
    plan_option,
    results_option,
    resume_option,
    seed_option,
    strength_option,
)
from conformance.console import screen
from conformance.errors import UserError
from conformance.lab import open_lab
from conformance.matrix import (
    FACTORS,
    Plan,
    load_manifests,
    make_plan,
    parse_pairing,
    parse_restrictions,
)
from conformance.record import Run, Verdict, exit_status
from conformance.record.store import LATEST, run_folders, sweep
from conformance.report.html import write_report
from conformance.report.json_lines import write_json_lines
from conformance.report.progress import MatrixProgress
from conformance.resources import peers_root
from conformance.runner.host import run_cells

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conformance.lab import Lab
    from conformance.matrix import Manifest
    from conformance.record import Record


@click.command(short_help="Run the interop matrix and publish it.")
@click.option(
    "--pairing",
    "pairings",
    multiple=True,
    metavar="INITIATOR,RESPONDER",
    help=(
        "Run only this ordered pairing; repeat for several. Default: all ordered pairings but "
        "those of two versions of one daemon."
    ),
)
@click.option("--peers", metavar="NAME,...", help="Run all pairings of these peers only.")
@factor_option(
    "Keep a factor to some of its levels, rare ones too; repeat for several factors. "
    f"Factors: {', '.join(factor.name for factor in FACTORS)}. "
    "`ipsec-conformance peers reference` lists the levels of each."
)
@strength_option
@click.option(
    "--wide",
    is_flag=True,
    help=(
        "Take the rare levels of every factor in: old ciphers, every group, certificates, XAUTH, "
        "AH, NAT ..."
    ),
)
@limit_option("combinations")
@seed_option("plan and cells")
@resume_option
@engine_option
@kernel_option
@keep_lab_option
@at_once_option
@plan_option
@json_option
@results_option("results", "results/latest points at the newest")
def matrix(
    *,
    pairings: tuple[str, ...],
    peers: str | None,
    factors: tuple[str, ...],
    strength: int,
    wide: bool,
    limit: int | None,
    seed: int,
    resume: bool,
    engine: str,
    kernel: str,
    keep_lab: bool,
    at_once: int,
    plan_only: bool,
    as_json: bool,
    results: Path,
) -> int:
    """Run every pairing of peers through every combination, and publish the matrix.

    Each cell is a real negotiation in the lab: both ends are configured for one combination,
    one of them initiates, traffic passes, both ends' security associations are read, and a
    Delete ends it. The verdict, its reason and its evidence (capture, keys, transcript, logs)
    go to results/<run>/, the pages to results/<run>/index.html.

    \b
    Examples:
      ipsec-conformance matrix
      ipsec-conformance matrix --pairing reference,strongswan-5.9.8 --json
      ipsec-conformance matrix --factor cipher=3des --factor mode=tunnel,transport
      ipsec-conformance matrix --factor auth=xauth-init-psk --factor mode_config=pull
      ipsec-conformance matrix --factor protocol=ah --factor esp_cipher=none
      ipsec-conformance matrix --wide --pairing strongswan-5.9.8,reference
      ipsec-conformance matrix --limit 1 --keep-lab
      ipsec-conformance matrix --plan

    Exit status: 0 when every cell came to a fact (pass, fail, unsupported), 1 when a cell
    was inconclusive or broke on our side, 2 for bad input or a lab that cannot run.
    """
    manifests = load_manifests(peers_root())
    sweep(results)
    run = newest_unfinished(results) if resume else None
    plan = (
        run.plan
        if run
        else make_plan(
            manifests,
            peers=peers.split(",") if peers else None,
            pairings=[parse_pairing(text) for text in pairings] or None,
            restrictions=parse_restrictions(factors),
            strength=strength,
            seed=seed,
            limit=limit,
            wide=wide,
        )
    )
    if plan_only:
        show_plan(plan, as_json=as_json)
        return 0
    with ExitStack() as stack:
        lab = _lab(stack, engine, kernel, plan, keep=keep_lab)
        run = run or Run.create(results, plan, lab.describe())
        _run(lab, manifests, run, as_json=as_json, at_once=at_once)
    return publish(run)


def newest_unfinished(results: Path) -> Run:
    """The newest run that was cut short; UserError where there is none."""
    for folder in reversed(run_folders(results)):
        run = Run.open(folder)
        if not run.is_finished():
            return run
    raise UserError(
        f"no run in {results}/ was cut short: there is nothing to resume",
        "Run without --resume to start a new one.",
    )


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Write every cell, and how many there are."""
    if as_json:
        for cell in plan.cells:
            click.echo(msgspec.json.encode(cell))
        return
    for cell in plan.cells:
        click.echo(
            cell.id + (f"  (not claimed: {'; '.join(cell.undeclared)})" if cell.undeclared else "")
        )
    click.echo(
        f"{len(plan.cells)} cells: {len(plan.pairings)} pairings x "
        f"{len(plan.combinations)} combinations, strength {plan.strength}, seed {plan.seed}",
        err=True,
    )


def _lab(stack: ExitStack, engine: str, kernel: str, plan: Plan, *, keep: bool) -> Lab:
    """The lab with the plan's peers; taken down at the end unless it stood before or is kept."""
    peers = sorted({peer for pairing in plan.pairings for peer in pairing})
    lab = open_lab(engine, peers, kernel)
    if not (keep or lab.was_running):
        stack.callback(lab.down)
    return lab


def _run(
    lab: Lab, manifests: Mapping[str, Manifest], run: Run, *, as_json: bool, at_once: int
) -> None:
    """Run the cells without a record; an interrupt leaves a run that can be resumed."""
    done = run.finished_cells()
    waiting = [cell for cell in run.plan.cells if cell.id not in done]
    try:
        with MatrixProgress(total=len(run.plan.cells), done=len(done)) as progress:

            def finished(record: Record) -> None:
                progress.ended(record.cell, record.verdict, record.reason)
                if as_json:
                    write_json_lines([record], sys.stdout.buffer)

            run_cells(
                lab,
                manifests,
                run,
                waiting,
                started=progress.started,
                finished=finished,
                at_once=at_once,
            )
    except BaseException:
        write_report(run)
        recorded = len(run.finished_cells())
        screen.print(
            f"{recorded} of {len(run.plan.cells)} cells are recorded in {run.folder}; "
            "go on with: ipsec-conformance matrix --resume"
        )
        raise


def publish(run: Run) -> int:
    """Write the pages and say what came out."""
    page = write_report(run)
    records = run.records()
    counts = Counter(record.verdict for record in records)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    screen.print(f"{len(records)} cells: {summary}")
    screen.print(f"matrix: {page}  (also {run.folder.parent / LATEST / page.name})", soft_wrap=True)
    return exit_status(record.verdict for record in records)
