"""``ipsec-conformance data-plane``: every transform against a Linux kernel, both ways."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
import msgspec

from conformance.cli.options import (
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
)
from conformance.console import screen
from conformance.errors import UserError
from conformance.lab import open_lab
from conformance.matrix.data_plane import (
    FACTORS,
    DataPlan,
    make_data_plan,
    parse_data_restrictions,
)
from conformance.record import Verdict, exit_status
from conformance.record.data_plane import DataRun, data_run_folders
from conformance.record.store import LATEST
from conformance.report.data_plane import write_data_report
from conformance.report.progress import MatrixProgress
from conformance.runner.data_plane.algorithms import algorithms
from conformance.runner.data_plane.deviations import DEVIATIONS
from conformance.runner.data_plane.host import COMMAND, LocalRunner, run_data_cells
from conformance.runner.data_plane.protocol import DataJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conformance.record.data_plane import DataRecord
    from conformance.runner.data_plane.host import Runner
    from conformance.runner.data_plane.protocol import KernelFound


@click.command(name="data-plane", short_help="Run every transform against a Linux kernel.")
@factor_option(
    "Keep a factor to some of its levels; repeat for several factors. "
    f"Factors: {', '.join(FACTORS)}."
)
@limit_option("cells")
@seed_option("keys and payloads")
@resume_option
@click.option(
    "--here",
    is_flag=True,
    help="Take this host's kernel, in a namespace of its own, and no lab; needs root.",
)
@engine_option
@kernel_option
@click.option(
    "--deviation",
    type=click.Choice(list(DEVIATIONS)),
    default="none",
    show_default=True,
    help="Give the reference this fault, and see the cells fail.",
)
@keep_lab_option
@plan_option
@json_option
@results_option("results", "results/data-plane/latest points at the newest")
def data_plane(
    *,
    factors: tuple[str, ...],
    limit: int | None,
    seed: int,
    resume: bool,
    here: bool,
    engine: str,
    kernel: str,
    deviation: str,
    keep_lab: bool,
    plan_only: bool,
    as_json: bool,
    results: Path,
) -> int:
    """Run every transform of ESP, AH and IPComp against a Linux kernel, in both directions.

    No key management has a part in it: both ends get the same keys by hand. In one direction
    the reference encrypts and the kernel decrypts, in the other it is the other way round, for
    every cipher and key length, integrity algorithm, mode, address family and kind of sequence
    number. Packets have every padding residue, no payload, and the size of the MTU; each must
    arrive as it was sent. In negative cells one bit is flipped, a packet comes twice, too late
    or from outside, and must be dropped for the right reason. What the kernel does not take is
    recorded in its own words.

    \b
    Examples:
      ipsec-conformance data-plane
      ipsec-conformance data-plane --factor cipher=aes128gcm16 --factor mode=tunnel
      ipsec-conformance data-plane --factor protocol=ah --factor family=ipv6 --json
      ipsec-conformance data-plane --factor case=replay,stale --keep-lab
      ipsec-conformance data-plane --factor cipher=aes128 --deviation turned-iv
      ipsec-conformance data-plane --kernel 6.12
      ipsec-conformance data-plane --here
      ipsec-conformance data-plane --plan

    Exit status: 0 when every cell came to a fact (pass, fail, unsupported), 1 when a cell
    broke on our side, 2 for bad input or a lab that cannot run.
    """
    run = _newest_unfinished(results) if resume else None
    plan = run.plan if run else _planned(factors, seed=seed, limit=limit, deviation=deviation)
    if plan_only:
        _show_plan(plan, as_json=as_json)
        return 0
    with ExitStack() as stack:
        runner, facts = _local() if here else _in_the_lab(stack, engine, kernel, keep=keep_lab)
        run = run or DataRun.create(results, plan, facts)
        _run(run, runner, as_json=as_json)
    return _publish(DataRun.open(run.folder))


def _planned(factors: tuple[str, ...], *, seed: int, limit: int | None, deviation: str) -> DataPlan:
    known = algorithms()
    restrictions = parse_data_restrictions(factors, known)
    return make_data_plan(
        known, restrictions=restrictions, seed=seed, limit=limit, deviation=deviation
    )


def _newest_unfinished(results: Path) -> DataRun:
    for folder in reversed(data_run_folders(results)):
        run = DataRun.open(folder)
        if not run.is_finished():
            run.mend()
            return run
    raise UserError(
        f"no run of the data plane in {results}/ was cut short: there is nothing to resume",
        "Run without --resume to start a new one.",
    )


def _show_plan(plan: DataPlan, *, as_json: bool) -> None:
    for cell in plan.cells:
        click.echo(msgspec.json.encode(cell) if as_json else cell.id)
    click.echo(f"{len(plan.cells)} cells, seed {plan.seed}", err=True)


def _local() -> tuple[Runner, dict[str, Any]]:
    return LocalRunner(), {"engine": "this host", "architecture": platform.machine()}


def _in_the_lab(
    stack: ExitStack, engine: str, kernel: str, *, keep: bool
) -> tuple[Runner, dict[str, Any]]:
    """A runner in the lab, which needs no peer's container; taken down at the end unless kept."""
    lab = open_lab(engine, [], kernel)
    if not (keep or lab.was_running):
        stack.callback(lab.down)
    return lab.runner(COMMAND), lab.describe()


def _run(run: DataRun, runner: Runner, *, as_json: bool) -> None:
    """Run the cells without a record; an interrupt leaves a run that can be resumed."""
    done = run.records()
    waiting = tuple(cell for cell in run.plan.cells if cell.id not in done)
    job = DataJob(cells=waiting, seed=run.plan.seed, deviation=run.plan.deviation)
    total = len(run.plan.cells)
    with MatrixProgress(total=total, done=len(done), each_reason_once=True) as progress:
        try:
            run_data_cells(
                runner,
                job,
                found=lambda kernel: _note(run, kernel),
                started=progress.started,
                finished=_keeper(run, progress, as_json=as_json),
            )
        except BaseException:
            write_data_report(DataRun.open(run.folder))
            screen.print(
                f"{len(run.records())} of {len(run.plan.cells)} cells are recorded in "
                f"{run.folder}; go on with: ipsec-conformance data-plane --resume"
            )
            raise


def _note(run: DataRun, kernel: KernelFound) -> None:
    """Keep which kernel it is; UserError where a run that goes on had another one."""
    before = run.environment.get("peer", kernel.peer)
    if before != kernel.peer:
        raise UserError(
            f"the run in {run.folder} was begun with {before}, and this is {kernel.peer}",
            "Start a new run, or resume it where it was begun.",
        )
    run.describe({"peer": kernel.peer, "kernel": kernel.release})


def _keeper(
    run: DataRun, progress: MatrixProgress, *, as_json: bool
) -> Callable[[DataRecord, dict[str, bytes]], None]:
    """What keeps each record, tells it and counts it."""

    def keep(record: DataRecord, files: dict[str, bytes]) -> None:
        run.write(record, files)
        progress.ended(record.cell, record.verdict, record.reason)
        if as_json:
            sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
            sys.stdout.buffer.flush()

    return keep


def _publish(run: DataRun) -> int:
    """Write the page and say what came out."""
    page = write_data_report(run)
    records = run.records().values()
    counts = Counter(record.verdict for record in records)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    screen.print(f"{len(records)} cells: {summary}")
    screen.print(f"page: {page}  (also {run.folder.parent / LATEST / page.name})", soft_wrap=True)
    return exit_status(record.verdict for record in records)
