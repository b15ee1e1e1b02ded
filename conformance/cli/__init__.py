"""The command ``ipsec-conformance``: one file for each group of subcommands."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from conformance import __version__
from conformance.cli.group import Group
from conformance.console import screen
from conformance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "ipsec-conformance"
"""What messages call it, however it was started."""
COMMANDS = {
    "data-plane": "data_plane",
    "dut": "dut",
    "lab": "lab",
    "matrix": "matrix",
    "peer": "peer",
    "peers": "peers",
    "report": "report",
}
"""Command -> the module of this package that holds it, imported only when it is asked for."""


class Commands(Group):
    """The subcommands, each loaded from its own module on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the subcommands in alphabetical order."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a subcommand and take the command from it."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, COMMANDS[cmd_name])
        return command


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=NAME)
def cli() -> None:
    """Find out which IPsec gateways understand each other, and why the others do not.

    A complete IKEv1, ESP and AH reference peer runs against strongSwan and Libreswan, and
    they against each other, in a lab of containers; every negotiation is judged from its
    capture and from the security associations that both ends hold.

    \b
    Start here:
      ipsec-conformance lab doctor      is everything here that a lab needs?
      ipsec-conformance matrix          run the matrix, write results/latest/index.html
      ipsec-conformance data-plane      every transform of ESP and AH against a Linux kernel
      ipsec-conformance lab down        take the lab down again
      ipsec-conformance peer --help     the reference peer against a device of your own
      ipsec-conformance dut --help      the matrix against a device of your own

    Exit status: 0 done, 1 a cell was inconclusive or broke on our side, 2 bad input or
    something missing (one message says what and how to mend it), 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; turn a UserError into one clear message and exit status 2."""
    try:
        status = cli.main(args=arguments, prog_name=NAME, standalone_mode=False)
    except UserError as error:
        screen.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)
        if error.hint:
            screen.print(escape(error.hint), soft_wrap=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        screen.print("interrupted")
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
