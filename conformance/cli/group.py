"""A group of subcommands that answers an unknown one with the nearest match and all there are."""

from __future__ import annotations

import click

from conformance.matrix.unknown import unknown


class Group(click.Group):
    """As click's, but for an unknown subcommand, which is a UserError as any unknown name is."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The subcommand and its arguments."""
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            raise unknown("command", args[0], known, ctx.command_path)
        return super().resolve_command(ctx, args)
