"""``ipsec-conformance peer initiate`` and ``respond``: the reference peer against any device."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from conformance.ikev1.events import MessageReceived, MessageSent
from conformance.peer.by_hand import NegotiationError, run
from conformance.peer.facts import event_fact
from conformance.peer.log import describe_event
from conformance.peer.setup import EXAMPLE, read_setup

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from conformance.ikev1.events import Event
    from conformance.peer.facts import PeerEvent
    from conformance.peer.setup import Setup

INTERRUPTED = 130
"""Ctrl-C before anything stood, as shells have it."""


class Reporter:
    """Writes every event to standard output as it happens: a line of text, or of JSON."""

    def __init__(self, *, as_json: bool, messages: bool) -> None:
        self._as_json = as_json
        self._messages = messages

    def event(self, event: Event | PeerEvent) -> None:
        """Tell an event."""
        if self._messages or not isinstance(event, MessageSent | MessageReceived):
            self._write(describe_event(event), event_fact(event))

    def say(self, name: str, text: str, **facts: Any) -> None:
        """Tell something that no event tells."""
        self._write(text, {"event": name, **facts})

    def _write(self, text: str, fact: dict[str, Any]) -> None:
        now = time.time()
        if self._as_json:
            click.echo(msgspec.json.encode({"time": now, **fact}))
            return
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        click.echo(f"{clock}.{int(now * 1000) % 1000:03d}  {text}")


def _shared(command: Callable[..., int]) -> Callable[..., int]:
    """The options of both commands."""
    options = (
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            required=True,
            help="The connection, in TOML: edit what `ipsec-conformance peer example` prints.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Write one JSON object per event."),
        click.option(
            "--messages", is_flag=True, help="Tell every IKE message with its payloads, too."
        ),
        click.option("--verbose", is_flag=True, help="Write the whole log to standard error."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(short_help="Negotiate with a device and carry traffic until Ctrl-C.")
@_shared
@click.option(
    "--on-traffic",
    is_flag=True,
    help="Wait for the first packet that is to be protected; needs [tun].",
)
@click.option(
    "--ping",
    "pings",
    type=click.IntRange(1),
    metavar="COUNT",
    help="Send echo requests through the tunnel, then delete it and end; goes without [tun].",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds that a negotiation may take.",
)
def initiate(
    *,
    config: Path,
    as_json: bool,
    messages: bool,
    verbose: bool,
    on_traffic: bool,
    pings: int | None,
    timeout: float,
) -> int:
    """Negotiate with a device and carry traffic until Ctrl-C, which deletes the SAs.

    The file says who we are, who the remote is and what may be agreed on. With a [tun]
    section the host's own traffic goes through the tunnel by a TUN device; without, the
    peer itself sends and answers echo requests (--ping). Needs root, or CAP_NET_RAW,
    CAP_NET_BIND_SERVICE and, for [tun], CAP_NET_ADMIN.

    \b
    Examples:
      ipsec-conformance peer example > peer.toml
      ipsec-conformance peer initiate --config peer.toml --ping 3 --messages
      ipsec-conformance peer initiate --config peer.toml --on-traffic
      ipsec-conformance peer initiate --config peer.toml --json | jq .event

    Exit status: 0 stopped by Ctrl-C or all echo requests answered, 1 the negotiation failed,
    the remote ended what stood or did not answer, 2 bad input, 130 Ctrl-C before anything stood.
    """
    setup = read_setup(config)
    traps = on_traffic or setup.own.start == "on-traffic"
    if traps and setup.own.tun is None:
        raise click.UsageError("--on-traffic needs a [tun] section: there is no traffic to watch")
    if pings and (traps or setup.own.tun):
        raise click.UsageError("--ping goes without [tun]: there, ping(8) does it")
    reporter = _reporter(as_json=as_json, messages=messages, verbose=verbose)
    return _run(_initiate(setup, reporter, traps=traps, pings=pings, patience=timeout), reporter)


async def _initiate(
    setup: Setup, reporter: Reporter, *, traps: bool, pings: int | None, patience: float
) -> int:
    has_tun = setup.own.tun is not None
    async with run(setup, reporter.event, traps=has_tun, patience=patience) as running:
        if traps:
            reporter.say("Waiting", f"waiting for traffic to {setup.connection.remote_selector}")
        elif not await running.initiate(patience):
            return INTERRUPTED
        if pings:
            sent, received = await running.ping(pings)
            text = f"{received} of {sent} echo requests answered"
            reporter.say("Pinged", text, sent=sent, received=received)
            return 0 if received == pings else 1
        if has_tun:
            await running.stay()
        elif await running.stay_while_it_stands():
            raise NegotiationError("nothing stands any more")
    return 0


@click.command(short_help="Wait for a device to negotiate, and carry traffic until Ctrl-C.")
@_shared
@click.option(
    "--once", is_flag=True, help="End with the first negotiation: when it fails, or is deleted."
)
def respond(*, config: Path, as_json: bool, messages: bool, verbose: bool, once: bool) -> int:
    """Wait for a device to negotiate, and carry traffic until Ctrl-C, which deletes the SAs.

    The file is the one that `peer initiate` takes, seen from here: only its remote is
    answered, and a packet from [tun] that finds no SA is dropped, for the remote begins.

    \b
    Examples:
      ipsec-conformance peer respond --config peer.toml
      ipsec-conformance peer respond --config peer.toml --once --messages

    Exit status: 0 stopped by Ctrl-C, or with --once after SAs that stood were deleted,
    1 with --once when the negotiation failed, 2 bad input.
    """
    setup = read_setup(config)
    reporter = _reporter(as_json=as_json, messages=messages, verbose=verbose)
    return _run(_respond(setup, reporter, once=once), reporter)


async def _respond(setup: Setup, reporter: Reporter, *, once: bool) -> int:
    async with run(setup, reporter.event, traps=False, patience=0) as running:
        text = f"waiting for {setup.connection.remote} on {setup.own.address}"
        reporter.say("Waiting", text)
        if not once:
            await running.stay()
        elif await running.first_outcome():
            await running.stay_while_it_stands()
    return 0


@click.command(short_help="Print a configuration file with every key.")
def example() -> None:
    """Print a configuration file with every key, for `initiate` and `respond`.

    What is commented out shows the default, or one possible value.

    \b
    Example:
      ipsec-conformance peer example > peer.toml
    """
    click.echo(EXAMPLE.read_text(), nl=False)


def _reporter(*, as_json: bool, messages: bool, verbose: bool) -> Reporter:
    if verbose:
        logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
    else:
        logging.getLogger("conformance").setLevel(logging.CRITICAL)
    return Reporter(as_json=as_json, messages=messages)


def _run(work: Coroutine[Any, Any, int], reporter: Reporter) -> int:
    """The exit status; a failed negotiation is told with its reason."""
    try:
        return asyncio.run(work)
    except NegotiationError as error:
        reporter.say("Failed", f"failed: {error}", reason=str(error))
        return 1
