"""Options that several commands share, spelled and explained once."""

from __future__ import annotations

import click

from conformance.lab.addresses import SLOTS
from conformance.lab.engine import ENGINE_NAMES
from conformance.lab.kernels import KERNEL_NAMES
from conformance.runner.host import AT_ONCE

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
