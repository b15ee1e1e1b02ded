"""The commands of the control socket: a table of name, request and what obeys it."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from conformance import __version__
from conformance.ikev1.errors import LocalError
from conformance.peer.host import CommandError
from conformance.peer.outcome import Mark
from conformance.peer.requests import (
    Await,
    Configure,
    Events,
    Hello,
    Named,
    Ping,
    read_request,
)
from conformance.peer.sas import child_facts, ike_facts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conformance.peer.homes import Homes

_log = logging.getLogger(__name__)

Answer = dict[str, Any]
"""What goes back beside ``id`` and ``ok``, ready for JSON."""


async def obey(homes: Homes, do: str, arguments: dict[str, Any]) -> Answer:
    """Check one request and obey it; CommandError says what is wrong with it."""
    if do not in COMMANDS:
        raise CommandError(f"unknown command {do!r}; known are {', '.join(COMMANDS)}")
    command = COMMANDS[do]
    try:
        request = read_request(command.request, arguments)
        return await command.handler(homes, request)
    except (msgspec.ValidationError, LocalError, OSError) as error:
        raise CommandError(f"{do}: {error}") from error


async def _hello(homes: Homes, _: Hello) -> Answer:
    peer = homes.peer
    return {
        "name": peer.name,
        "version": __version__,
        "pid": os.getpid(),
        "address": str(peer.address),
        "inner": str(peer.inner),
        "ports": peer.ports,
    }


async def _configure(homes: Homes, request: Configure) -> Answer:
    await homes.configure(request)
    return {}


async def _initiate(homes: Homes, request: Await) -> Answer:
    return await homes.connection(request.name).initiate(request.timeout)


async def _await_established(homes: Homes, request: Await) -> Answer:
    return await homes.connection(request.name).outcome(Mark(), request.timeout)


async def _ping(homes: Homes, request: Ping) -> Answer:
    sent, received = await homes.connection(request.name).traffic.ping(request)
    return {"sent": sent, "received": received}


async def _sas(homes: Homes, request: Named) -> Answer:
    connection = homes.connection(request.name)
    isakmp = list(connection.isakmp.values())
    return {
        "ike": ike_facts(isakmp[-1]) if isakmp else None,
        "children": [child_facts(child) for child in connection.traffic.children.values()],
    }


async def _keys(homes: Homes, request: Named) -> Answer:
    return dict(homes.connection(request.name).keys)


async def _transcript(homes: Homes, request: Named) -> Answer:
    return homes.connection(request.name).history.facts()


async def _events(homes: Homes, request: Events) -> Answer:
    events = homes.connection(request.name).history.events
    return {"events": events.since(request.since), "next": events.total}


async def _terminate(homes: Homes, request: Await) -> Answer:
    return {"deleted": homes.connection(request.name).terminate()}


async def _remove(homes: Homes, request: Named) -> Answer:
    homes.remove(request.name)
    return {}


async def _reset(homes: Homes, _: Hello) -> Answer:
    homes.reset()
    return {}


async def _shutdown(homes: Homes, _: Hello) -> Answer:
    homes.peer.stopping.set()
    return {}


class Command(NamedTuple):
    """One row: the request it takes and the function that obeys it."""

    request: type[msgspec.Struct]
    handler: Callable[[Homes, Any], Awaitable[Answer]]


COMMANDS = {
    "hello": Command(Hello, _hello),
    "configure": Command(Configure, _configure),
    "initiate": Command(Await, _initiate),
    "await_established": Command(Await, _await_established),
    "ping": Command(Ping, _ping),
    "sas": Command(Named, _sas),
    "keys": Command(Named, _keys),
    "transcript": Command(Named, _transcript),
    "events": Command(Events, _events),
    "terminate": Command(Await, _terminate),
    "remove": Command(Named, _remove),
    "reset": Command(Hello, _reset),
    "shutdown": Command(Hello, _shutdown),
}
"""Every command by its name."""
