"""The screen: progress and messages, on standard error, so that standard output stays data."""

from __future__ import annotations

from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator

screen = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show a spinner while the block runs, then its title with the seconds it took.

    A block that raises leaves its title marked as failed, so the last line names what broke.
    """
    started = monotonic()
    try:
        with screen.status(f"{title} ..."):
            yield
    except BaseException:
        screen.print(f"[red]x[/] {title} [dim]{monotonic() - started:.1f} s[/]")
        raise
    screen.print(f"[green]+[/] {title} [dim]{monotonic() - started:.1f} s[/]")
