"""``ipsec-conformance peer``: the reference peer as a program of its own."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path

import click

from conformance.cli.by_hand import example, initiate, respond
from conformance.cli.group import Group
from conformance.errors import UserError
from conformance.ipsec.packet import Address
from conformance.peer.log import log_to
from conformance.peer.serve import serve as serve_peer
from conformance.peer.server import ReferencePeer


class _Address(click.ParamType[Address]):
    name = "address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        """Read an address of either IP version."""
        try:
            return ip_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(cls=Group)
def peer() -> None:
    """The reference peer: IKEv1, ESP and AH in Python, strict and talkative.

    It negotiates as initiator and as responder, carries its own protected traffic, and
    when a negotiation fails it names the first value that differs. It needs neither IPsec
    in the kernel nor any address beside its outer one.

    \b
    Against a device of your own:
      ipsec-conformance peer example > peer.toml     then edit it
      ipsec-conformance peer initiate --config peer.toml --ping 3
      ipsec-conformance peer respond --config peer.toml
    In a lab, steered by a program over a socket:
      ipsec-conformance peer serve --help
    """


for _command in (example, initiate, respond):
    peer.add_command(_command)


@peer.command()
@click.option(
    "--address",
    type=_Address(),
    required=True,
    help="Outer address: IKE on UDP 500 and 4500, ESP and AH are bound to it.",
)
@click.option(
    "--inner",
    type=_Address(),
    required=True,
    help="Address inside tunnels; echo requests to it are answered. No interface needs it.",
)
@click.option(
    "--control",
    type=click.Path(path_type=Path),
    required=True,
    help="Unix socket for commands, made by the peer and readable by its owner alone.",
)
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    required=True,
    help="File for the log, appended to; the same lines go to standard output.",
)
@click.option("--name", default="reference", show_default=True, help="What it calls itself.")
def serve(address: Address, inner: Address, control: Path, log: Path, name: str) -> None:
    """Run one reference peer until it is told to stop.

    It does nothing by itself: it waits for commands, one JSON object a line, on its
    control socket. `configure` makes a connection, `initiate` negotiates it, `ping` sends
    traffic through it, `sas`, `keys`, `events` and `transcript` tell what stands, what
    happened and what was said, `terminate` deletes it, `shutdown` ends the peer, as does
    SIGTERM. docs/reference-peer.md has every command, and an example.

    Needs root, or CAP_NET_RAW and CAP_NET_BIND_SERVICE.

    \b
    Example:
      ipsec-conformance peer serve --address 192.0.2.1 --inner 10.78.1.1 \\
          --control peer.sock --log peer.log
      echo '{"id": 1, "do": "hello"}' | socat -t 5 - UNIX-CONNECT:peer.sock
    """
    log_to(log)
    try:
        asyncio.run(_serve(name, address, inner, control))
    except OSError as error:
        raise UserError(f"the peer stopped: {error}") from error


async def _serve(name: str, address: Address, inner: Address, control: Path) -> None:
    await serve_peer(ReferencePeer(name, address, inner), control)
