"""Options that several commands share, spelled and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.lab.addresses import SLOTS
from conformance.lab.engine import ENGINE_NAMES
from conformance.lab.kernels import KERNEL_NAMES
from conformance.runner.host import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINE_NAMES),
    default="auto",
    show_default=True,
    help="Where the lab runs; auto takes the host's Docker where its kernel can do ESP and AH.",
)
kernel_option = click.option(
    "--kernel",
    type=click.Choice(KERNEL_NAMES),
    default="auto",
    show_default=True,
    help="Which Linux the embedded engine boots; auto is the one installed.",
)
resume_option = click.option(
    "--resume", is_flag=True, help="Go on with the newest run that was cut short."
)
keep_lab_option = click.option(
    "--keep-lab", is_flag=True, help="Leave the lab up afterwards, for a quicker next run."
)
plan_option = click.option(
    "--plan", "plan_only", is_flag=True, help="Show the plan; run nothing, need no lab."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write one JSON record a line to stdout."
)
at_once_option = click.option(
    "--at-once",
    type=click.IntRange(1, len(SLOTS)),
    default=AT_ONCE,
    show_default=True,
    help="How many cells run at the same time.",
)
strength_option = click.option(
    "--strength",
    type=click.IntRange(2, 3),
    default=2,
    show_default=True,
    help="How many factors meet in every way: 2 for pairs of levels, 3 for triples.",
)


def factor_option(help_text: str) -> Decorator:
    """``--factor``, several times; what a command's factors are is for it to say."""
    return click.option(
        "--factor", "factors", multiple=True, metavar="FACTOR=LEVEL,...", help=help_text
    )


def limit_option(what: str) -> Decorator:
    """``--limit`` to the first N of ``what``."""
    return click.option("--limit", type=int, metavar="N", help=f"Only the first N {what}.")


def seed_option(what: str) -> Decorator:
    """``--seed`` of ``what``."""
    return click.option("--seed", type=int, default=1, show_default=True, help=f"Seed of {what}.")


def results_option(folder: str, then: str) -> Decorator:
    """``--results``: where runs are kept, ``then`` what of them stands there."""
    return click.option(
        "--results",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(folder),
        show_default=True,
        help=f"Where runs are kept; {then}.",
    )
