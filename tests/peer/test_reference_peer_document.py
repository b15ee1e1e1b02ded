"""docs/reference-peer.md is executed: its example as it stands, its tables against the code."""

from __future__ import annotations

import asyncio
import doctest
import json
import re
import shlex
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.cli.peer import serve
from conformance.ikev1 import events
from conformance.peer.commands import COMMANDS
from conformance.peer.control import ControlServer
from conformance.peer.facts import PeerEvent
from conformance.peer.requests import Configure
from conformance.peer.server import ReferencePeer
from conformance.peer.sockets import UdpSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from ipaddress import IPv4Address

    from conftest import Wire

    Receive = Callable[[bytes, tuple[str, int]], None]

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference-peer.md"
TEXT = DOCUMENT.read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """What stands under a heading."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_column(title: str) -> set[str]:
    """Every name between backquotes in the first column of a section's table."""
    cells = [row.split("|")[1] for row in section(title).splitlines() if row.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@dataclass
class Datagrams:
    """UDP in memory, so that ports 500 and 4500 need no root."""

    receivers: dict[tuple[str, int], Receive] = field(default_factory=dict)

    async def open(self, address: IPv4Address, port: int, receive: Receive) -> MemoryUdp:
        """A UdpOpener."""
        self.receivers[str(address), port] = receive
        return MemoryUdp(self, (str(address), port))


class MemoryUdp(UdpSocket):
    """One port of it."""

    def __init__(self, network: Datagrams, bound: tuple[str, int]) -> None:
        self._network = network
        self._name = bound

    @property
    def port(self) -> int:
        """As asked for."""
        return self._name[1]

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        """Deliver in the loop's next turn."""
        receive = self._network.receivers[address]
        asyncio.get_running_loop().call_soon(receive, data, self._name)

    def close(self) -> None:
        """Nothing arrives any more."""
        del self._network.receivers[self._name]


def documented_options() -> list[dict[str, Any]]:
    """What the example's commands say, read as the command line reads them."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    starts = [line.removeprefix("$ ").removesuffix(" &") for line in lines]
    words = [shlex.split(line) for line in starts]
    assert all(one[:3] == ["ipsec-conformance", "peer", "serve"] for one in words)
    return [serve.make_context("serve", one[3:]).params for one in words]


@pytest.fixture
def peers(
    loop: asyncio.AbstractEventLoop,
    wire: Wire,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[list[ReferencePeer]]:
    """The peers of the document's commands, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    network = Datagrams()
    started: list[tuple[ReferencePeer, ControlServer]] = []

    async def start(options: dict[str, Any]) -> None:
        who = (options["name"], options["address"], options["inner"])
        peer = ReferencePeer(*who, open_esp=wire.open, open_udp=network.open)
        await peer.open()
        server = ControlServer(peer, options["control"])
        await server.open()
        started.append((peer, server))

    async def stop() -> None:
        for peer, server in started:
            await server.close()
            peer.close()

    for options in documented_options():
        asyncio.run_coroutine_threadsafe(start(options), loop).result(5)
    yield [peer for peer, _ in started]
    asyncio.run_coroutine_threadsafe(stop(), loop).result(5)


def test_the_example_runs_as_it_stands(peers: list[ReferencePeer]) -> None:
    """Every answer that the document shows is the answer; at its end both peers are to stop."""
    names: dict[str, Any] = {}
    text = "\n".join(blocks("pycon"))
    example = doctest.DocTestParser().get_doctest(text, names, DOCUMENT.name, str(DOCUMENT), 0)
    complaints: list[str] = []
    # Not cleared: the clients are closed below, which doctest would leave to the collector.
    result = doctest.DocTestRunner(verbose=False).run(
        example, out=complaints.append, clear_globs=False
    )
    for client in (example.globs["alice"], example.globs["bob"]):
        client.close()
    assert not result.failed, "".join(complaints)
    assert result.attempted == len(example.examples) > 20
    assert all(peer.stopping.is_set() for peer in peers)


@pytest.mark.usefixtures("peers")
def test_the_lines_on_the_wire() -> None:
    lines = [json.loads(line) for block in blocks("jsonl") for line in block.splitlines()]
    assert len(lines) == 4
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("alice.sock")
        stream = connection.makefile("rw")
        for request, answer in zip(lines[::2], lines[1::2], strict=True):
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            assert json.loads(stream.readline()) == answer
        stream.close()


def test_every_command_is_told_of_with_its_fields() -> None:
    rows = [row.split("|") for row in section("Commands").splitlines() if row.startswith("| `")]
    told = {row[1].strip(" `"): set(re.findall(r"`(\w+)`", row[2])) for row in rows}
    fields = {name: set(row.request.__struct_fields__) for name, row in COMMANDS.items()}
    assert told == fields | {"configure": set()}


def test_every_field_of_configure_is_told_of() -> None:
    assert first_column("Fields of `configure`") == set(Configure.__struct_fields__)


def test_every_event_is_told_of() -> None:
    known = {kind.__name__ for kind in (*events.Event.__args__, *PeerEvent.__args__)}
    assert first_column("Events") == known
