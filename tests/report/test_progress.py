"""Live progress, on a terminal and off it, with a clock that the test holds."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from conformance.record.records import Verdict
from conformance.report import MatrixProgress
from conformance.report.progress import LINE_EVERY_CELLS, LINE_EVERY_SECONDS


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def screen_of(*, terminal: bool, kind: str = "xterm") -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    environment = {"TERM": kind}
    screen = Console(
        file=text, force_terminal=terminal, width=120, highlight=False, _environ=environment
    )
    return screen, text


@pytest.mark.parametrize(
    ("terminal", "kind"), [(False, "xterm"), (True, "dumb")], ids=["no terminal", "a dumb one"]
)
def test_plain_lines_come_by_number_of_cells(*, terminal: bool, kind: str) -> None:
    screen, text = screen_of(terminal=terminal, kind=kind)
    with MatrixProgress(100, screen=screen, clock=Clock()) as progress:
        for number in range(2 * LINE_EVERY_CELLS):
            progress.started(f"cell {number}")
            progress.ended(f"cell {number}", Verdict.PASS, "works")
    lines = text.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["25/100", "50/100", "50/100"]
    assert "25 pass" in lines[0]


def test_plain_lines_come_by_time_and_tell_what_is_left() -> None:
    screen, text = screen_of(terminal=False)
    clock = Clock()
    with MatrixProgress(4, screen=screen, clock=clock) as progress:
        clock.now += LINE_EVERY_SECONDS + 50
        progress.ended("one", Verdict.UNSUPPORTED, "refused")
        assert progress.seconds_left() == 180
    assert text.getvalue().splitlines()[0] == "1/4 cells  1 unsupported  about 3 min 0 s left"


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE])
def test_what_did_not_pass_is_told_at_once(verdict: Verdict) -> None:
    screen, text = screen_of(terminal=False)
    with MatrixProgress(9, screen=screen, clock=Clock()) as progress:
        progress.ended("a--b", verdict, "[bold]HASH_R[/] differs")
        assert text.getvalue().split() == [verdict, "a--b:", "[bold]HASH_R[/]", "differs"]


def test_resumed_cells_count_as_done_but_not_for_the_pace() -> None:
    screen, _ = screen_of(terminal=False)
    clock = Clock()
    with MatrixProgress(10, done=7, screen=screen, clock=clock) as progress:
        assert progress.seconds_left() is None
        clock.now += 4
        progress.ended("one", Verdict.PASS, "works")
        assert progress.done == 8
        assert progress.seconds_left() == 8


def test_a_terminal_sees_the_current_cell_and_ends_with_one_line() -> None:
    screen, text = screen_of(terminal=True)
    clock = Clock()
    with MatrixProgress(2, screen=screen, clock=clock) as progress:
        progress.started("reference--reference--main")
        progress.ended("reference--reference--main", Verdict.PASS, "works")
        progress.refresh()
    shown = text.getvalue()
    assert "reference--reference--main" in shown
    assert "1/2 cells" in shown
    assert "about 0 s left" in shown.splitlines()[-1]


def test_the_last_line_stands_after_an_interruption_too() -> None:
    screen, text = screen_of(terminal=False)
    with pytest.raises(KeyboardInterrupt), MatrixProgress(2, screen=screen, clock=Clock()):
        raise KeyboardInterrupt
    assert text.getvalue().startswith("0/2 cells")


def test_a_reason_is_told_once_where_that_is_wanted() -> None:
    """Hundreds of cells may fail for one reason."""
    screen, text = screen_of(terminal=False)
    with MatrixProgress(3, each_reason_once=True, screen=screen, clock=Clock()) as progress:
        for number, reason in enumerate(("dropped", "dropped", "another")):
            progress.ended(f"cell-{number}", Verdict.FAIL, reason)
    told = [f"cell-{number}" in text.getvalue() for number in range(3)]
    assert told == [True, False, True]
    assert "3 fail" in text.getvalue()
