"""``ipsec-conformance dut run``: the matrix against a device."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from conformance.cli.matrix import newest_unfinished, publish, show_plan
from conformance.cli.options import (
    factor_option,
    json_option,
    limit_option,
    plan_option,
    results_option,
    resume_option,
    seed_option,
    strength_option,
)
from conformance.console import screen
from conformance.dut.device import read_device
from conformance.dut.run import Bench, left_out, plan_for
from conformance.errors import UserError
from conformance.matrix.factors import parse_restrictions
from conformance.record import Run
from conformance.record.store import sweep
from conformance.report.html import write_report
from conformance.report.json_lines import write_json_lines
from conformance.report.progress import MatrixProgress

if TYPE_CHECKING:
    from conformance.dut.device import Device
    from conformance.matrix.plan import Plan

NEGOTIATION = 20.0
"""Seconds that a negotiation may take which we begin: a device may be slow."""


@click.command(short_help="Run the matrix against a device.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--role",
    type=click.Choice(["responder", "initiator"]),
    help="Run only the cells in which the device is this.  [default: all that it takes]",
)
@factor_option(
    "Keep a factor to some of the levels that the device claims; repeat for several factors."
)
@strength_option
@limit_option("combinations")
@seed_option("plan and cells")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=NEGOTIATION,
    show_default=True,
    help="Seconds that a negotiation may take which we begin; the trigger has its own.",
)
@click.option(
    "--interface", metavar="NAME", help="Where to capture.  [default: the way to the device]"
)
@resume_option
@plan_option
@json_option
@results_option("results/dut", "latest, beside them, points at the newest")
def run(
    file: Path,
    *,
    role: str | None,
    factors: tuple[str, ...],
    strength: int,
    limit: int | None,
    seed: int,
    timeout: float,
    interface: str | None,
    resume: bool,
    plan_only: bool,
    as_json: bool,
    results: Path,
) -> int:
    """Run the matrix against the device of FILE (dut.toml): no container, no Docker.

    The reference peer runs as a process of this host and meets the device in every
    combination that it claims. As initiator it offers just the cell's combination, as
    responder it accepts just that; the device's own configuration stays as it is. Through
    each pair of SAs it pings a host behind the device, and a Delete ends them. The device's
    SAs cannot be read: a pass rests on what the reference holds and on what the wire shows,
    and says so. Needs root.

    \b
    Examples:
      ipsec-conformance dut run dut/dut.toml
      ipsec-conformance dut run dut/dut.toml --plan
      ipsec-conformance dut run dut/dut.toml --role responder --factor mode=tunnel --limit 3
      ipsec-conformance dut run dut/dut.toml --resume --json

    Exit status: 0 when every cell came to a fact (pass, fail, unsupported), 1 when a cell
    was inconclusive or broke on our side, 2 for bad input or a host that cannot run it.
    """
    device = _in_role(read_device(file), role)
    sweep(results)
    found = _unfinished(results, device) if resume else None
    plan = (
        found.plan
        if found
        else plan_for(
            device, parse_restrictions(factors), strength=strength, seed=seed, limit=limit
        )
    )
    if plan_only:
        show_plan(plan, as_json=as_json)
        _tell_left_out(device, plan)
        return 0
    with ExitStack() as stack:
        bench = stack.enter_context(
            Bench(device, file, seed=plan.seed, timeout=timeout, interface=interface)
        )
        made = found or Run.create(results, plan, bench.describe())
        _tell_left_out(device, plan)
        _run(bench, made, f"ipsec-conformance dut run {file} --resume", as_json=as_json)
    return publish(made)


def _in_role(device: Device, role: str | None) -> Device:
    """The device restricted to one role; UserError where it does not take it."""
    if role is None:
        return device
    roles = tuple(one for one in device.roles if one == role)
    if not roles:
        raise UserError(f"{device.name} is no {role}: its roles are {', '.join(device.roles)}")
    return replace(device, roles=roles)


def _unfinished(results: Path, device: Device) -> Run:
    """The newest run that was cut short; UserError where it is another device's."""
    found = newest_unfinished(results)
    if any(device.name not in pairing for pairing in found.plan.pairings):
        raise UserError(f"the newest run that was cut short is not against {device.name}")
    return found


def _tell_left_out(device: Device, plan: Plan) -> None:
    number = left_out(device, plan)
    if number:
        screen.print(
            f"{number} cells are left out: the device cannot be made to begin with them "
            "(docs/device-under-test.md, trigger.chooses)",
            soft_wrap=True,
        )


def _run(bench: Bench, run: Run, resume: str, *, as_json: bool) -> None:
    """Run the cells without a record; an interrupt leaves a run that can be resumed."""
    done = run.finished_cells()
    waiting = [cell for cell in run.plan.cells if cell.id not in done]
    try:
        with MatrixProgress(total=len(run.plan.cells), done=len(done)) as progress:
            for cell in waiting:
                progress.started(cell.id)
                record, files = bench.run(cell)
                run.write(record, files)
                progress.ended(record.cell, record.verdict, record.reason)
                if as_json:
                    write_json_lines([record], sys.stdout.buffer)
    except BaseException:
        write_report(run)
        screen.print(f"{len(run.finished_cells())} of {len(run.plan.cells)} cells are recorded")
        screen.print(f"go on with: {resume}", soft_wrap=True)
        raise
