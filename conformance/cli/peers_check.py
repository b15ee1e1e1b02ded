"""``ipsec-conformance peers check``: a peer's claims against what it really does."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec
from rich.console import Console

from conformance.cli.options import engine_option, keep_lab_option, kernel_option, results_option
from conformance.console import screen
from conformance.drivers import unasked_words
from conformance.errors import UserError
from conformance.lab import open_lab
from conformance.lab.containers import container_name
from conformance.lab.context import REFERENCE
from conformance.lab.peer_status import package_version
from conformance.matrix import FACTORS, Plan, load_manifests, parse_restrictions
from conformance.matrix.factors import find_factor
from conformance.matrix.kernels import load_kernels
from conformance.matrix.manifest import find_manifest
from conformance.matrix.plan import make_cell
from conformance.matrix.probing import Probe, probes
from conformance.record import Run
from conformance.record.claims import hold_claims
from conformance.record.observed import (
    Observed,
    Seen,
    load_observed,
    outcome_of,
    write_observed,
)
from conformance.record.store import run_folders, sweep
from conformance.report.claims import claims_table, disagreements, fact, summary, unasked
from conformance.report.html import write_report
from conformance.report.progress import MatrixProgress
from conformance.resources import peers_root
from conformance.runner.host import run_cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from conformance.lab import Lab
    from conformance.matrix import Manifest
    from conformance.matrix.constraints import Role
    from conformance.record import Record
    from conformance.record.claims import Held

FOLDER = "checks"
"""Runs of checks stand below it, apart from those of the matrix."""
SEED = 1


class Check(NamedTuple):
    """What is asked of a peer, in each role."""

    manifests: Mapping[str, Manifest]
    peer: str
    asked: Mapping[Role, Sequence[Probe]]

    @property
    def manifest(self) -> Manifest:
        """The peer's own."""
        return self.manifests[self.peer]

    @property
    def is_partial(self) -> bool:
        """Whether a role that the peer has, or a factor, is left out."""
        return len(self.asked) < len(self.manifest.roles) or any(
            {probe.factor for probe in asked} != {factor.name for factor in FACTORS}
            for asked in self.asked.values()
        )

    def pairing(self, role: Role) -> tuple[str, str]:
        """The peer in this role, with the reference at the other end."""
        return (self.peer, REFERENCE) if role == "initiator" else (REFERENCE, self.peer)

    def plan(self) -> Plan:
        """A cell for each combination that shows something, in each role."""
        every = (probe.combination for asked in self.asked.values() for probe in asked)
        rows = tuple(dict(row) for row in dict.fromkeys(tuple(one.items()) for one in every))
        pairings = tuple(dict.fromkeys(self.pairing(role) for role in self.asked))
        cells = tuple(make_cell(self.manifests, pair, row) for row in rows for pair in pairings)
        return Plan(seed=SEED, strength=1, pairings=pairings, combinations=rows, cells=cells)

    def seen(self, run: Run, role: Role, probe: Probe) -> Seen:
        """What the run shows of one level."""
        record = run.record(make_cell(self.manifests, self.pairing(role), probe.combination).id)
        outcome, reason = outcome_of(record, self.peer, unasked_words(self.manifest))
        return Seen(outcome=outcome, beside=probe.companions, reason=reason)


@click.command(short_help="Check a peer's claims: what does it really do?")
@click.argument("name")
@click.option(
    "--factor",
    "factors",
    multiple=True,
    metavar="FACTOR[=LEVEL,...]",
    help=(
        "Check this factor only, or some of its levels; repeat for several. "
        f"Factors: {', '.join(factor.name for factor in FACTORS)}."
    ),
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["initiator", "responder"]),
    help="Check this role only. Default: every role that the peer has.",
)
@click.option("--write", is_flag=True, help="Keep what was seen in peers/NAME/observed.json.")
@click.option("--resume", is_flag=True, help="Go on with the peer's newest check, cut short.")
@engine_option
@kernel_option
@keep_lab_option
@click.option("--json", "as_json", is_flag=True, help="Write one level a line as JSON to stdout.")
@results_option("results", "checks stand in its folder checks/")
def check(
    *,
    name: str,
    factors: tuple[str, ...],
    roles: tuple[Role, ...],
    write: bool,
    resume: bool,
    engine: str,
    kernel: str,
    keep_lab: bool,
    as_json: bool,
    results: Path,
) -> int:
    """Ask a peer for every level of every factor, one by one, and hold its claims against it.

    Claimed or not, each level is negotiated with the reference in both roles: a plain
    combination with this one change, and no more besides than it needs. What comes out agrees
    with the claim, or it is declared but fails, or undeclared but works. A level for which the
    peer's configuration has no words cannot be asked, and the reason is told. A disagreement
    that a [[deviations]] entry of peer.toml speaks of is explained.

    \b
    Examples:
      ipsec-conformance peers check libreswan-4.10
      ipsec-conformance peers check strongswan-5.9.8 --factor cipher --factor group=modp1024,ecp256
      ipsec-conformance peers check libreswan-4.10 --role responder --json
      ipsec-conformance peers check strongswan-5.9.8 --write
      ipsec-conformance peers check strongswan-5.9.8 --resume

    Exit status: 0 when every claim agrees or its disagreement is explained, 1 when one does not
    or something stayed inconclusive, 2 for bad input or a lab that cannot run.
    """
    asked = _asked(name, factors, roles)
    root = results / FOLDER
    sweep(root)
    run = _newest_unfinished(root, asked) if resume else None
    with ExitStack() as stack:
        lab = open_lab(engine, sorted({REFERENCE, name}), kernel)
        if not (keep_lab or lab.was_running):
            stack.callback(lab.down)
        run = run or Run.create(root, asked.plan(), lab.describe())
        earlier = _earlier(asked, run) if write else None
        _run(lab, asked, run)
        observed = _observed(lab, asked, run)
    status = _tell(asked, run, observed, as_json=as_json)
    if write:
        kept = observed.joined(earlier) if earlier else observed
        file = write_observed(peers_root() / asked.peer, kept)
        screen.print(f"written: {file}", soft_wrap=True)
    return status


def _asked(name: str, factors: tuple[str, ...], roles: tuple[Role, ...]) -> Check:
    manifests = load_manifests(peers_root())
    if name in load_kernels(peers_root()):
        hint = "`ipsec-conformance data-plane` measures what it takes."
        raise UserError(f"{name} negotiates nothing.", hint)
    manifest = find_manifest(manifests, name)
    wanted = parse_restrictions(map(_spelled_out, factors))
    reference = manifests[REFERENCE]
    return Check(
        manifests,
        name,
        {role: probes(manifest, role, reference, wanted) for role in roles or manifest.roles},
    )


def _spelled_out(factor: str) -> str:
    """``cipher`` alone is every level of it."""
    if "=" in factor:
        return factor
    return f"{factor}={','.join(find_factor(factor, '--factor').known)}"


def _newest_unfinished(root: Path, asked: Check) -> Run:
    """The newest check that was cut short and asks for the same cells."""
    plan = asked.plan()
    for folder in reversed(run_folders(root)):
        run = Run.open(folder)
        if run.plan.cells == plan.cells and not run.is_finished():
            return run
    raise UserError(
        f"no check of {asked.peer} in {root}/ that asks for this was cut short",
        "Run without --resume to start a new one.",
    )


def _earlier(asked: Check, run: Run) -> Observed | None:
    """What was kept before, where this check is a part; UserError where that was another image."""
    earlier = load_observed(peers_root() / asked.peer) if asked.is_partial else None
    if earlier:
        earlier.require(_image(asked, run))
    return earlier


def _image(asked: Check, run: Run) -> str:
    return str(run.environment["images"][asked.peer]["digest"])


def _run(lab: Lab, asked: Check, run: Run) -> None:
    """Run the cells without a record; an interrupt leaves a check that can be resumed."""
    done = run.finished_cells()
    waiting = [cell for cell in run.plan.cells if cell.id not in done]
    with MatrixProgress(total=len(run.plan.cells), done=len(done)) as progress:

        def finished(record: Record) -> None:
            progress.ended(record.cell, record.verdict, record.reason)

        try:
            run_cells(
                lab, asked.manifests, run, waiting, started=progress.started, finished=finished
            )
        except BaseException:
            screen.print(
                f"{len(run.finished_cells())} of {len(run.plan.cells)} cells are recorded in "
                f"{run.folder}; go on with: ipsec-conformance peers check {asked.peer} --resume"
            )
            raise


def _observed(lab: Lab, asked: Check, run: Run) -> Observed:
    container = lab.containers[container_name(asked.peer, "b")]
    ends = [end for record in run.records() for end in (record.initiator, record.responder)]
    roles: dict[Role, dict[str, dict[str, Seen]]] = {}
    for role, asked_probes in asked.asked.items():
        levels = roles.setdefault(role, {})
        for probe in asked_probes:
            levels.setdefault(probe.factor, {})[probe.level] = asked.seen(run, role, probe)
    return Observed(
        peer=asked.peer,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        image=_image(asked, run),
        package=package_version(container, asked.manifest.software.package),
        version=next(end.version for end in ends if end.peer == asked.peer),
        kernel=run.environment["kernel"],
        roles=roles,
    )


def _tell(asked: Check, run: Run, observed: Observed, *, as_json: bool) -> int:
    """Print what came out, and return the exit status."""
    held = hold_claims(asked.manifest, observed)
    if as_json:
        for one in held:
            sys.stdout.buffer.write(msgspec.json.encode(fact(one)) + b"\n")
        sys.stdout.buffer.flush()
    else:
        _print(held)
    screen.print(f"{asked.peer}: {summary(held)}")
    screen.print(f"cells: {write_report(run)}", soft_wrap=True)
    return int(any(one.is_open for one in held))


def _print(held: list[Held]) -> None:
    console = Console(highlight=False)
    console.print(claims_table(held))
    for line in (*disagreements(held), *unasked(held)):
        console.print(line, soft_wrap=True)
