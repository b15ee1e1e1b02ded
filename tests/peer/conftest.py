"""Two reference peers on loopback, driven through their real control sockets, without root.

IKE goes over real UDP on free ports; ESP goes over a wire in memory that tests can bend.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from conformance.peer.client import ControlClient
from conformance.peer.control import ControlServer
from conformance.peer.server import ReferencePeer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from conformance.ipsec.packet import Address

T = TypeVar("T")
Place = tuple[str, str, str]
"""Where a peer stands: its address outside, that inside, the network behind it."""

PSK = "a secret that nobody may read in a log"


@dataclass
class Wire:
    """Carries ESP between peers in one process, and keeps a copy of everything."""

    seen: list[bytes] = field(default_factory=list)
    bend: Callable[[bytes], list[bytes]] = lambda packet: [packet]
    """What becomes of a packet: [] loses it, [packet, packet] repeats it."""
    plugs: list[Plug] = field(default_factory=list)

    def open(self, address: Address, receive: Callable[[bytes], None]) -> Plug:
        """An EspOpener."""
        self.plugs.append(Plug(self, address, receive))
        return self.plugs[-1]


@dataclass(eq=False)
class Plug:
    """One peer's end of the wire."""

    wire: Wire
    address: Address
    receive: Callable[[bytes], None]

    def send(self, packet: bytes, destination: Address) -> None:
        """Deliver in the loop's next turn, as a socket would; IPv6 has but one loopback address."""
        self.wire.seen.append(packet)
        (there,) = (
            plug for plug in self.wire.plugs if plug is not self and plug.address == destination
        )
        for arriving in self.wire.bend(packet):
            asyncio.get_running_loop().call_soon(there.receive, arriving)

    def close(self) -> None:
        """Nothing arrives any more."""
        self.wire.plugs.remove(self)


@dataclass
class End:
    """One peer as a test sees it."""

    call: Callable[..., dict[str, Any]]
    """ControlClient.call."""
    socket: Path
    address: str
    inner: str
    port: int
    net: str

    def selector(self, mode: str) -> str:
        """What this end protects in this mode."""
        return {"tunnel": self.net, "transport": str(ip_network(self.address))}[mode]


def connection(local: End, remote: End, /, **changes: Any) -> dict[str, Any]:
    """The arguments of ``configure``; a dict among the changes adds to that argument."""
    mode = changes.get("phase2", {}).get("mode", "tunnel")
    arguments: dict[str, Any] = {
        "name": "c",
        "remote": remote.address,
        "remote_port": remote.port,
        "psk": PSK,
        "phase1": {"cipher": "aes128", "hash": "sha256", "group": "ecp256"},
        "phase2": {"cipher": "aes128", "integrity": "sha256", "mode": mode},
        "local_selector": local.selector(mode),
        "remote_selector": remote.selector(mode),
        "seed": 1,
    }
    for name, value in changes.items():
        arguments[name] = arguments.get(name, {}) | value if isinstance(value, dict) else value
    return arguments


@dataclass
class Pair:
    """Two peers, Alice and Bob, and the ESP wire between them."""

    alice: End
    bob: End
    wire: Wire
    psk: str = PSK

    def configure(self, *, bob: dict[str, Any] | None = None, **changes: Any) -> None:
        """The connection "c" at both ends; ``bob`` changes his side alone."""
        self.alice.call("configure", **connection(self.alice, self.bob, **changes))
        self.bob.call("configure", **connection(self.bob, self.alice, **changes | (bob or {})))

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """The arguments of ``configure`` at Alice; None among the changes leaves one out."""
        arguments = connection(self.alice, self.bob, **changes)
        return {name: value for name, value in arguments.items() if value is not None}

    def establish(self, **changes: Any) -> None:
        """Configure both ends, negotiate, and wait until both hold the SAs."""
        self.configure(**changes)
        assert self.alice.call("initiate", name="c", timeout=5)["established"]
        assert self.bob.call("await_established", name="c", timeout=5)["established"]

    @staticmethod
    def eventually(condition: Callable[[], bool], seconds: float = 3.0) -> bool:
        """Whether the condition comes true in time."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def wire() -> Wire:
    """The wire between the peers of a test."""
    return Wire()


@pytest.fixture
def pair(pair_at: Callable[[Place, Place], AbstractContextManager[Pair]]) -> Iterator[Pair]:
    places = ((f"127.0.0.{n}", f"10.78.{n}.1", f"10.78.{n}.0/24") for n in (11, 12))
    with pair_at(*places) as pair:
        yield pair


@pytest.fixture
def pair_at(
    loop: asyncio.AbstractEventLoop, wire: Wire, tmp_path: Path
) -> Callable[[Place, Place], AbstractContextManager[Pair]]:
    """Two peers that stand elsewhere."""

    async def start(
        number: int, place: Place, socket: Path
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        address, inner = map(ip_address, place[:2])
        peer = ReferencePeer(f"p{number}", address, inner, ports=(0, 0), open_esp=wire.open)
        await peer.open()
        server = ControlServer(peer, socket)
        await server.open()

        async def stop() -> None:
            await server.close()
            peer.close()
            await asyncio.sleep(0)

        return stop

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(5)

    @contextmanager
    def make(*places: Place) -> Iterator[Pair]:
        with ExitStack() as stack:
            ends = []
            for number, place in enumerate(places, 11):
                socket = tmp_path / f"{number}.sock"
                stop = wait(start(number, place, socket))
                stack.callback(lambda stop=stop: wait(stop()))
                client = stack.enter_context(ControlClient(socket))
                hello = client.call("hello")
                ends.append(
                    End(
                        client.call,
                        socket,
                        hello["address"],
                        hello["inner"],
                        hello["ports"][0],
                        place[2],
                    )
                )
            yield Pair(*ends, wire)

    return make
