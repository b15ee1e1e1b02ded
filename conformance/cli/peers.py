"""``ipsec-conformance peers``: which implementations the suite knows, their claims, their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from conformance.cli.group import Group
from conformance.cli.peers_check import check
from conformance.lab.peer_status import image_digest, peer_statuses
from conformance.matrix import FACTORS, Manifest, load_manifests
from conformance.matrix.factors import find_factor
from conformance.matrix.kernels import KernelManifest, load_kernels
from conformance.matrix.tools import Tool, load_tools
from conformance.matrix.unknown import unknown
from conformance.record.claims import hold_claims
from conformance.record.observed import load_observed
from conformance.report.claims import summary
from conformance.resources import peer_names, peers_root

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOW = "show"
WIDE = 120
"""Columns of a terminal that have room for what a peer is."""

Known = Manifest | KernelManifest | Tool
WITHOUT_ROLES = {"linux": "data plane", "tool": "tool"}
"""Kind -> what the list says of those that do not negotiate."""


class Peers(Group):
    """The subcommands; what is no subcommand is the name of a peer that is to be shown."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The subcommand and its arguments."""
        if args[0] in self.list_commands(ctx) or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        return SHOW, self.get_command(ctx, SHOW), args


@click.group(cls=Peers, invoke_without_command=True, short_help="List the peers; check one.")
@click.option("--json", "as_json", is_flag=True, help="Write the manifests as JSON, one a line.")
@click.pass_context
def peers(context: click.Context, *, as_json: bool) -> None:
    """List the peers, show what one of them claims, or check its claims.

    A peer is an implementation at a version, with a folder of its own under peers/: its
    Dockerfile, its configuration templates and peer.toml, which says what it claims per
    factor. A claim that fails and a refusal of what is not claimed get different verdicts.
    What `check` saw of it stands in observed.json. A kernel (linux-6.1) negotiates nothing: it
    is the peer of `ipsec-conformance data-plane`. A tool (ike-scan) is a client that probes and
    holds no SAs: it has no column in the matrix.

    \b
    Examples:
      ipsec-conformance peers
      ipsec-conformance peers libreswan-4.10
      ipsec-conformance peers linux-6.1
      ipsec-conformance peers check strongswan-5.9.8 --factor cipher
      ipsec-conformance peers --json
    """
    context.obj = as_json
    if context.invoked_subcommand is None:
        _list(as_json=as_json)


peers.add_command(check)


@peers.command(name=SHOW)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Write the manifest as JSON.")
@click.pass_obj
def show(all_json: bool, name: str, *, as_json: bool) -> None:  # noqa: FBT001 - click's order
    """Show what one peer claims; `peers NAME` is the same.

    \b
    Examples:
      ipsec-conformance peers show libreswan-4.10
      ipsec-conformance peers libreswan-4.10 --json
    """
    known = _known()
    manifest = _find(known, name)
    if as_json or all_json:
        click.echo(msgspec.json.encode(_facts({name: manifest})[0]))
    else:
        _show_one(manifest)


def _known() -> dict[str, Known]:
    root = peers_root()
    return {**load_manifests(root), **load_kernels(root), **load_tools(root)}


def _list(*, as_json: bool) -> None:
    facts = _facts(_known())
    if as_json:
        for one in facts:
            click.echo(msgspec.json.encode(one))
    else:
        _show_all(facts)


def _facts(manifests: Mapping[str, Known]) -> list[dict[str, Any]]:
    """Each manifest, and beside it how the peer stands: in the lab, and after its last check."""
    imaged = [name for name in manifests if name in peer_names()]
    statuses = peer_statuses(imaged)
    return [
        msgspec.to_builtins(manifest)
        | {"lab": _lab_words(statuses, name), "checked": _checked(manifest)}
        for name, manifest in manifests.items()
    ]


def _lab_words(statuses: Mapping[str, Any] | None, name: str) -> str:
    if name not in peer_names():
        return "no container"
    return "no lab" if statuses is None else statuses[name].words


def _checked(manifest: Known) -> str:
    """When its claims were checked, what came of it, and whether that was another image."""
    if isinstance(manifest, KernelManifest | Tool):
        return "by data-plane" if isinstance(manifest, KernelManifest) else "no claims"
    observed = load_observed(peers_root() / manifest.name)
    if observed is None:
        return "never"
    stale = "" if observed.image == image_digest(manifest.name) else "stale: "
    return f"{stale}{observed.date}: {summary(hold_claims(manifest, observed))}"


def _find(known: dict[str, Known], name: str) -> Known:
    if name not in known:
        raise unknown("peer", name, known)
    return known[name]


def _show_all(facts: list[dict[str, Any]]) -> None:
    """A line for each; what it is, only where the terminal is wide enough for that."""
    console = Console(highlight=False)
    wide = console.width >= WIDE
    table = Table(box=None, header_style="bold")
    table.add_column("peer", no_wrap=True)
    for name in ("version", "roles", "in the lab", "claims checked", *["what it is"] * wide):
        table.add_column(name)
    for one in facts:
        roles = ", ".join(one.get("roles", ())) or WITHOUT_ROLES[one.get("kind", "tool")]
        words = (one["name"], one["version"], roles, one["lab"], one["checked"])
        table.add_row(*words, *[one["description"]] * wide)
    console.print(table)


def _show_one(manifest: Known) -> None:
    console = Console(highlight=False)
    console.print(f"[bold]{manifest.name}[/]  {manifest.description}\n")
    if isinstance(manifest, KernelManifest):
        _show_kernel(console, manifest)
    elif isinstance(manifest, Manifest):
        _show_peer(console, manifest)


def _show_kernel(console: Console, manifest: KernelManifest) -> None:
    table = Table("factor", "takes", "refuses", box=None, header_style="bold")
    for factor, levels in manifest.takes.items():
        refused = [one for one in manifest.refuses if one.factor == factor]
        words = [f"{' '.join(one.levels)} [dim]({one.words})[/]" for one in refused]
        table.add_row(factor, " ".join(levels), "; ".join(words))
    console.print(table)


def _show_peer(console: Console, manifest: Manifest) -> None:
    table = Table("factor", "claims", "does not claim", box=None, header_style="bold")
    for factor in FACTORS:
        claimed = manifest.claims.get(factor.name, ())
        absent = [level for level in factor.known if level not in claimed]
        table.add_row(factor.name, " ".join(claimed), " ".join(absent))
    console.print(table)
    for exception in manifest.exceptions:
        when = " and ".join(_condition(*part) for part in exception.when.items())
        console.print(f"\nnot {when}: {exception.reason} [dim]({exception.source})[/]")
    for known in manifest.deviations:
        when = " and ".join(_condition(*part) for part in known.when.items())
        console.print(f"\nknown fault, {when}: {known.reason} [dim]({known.source})[/]")


def _condition(name: str, levels: tuple[str, ...]) -> str:
    """``name=a|b``, or ``name!=c`` where the levels are all but one or two."""
    others = [level for level in find_factor(name).known if level not in levels]
    return (
        f"{name}!={'|'.join(others)}" if len(others) < len(levels) else f"{name}={'|'.join(levels)}"
    )
