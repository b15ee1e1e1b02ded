"""One connection run by hand: negotiate or wait, carry traffic, tell what happens, clean up."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

from conformance.errors import UserError
from conformance.ikev1.events import ConfigurationReceived
from conformance.ikev1.mode_config import address_of
from conformance.ipsec.spd import Spd
from conformance.peer.clear import ClearSocket
from conformance.peer.gateway import Gateway
from conformance.peer.outcome import Mark
from conformance.peer.requests import Ping
from conformance.peer.server import ReferencePeer
from conformance.peer.tun import Tun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from conformance.ikev1.events import Event
    from conformance.ipsec.packet import Address
    from conformance.peer.connection import Connection
    from conformance.peer.facts import PeerEvent
    from conformance.peer.setup import Setup, TunSettings

    Tell = Callable[[Event | PeerEvent], None]

_STEP = 0.2
"""Seconds between two looks at whether anything still stands."""


class NegotiationError(Exception):
    """No SA came about, or what stood is gone; the text says why."""


@dataclass(slots=True)
class ByHand:
    """What runs, and how it is told to stop."""

    peer: ReferencePeer
    connection: Connection
    gateway: Gateway | None

    async def initiate(self, seconds: float) -> bool:
        """Negotiate; whether it was not stopped meanwhile. Raises NegotiationError."""
        outcome = await self._unless_stopped(self.connection.initiate(seconds))
        return _judge(outcome)

    async def first_outcome(self) -> bool:
        """Wait for what the remote begins; as initiate()."""
        forever = self.connection.outcome(Mark(), float("inf"))
        return _judge(await self._unless_stopped(forever))

    async def ping(self, count: int) -> tuple[int, int]:
        """Echo requests through the tunnel; (sent, received)."""
        request = Ping(name=self.connection.settings.name, count=count, timeout=count + 1.0)
        return await self.connection.traffic.ping(request)

    async def stay(self) -> None:
        """Carry traffic until told to stop."""
        await self.peer.stopping.wait()

    async def stay_while_it_stands(self) -> bool:
        """As stay(), but only until nothing stands any more; whether that is why it ended."""
        while not self.peer.stopping.is_set():
            if not self.connection.traffic.children:
                return True
            await asyncio.sleep(_STEP)
        return False

    async def _unless_stopped(self, outcome: Any) -> dict[str, Any] | None:
        tasks = [asyncio.ensure_future(outcome), asyncio.ensure_future(self.peer.stopping.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        return None if self.peer.stopping.is_set() else tasks[0].result()


def _judge(outcome: dict[str, Any] | None) -> bool:
    if outcome is not None and not outcome["established"]:
        raise NegotiationError(_why(outcome))
    return outcome is not None


def _why(outcome: dict[str, Any]) -> str:
    """The reason of a failure, and the first value that differed where one is known."""
    text = str(outcome["failure"])
    divergence = outcome["divergence"]
    if divergence is None:
        return text
    differs = "{name}: expected {expected}, got {got}".format(**divergence)
    explanation = f" ({divergence['explanation']})" if divergence["explanation"] else ""
    return f"{text}; {differs}{explanation}"


@asynccontextmanager
async def run(setup: Setup, tell: Tell, *, traps: bool, patience: float) -> AsyncIterator[ByHand]:
    """A peer with its one connection and its device; at the end every SA is deleted.

    SIGINT and SIGTERM set ``peer.stopping``. Raises UserError where something cannot be opened.
    """
    own = setup.own
    peer = ReferencePeer(setup.connection.name, own.address, setup.inner, ports=own.ports)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, peer.stopping.set)
    with ExitStack() as stack:
        await peer.open()
        stack.callback(peer.close)
        connection = peer.configure(setup.connection)
        connection.listeners.append(tell)
        stack.callback(connection.terminate)
        gateway = (
            _open_gateway(setup, own.tun, connection, stack, traps=traps, patience=patience)
            if own.tun
            else None
        )
        yield ByHand(peer, connection, gateway)
    # What was just said leaves before the sockets' loop ends.
    await asyncio.sleep(0)


def _open_gateway(
    setup: Setup,
    settings: TunSettings,
    connection: Connection,
    stack: ExitStack,
    *,
    traps: bool,
    patience: float,
) -> Gateway:
    clear = ClearSocket(setup.own.address)
    stack.callback(clear.close)
    spd = _spd(setup)
    gateway = Gateway(connection, spd, clear.send, traps=traps, patience=patience)
    stack.callback(gateway.close)
    tun = Tun(settings.name, settings.mtu, gateway.leave)
    stack.callback(tun.close)
    if settings.address is not None:
        tun.give_address(settings.address)
    routes = settings.routes
    for network in (setup.connection.remote_selector,) if routes is None else routes:
        tun.add_route(network, setup.connection.remote)
    connection.traffic.deliver = lambda inner: tun.send(inner.build())

    def take_address(event: Event | PeerEvent) -> None:
        given = address_of(event.values) if isinstance(event, ConfigurationReceived) else None
        if given is None:
            return
        try:
            tun.give_address(ip_interface(given))
            gateway.spd = _spd(setup, given)
        except (UserError, ValueError) as error:  # what the remote gives need not be good
            connection.note_failure(str(error))

    connection.listeners.append(take_address)
    return gateway


def _spd(setup: Setup, given: Address | None = None) -> Spd:
    return Spd(one.entry for one in setup.policies(given))
