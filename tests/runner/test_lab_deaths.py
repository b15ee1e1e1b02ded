"""A daemon that dies, hangs or starts anew in mid-run: its cells say so, and the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.lab.containers import container_name
from conformance.matrix import load_manifests, make_plan
from conformance.record import Run, Verdict
from conformance.resources import peers_root
from conformance.runner.host import run_cells

if TYPE_CHECKING:
    from pathlib import Path

    from docker.models.containers import Container

    from conformance.lab import Lab
    from conformance.record import Record

pytestmark = pytest.mark.lab

MANIFESTS = load_manifests(peers_root())
DAEMONS = ("strongswan-5.9.8", "libreswan-4.10")
CELLS = 10
ENDS = {
    "dies": lambda container: container.kill("SIGKILL"),
    "hangs": lambda container: container.kill("SIGSTOP"),
    "is-started-anew": lambda container: container.restart(timeout=1),
}
"""What happens to the responder's container after the second cell."""


@pytest.mark.parametrize("happens", ENDS)
@pytest.mark.parametrize("daemon", DAEMONS)
def test_its_cells_are_errors_and_the_run_goes_on(
    lab: Lab, tmp_path: Path, daemon: str, happens: str
) -> None:
    """With its last words; what comes later passes with another process."""
    plan = make_plan(MANIFESTS, pairings=[("reference", daemon)], limit=CELLS)
    container: Container = lab.containers[container_name(daemon, "b")]
    run = Run.create(tmp_path, plan, lab.describe())
    records: list[Record] = []

    def finished(record: Record) -> None:
        records.append(record)
        if len(records) == 2:
            ENDS[happens](container)

    run_cells(lab, MANIFESTS, run, plan.cells, started=lambda _: None, finished=finished, at_once=2)
    assert len(records) == len(plan.cells)
    errors = [record for record in records if record.verdict is Verdict.ERROR]
    assert 1 <= len(errors) <= 4
    assert any(daemon in record.reason and "logged last" in record.reason for record in errors)
    claimed = [record for record in records[-3:] if not record.undeclared]
    assert claimed
    assert {record.verdict for record in claimed} == {Verdict.PASS}
    assert claimed[-1].responder.process != records[0].responder.process


class CutShortError(Exception):
    """The run ends here."""


@pytest.mark.parametrize("daemon", [*DAEMONS, "libreswan-5.2"])
def test_what_a_run_cut_short_has_left_is_gone_in_the_next(
    lab: Lab, tmp_path: Path, daemon: str
) -> None:
    """Connections that waited, secrets, and SAs of a cell that was in the midst of it."""
    plan = make_plan(MANIFESTS, pairings=[(daemon, "reference")], limit=CELLS)
    container: Container = lab.containers[container_name(daemon, "a")]

    def end(_: object) -> None:
        raise CutShortError

    run = Run.create(tmp_path / "first", plan, lab.describe())
    with pytest.raises(CutShortError):
        run_cells(lab, MANIFESTS, run, plan.cells, started=lambda _: None, finished=end)
    assert "10.77." in loaded(container, daemon)
    run = Run.create(tmp_path / "second", plan, lab.describe())
    kept: list[Record] = []
    run_cells(lab, MANIFESTS, run, plan.cells[:1], started=lambda _: None, finished=kept.append)
    assert [record.verdict for record in kept] == [Verdict.PASS]
    assert "10.77." not in loaded(container, daemon)


def loaded(container: Container, daemon: str) -> str:
    """The connections that the daemon knows, and the kernel's SAs, as text."""
    lists = {
        "strongswan": "swanctl --list-conns; ip xfrm state",
        "libreswan": "ipsec whack --status | grep '\":'; ip xfrm state",
    }
    done = container.exec_run(["sh", "-c", lists[daemon.partition("-")[0]]])
    return str(done.output.decode())


@pytest.mark.parametrize("daemon", DAEMONS)
def test_what_hangs_before_a_run_is_started_anew(lab: Lab, tmp_path: Path, daemon: str) -> None:
    """Left so by somebody else: no cell of this run need know of it."""
    container: Container = lab.containers[container_name(daemon, "b")]
    container.kill("SIGSTOP")
    plan = make_plan(MANIFESTS, pairings=[("reference", daemon)], limit=1)
    run = Run.create(tmp_path, plan, lab.describe())
    records: list[Record] = []
    run_cells(lab, MANIFESTS, run, plan.cells, started=lambda _: None, finished=records.append)
    assert [record.verdict for record in records] == [Verdict.PASS]
