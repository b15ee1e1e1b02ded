"""The live progress of a run: cells done, verdicts so far, time left, the cell that runs now."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from conformance.console import screen as default_screen
from conformance.record.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.console import Console

LINE_EVERY_CELLS = 25
"""Without a terminal: a line at the latest after so many cells ..."""
LINE_EVERY_SECONDS = 10.0
"""... or after so many seconds, whichever is first."""

_STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.UNSUPPORTED: "dim",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "bold magenta",
}
_BAR = 30


class MatrixProgress:
    """A context in which a run's progress stands on the screen (standard error).

    On a terminal one block that changes in place; elsewhere plain lines, not too many.
    """

    def __init__(
        self,
        total: int,
        *,
        done: int = 0,
        each_reason_once: bool = False,
        screen: Console = default_screen,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``total`` cells in the plan, ``done`` of which an earlier part of the run has ended.

        ``each_reason_once``: a cell that did not pass is told unless another told its reason.
        """
        self._told: set[str] | None = set() if each_reason_once else None
        self._total, self._resumed = total, done
        self._screen, self._clock = screen, clock
        self._counts: Counter[Verdict] = Counter()
        self._current = ""
        self._moves = screen.is_terminal and not screen.is_dumb_terminal
        self._began = self._last_line = clock()
        self._lines_at = 0
        self._live = Live(
            console=screen, get_renderable=self._block, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Self:
        self._began = self._last_line = self._clock()
        if self._moves:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._moves:
            self._live.stop()
        self._screen.print(self.line())

    def started(self, cell: str) -> None:
        """The cell of this id runs now."""
        self._current = cell

    def ended(self, cell: str, verdict: Verdict, reason: str) -> None:
        """The cell of this id has its verdict; one that did not pass is told at once."""
        self._counts[verdict] += 1
        if verdict not in (Verdict.PASS, Verdict.UNSUPPORTED) and self._is_news(reason):
            self._screen.print(
                Text.assemble((f"{verdict:>12} ", _STYLES[verdict]), f"{cell}: {reason}")
            )
        if not self._moves and self._line_is_due():
            self._screen.print(self.line())

    def _is_news(self, reason: str) -> bool:
        if self._told is None:
            return True
        known = reason in self._told
        self._told.add(reason)
        return not known

    def refresh(self) -> None:
        """Draw the block anew at once; it is drawn four times a second anyway."""
        if self._moves:
            self._live.refresh()

    @property
    def done(self) -> int:
        """The cells that have ended, those of an earlier part of the run with them."""
        return self._resumed + self._counts.total()

    def seconds_left(self) -> float | None:
        """From the pace so far; None before the first cell has ended."""
        here = self._counts.total()
        if not here:
            return None
        return (self._clock() - self._began) / here * (self._total - self.done)

    def line(self) -> Text:
        """Cells done, verdicts so far, time left: the one line of both forms."""
        return Text.assemble(f"{self.done}/{self._total} cells", *self._verdicts(), self._pace())

    def _verdicts(self) -> list[tuple[str, str]]:
        return [
            (f"  {number} {verdict}", _STYLES[verdict])
            for verdict in Verdict
            if (number := self._counts[verdict])
        ]

    def _pace(self) -> str:
        left = self.seconds_left()
        if left is None or self.done == self._total:
            return f"  {_duration(self._clock() - self._began)}"
        return f"  about {_duration(left)} left"

    def _block(self) -> Table:
        filled = _BAR * self.done // max(self._total, 1)
        block = Table.grid()
        block.add_row(
            Text.assemble(("━" * filled, "green"), ("━" * (_BAR - filled), "dim"), " ", self.line())
        )
        block.add_row(Text(self._current, style="dim", overflow="ellipsis", no_wrap=True))
        return block

    def _line_is_due(self) -> bool:
        now = self._clock()
        due = (
            self.done - self._lines_at >= LINE_EVERY_CELLS
            or now - self._last_line >= LINE_EVERY_SECONDS
        )
        if due:
            self._last_line, self._lines_at = now, self.done
        return due


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
