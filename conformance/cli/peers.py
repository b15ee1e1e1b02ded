"""``ipsec-conformance peers``: which implementations the suite knows, and what they claim."""

from __future__ import annotations

import click
import msgspec
from rich.console import Console
from rich.table import Table

from conformance.matrix import FACTORS, Manifest, load_manifests
from conformance.matrix.factors import find_factor
from conformance.matrix.kernels import KernelManifest, load_kernels
from conformance.matrix.tools import Tool, load_tools
from conformance.matrix.unknown import unknown
from conformance.resources import peers_root

Known = Manifest | KernelManifest | Tool
WITHOUT_ROLES = {KernelManifest: ("data plane",), Tool: ("tool",)}
"""What the list says of those that do not negotiate."""


@click.command(short_help="List the peers, or show what one claims.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write the manifests as JSON.")
def peers(name: str | None, *, as_json: bool) -> None:
    """List the peers, or show what one of them claims.

    A peer is an implementation at a version, with a folder of its own under peers/: its
    Dockerfile, its configuration templates and peer.toml, which says what it claims per
    factor. A claim that fails and a refusal of what is not claimed get different verdicts.
    A kernel (linux-6.1) negotiates nothing: it is the peer of `ipsec-conformance data-plane`.
    A tool (ike-scan) is a client that probes and holds no SAs: it has no column in the matrix.

    \b
    Examples:
      ipsec-conformance peers
      ipsec-conformance peers libreswan-4.10
      ipsec-conformance peers linux-6.1
      ipsec-conformance peers --json
    """
    known: dict[str, Known] = {
        **load_manifests(peers_root()),
        **load_kernels(peers_root()),
        **load_tools(peers_root()),
    }
    chosen = [_find(known, name)] if name else list(known.values())
    if as_json:
        for manifest in chosen:
            click.echo(msgspec.json.encode(manifest))
    elif name:
        _show_one(chosen[0])
    else:
        _show_all(chosen)


def _find(known: dict[str, Known], name: str) -> Known:
    if name not in known:
        raise unknown("peer", name, known)
    return known[name]


def _show_all(manifests: list[Known]) -> None:
    table = Table("peer", "version", "roles", "what it is", box=None, header_style="bold")
    for manifest in manifests:
        roles = manifest.roles if isinstance(manifest, Manifest) else WITHOUT_ROLES[type(manifest)]
        table.add_row(manifest.name, manifest.version, ", ".join(roles), manifest.description)
    Console(highlight=False).print(table)


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


def _condition(name: str, levels: tuple[str, ...]) -> str:
    """``name=a|b``, or ``name!=c`` where the levels are all but one or two."""
    others = [level for level in find_factor(name).known if level not in levels]
    return (
        f"{name}!={'|'.join(others)}" if len(others) < len(levels) else f"{name}={'|'.join(levels)}"
    )
