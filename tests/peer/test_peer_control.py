"""The control socket: what it refuses and how it says so, and who may open it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from conformance import __version__
from conformance.errors import UserError
from conformance.peer.client import ControlClient, ControlError
from conformance.peer.control import ControlServer
from conformance.peer.server import ReferencePeer

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair


@pytest.fixture
def peer() -> ReferencePeer:
    """A peer whose sockets stay shut."""
    return ReferencePeer("nobody", IPv4Address("127.0.0.13"), IPv4Address("10.78.13.1"))


def test_hello(pair: Pair) -> None:
    hello = pair.alice.call("hello")
    ike, natt = hello.pop("ports")
    assert ike == pair.alice.port != natt
    assert hello == {
        "name": "p11",
        "version": __version__,
        "pid": os.getpid(),
        "address": "127.0.0.11",
        "inner": "10.78.11.1",
    }


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"remote": "300.1.1.1"}, "300.1.1.1"),
    ({"remote": 5}, "expected IpAddress as text, got int"),
    ({"remote": None}, "missing required field `remote`"),
    ({"local_selector": "10.78.11.5/24"}, "has host bits set"),
    ({"seed": "one"}, "Expected `int`, got `str` - at `$.seed`"),
    ({"phase1": {"cipher": "rot13"}}, "unknown cipher 'rot13'; known are aes128"),
    ({"phase1": {"hash": "crc32"}}, "unknown hash 'crc32'"),
    ({"phase2": {"integrity": "crc"}}, "unknown integrity algorithm 'crc'"),
    ({"phase2": {"pfs": "modp1"}}, "unknown group 'modp1'"),
    ({"phase3": {}}, "unknown field `phase3`"),
    ({"deviations": ["nothing-of-the-kind"]}, "unknown deviation 'nothing-of-the-kind'"),
]


@pytest.mark.parametrize(("change", "complaint"), REFUSED, ids=lambda value: str(value)[:40])
def test_configure_names_what_is_wrong(change: dict[str, Any], complaint: str, pair: Pair) -> None:
    """The secret is never repeated, and a connection that stands stays."""
    pair.configure()
    with pytest.raises(ControlError) as caught:
        pair.alice.call("configure", **pair.arguments(**change))
    text = str(caught.value)
    assert complaint in text
    assert pair.psk not in text
    assert pair.alice.call("sas", name="c") == {"ike": None, "children": []}


@pytest.mark.parametrize(
    ("do", "arguments", "complaint"),
    [
        ("dance", {}, "unknown command 'dance'; known are hello, configure"),
        ("sas", {"name": "d"}, "no connection is called d"),
        ("ping", {"name": "d"}, "no connection is called d"),
        ("sas", {}, "missing required field `name`"),
        ("initiate", {"name": "c", "timeout": True}, "Expected `float`, got `bool`"),
        ("hello", {"who": "me"}, "unknown field `who`"),
    ],
)
def test_commands_are_checked(
    do: str, arguments: dict[str, Any], complaint: str, pair: Pair
) -> None:
    with pytest.raises(ControlError) as caught:
        pair.alice.call(do, **arguments)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"do": "hello"}', None),
        (b'{"id": "x", "do": "hello"}', None),
        (b'{"id": 7}', None),
        (b'{"id": 7, "do": "dance"}', 7),
        (b"\xff\xfe", None),
    ],
)
def test_lines_that_are_no_request(line: bytes, answer: int | None, pair: Pair) -> None:
    """Each is answered as not ok, with the request's id if it could be read; the client stays."""
    with socket.socket(socket.AF_UNIX) as raw, raw.makefile("rb") as lines:
        raw.connect(str(pair.alice.socket))
        raw.sendall(line + b"\n")
        refused = json.loads(lines.readline())
        assert (refused["id"], refused["ok"]) == (answer, False)
        assert refused["error"]
        raw.sendall(b'{"id": 8, "do": "hello"}\n')
        assert json.loads(lines.readline())["ok"] is True


def test_a_line_beyond_the_limit_ends_only_its_client(pair: Pair) -> None:
    with ControlClient(pair.alice.socket) as long, pytest.raises(ControlError):
        long.call("hello", text="x" * (1 << 21))
    assert pair.alice.call("hello")["name"] == "p11"


def test_clients_do_not_wait_for_each_other(pair: Pair) -> None:
    """One waits for a connection that the other's command brings about."""
    pair.configure()
    with ControlClient(pair.bob.socket) as waiting:
        request = {"id": 1, "do": "await_established", "name": "c", "timeout": 5}
        with socket.socket(socket.AF_UNIX) as raw, raw.makefile("rb") as lines:
            raw.connect(str(pair.bob.socket))
            raw.sendall(json.dumps(request).encode() + b"\n")
            assert waiting.call("hello")["name"] == "p12"
            assert pair.alice.call("initiate", name="c", timeout=5)["established"]
            assert json.loads(lines.readline())["established"] is True


def test_names_and_remotes_are_taken_over(pair: Pair) -> None:
    """A second connection with the same remote, or of the same name, replaces the first."""
    pair.establish()
    pair.alice.call("configure", **pair.arguments(name="d"))
    with pytest.raises(ControlError, match="no connection is called c"):
        pair.alice.call("sas", name="c")
    pair.alice.call("configure", **pair.arguments(name="e", remote="127.0.0.13"))
    assert pair.alice.call("sas", name="d") == {"ike": None, "children": []}
    pair.alice.call("reset")
    for name in "de":
        with pytest.raises(ControlError, match=f"no connection is called {name}"):
            pair.alice.call("sas", name=name)


def test_only_the_owner_may_open_the_socket(pair: Pair) -> None:
    """It tells keys."""
    assert pair.alice.socket.stat().st_mode & 0o777 == 0o600


def test_no_key_and_no_secret_is_logged(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        pair.establish()
        pair.alice.call("ping", name="c")
        keys = pair.alice.call("keys", name="c")
        pair.alice.call("terminate", name="c", timeout=2)
    secrets = [key["encryption_key"] for key in keys["ike"] + keys["esp"]]
    secrets += [key["integrity_key"] for key in keys["esp"]]
    assert len(secrets) == 5
    assert "SAs installed as initiator" in caplog.text
    assert not [secret for secret in (*secrets, pair.psk) if secret in caplog.text]


def test_a_socket_in_use_is_not_taken_over(pair: Pair, peer: ReferencePeer) -> None:
    server = ControlServer(peer, pair.alice.socket)
    with pytest.raises(UserError, match="a peer already listens on"):
        asyncio.run(server.open())
    assert pair.alice.call("hello")["name"] == "p11"


def test_a_stale_socket_is_replaced(peer: ReferencePeer, tmp_path: Path) -> None:
    """As a killed peer leaves it."""
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def take_over() -> str:
        server = ControlServer(peer, path)
        await server.open()
        with await asyncio.to_thread(ControlClient, path) as client:
            name: str = (await asyncio.to_thread(client.call, "hello"))["name"]
        await server.close()
        return name

    assert asyncio.run(take_over()) == "nobody"
    assert not path.exists()


def test_a_folder_that_is_missing_is_a_user_error(peer: ReferencePeer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot listen on .*: No such file or directory"):
        asyncio.run(ControlServer(peer, tmp_path / "no" / "c.sock").open())


def test_the_client_waits_for_a_peer_that_starts(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"no peer on .*: No such file or directory"):
        ControlClient(tmp_path / "nobody.sock", patience=0.05)
