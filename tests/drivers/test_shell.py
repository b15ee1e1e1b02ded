"""The long-lived shell: commands go in, the Docker API's frames come out."""

from __future__ import annotations

import socket
import subprocess
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from conformance.drivers.base import DriverError
from conformance.drivers.shell import FRAME, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FakeApi:
    """A Docker API whose containers are this machine's own ``/bin/sh``."""

    def exec_create(self, container: str, command: list[str], *, stdin: bool) -> dict[str, str]:
        """Remember what to run."""
        assert stdin
        self.command = command
        return {"Id": container}

    def exec_start(self, _: str, *, socket: bool) -> SimpleNamespace:
        """Run it, attached."""
        assert socket
        return SimpleNamespace(_sock=attach(self.command), close=lambda: None)


def attach(command: list[str]) -> socket.socket:
    """Run ``command`` behind one end of a socket pair, its output framed as Docker frames it."""
    mine, theirs = socket.socketpair()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def feed() -> None:
        while data := mine.recv(4096):
            process.stdin.write(data)
        process.stdin.close()

    def drain() -> None:
        with mine, process.stdout:
            while data := process.stdout.read(7):
                mine.sendall(FRAME.pack(1, len(data)) + data)
            process.wait()
            mine.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=feed, daemon=True).start()
    threading.Thread(target=drain, daemon=True).start()
    return theirs


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setattr("conformance.drivers.shell.SHARED", tmp_path)
    container = SimpleNamespace(name="box", id="box", client=SimpleNamespace(api=FakeApi()))
    opened = Shell(container)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        pytest.param(["echo", "two words"], 0, "two words\n", id="output"),
        pytest.param(["sh", "-c", "echo oops >&2; exit 3"], 3, "oops\n", id="stderr-and-status"),
        pytest.param(["printf", "no newline"], 0, "no newline", id="no-newline"),
        pytest.param(["echo", "$HOME; `id`"], 0, "$HOME; `id`\n", id="nothing-is-expanded"),
        pytest.param(["cat"], 0, "", id="no-input"),
    ],
)
def test_a_command_gives_status_and_output(
    shell: Shell, command: list[str], status: int, output: str
) -> None:
    result = shell.run(command)
    assert (result.status, result.output) == (status, output)


def test_the_same_shell_serves_many_commands(shell: Shell) -> None:
    assert [shell.run(["echo", str(n)]).output for n in range(5)] == [f"{n}\n" for n in range(5)]


def test_a_command_is_ended_at_its_limit(shell: Shell) -> None:
    """Status 124, as ``timeout`` gives it, and the shell goes on."""
    assert shell.run(["sleep", "5"], limit=0.1).status == 124
    assert shell.run(["echo", "still here"]).output == "still here\n"


def test_a_shell_that_ended_is_our_error(shell: Shell) -> None:
    with pytest.raises(DriverError, match="the shell in box has ended"):
        shell.run(["exit"])


def test_what_may_be_long_comes_over_a_file(shell: Shell, tmp_path: Path) -> None:
    """Only what was written last, and it goes with the shell."""
    assert shell.read(["seq", "20000"]).splitlines()[-1] == "20000"
    assert shell.read(["echo", "first"], ["sh", "-c", "echo oops >&2"]) == "first\noops\n"
    assert shell.run(["echo", "aside"]).output == "aside\n"
    shell.close()
    assert not list(tmp_path.iterdir())
