"""The peer as it is run: two processes, ports 500, raw ESP sockets on loopback (needs root)."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from conformance.peer.client import ControlClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab

NUMBERS = (21, 22)


def command(number: int, folder: Path) -> list[str]:
    options = {
        "--address": f"127.0.0.{number}",
        "--inner": f"10.78.{number}.1",
        "--control": folder / f"{number}.sock",
        "--log": folder / f"{number}.log",
        "--name": f"p{number}",
    }
    words = [str(word) for option in options.items() for word in option]
    return [sys.executable, "-m", "conformance", "peer", "serve", *words]


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two running processes; whatever is left of them in the end is killed."""
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(command(number, tmp_path), stdout=subprocess.DEVNULL)
            )
            for number in NUMBERS
        ]
        for process in running:
            stack.callback(process.kill)
        yield running


def arguments(local: int, remote: int, mode: str) -> dict[str, Any]:
    form = {"tunnel": "10.78.{}.0/24", "transport": "127.0.0.{}/32"}[mode]
    return {
        "name": "raw",
        "remote": f"127.0.0.{remote}",
        "psk": "a secret of this test",
        "phase1": {"cipher": "aes256", "hash": "sha256", "group": "modp2048"},
        "phase2": {"cipher": "aes256", "integrity": "sha256", "mode": mode, "pfs": "modp2048"},
        "local_selector": form.format(local),
        "remote_selector": form.format(remote),
        "seed": 7,
    }


def test_two_processes_talk(peers: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    """Both modes one after the other; one peer ends by command, the other by SIGTERM."""
    one, other = NUMBERS
    with ExitStack() as stack:
        alice, bob = (
            stack.enter_context(ControlClient(tmp_path / f"{number}.sock", patience=10))
            for number in NUMBERS
        )
        for mode in ("tunnel", "transport"):
            alice.call("configure", **arguments(one, other, mode))
            bob.call("configure", **arguments(other, one, mode))
            outcome = alice.call("initiate", name="raw", timeout=10)
            assert outcome["established"], outcome
            assert bob.call("await_established", name="raw", timeout=5)["established"]
            for end in (alice, bob):
                told = end.call("ping", name="raw", count=3, size=1200, timeout=5)
                assert told == {"sent": 3, "received": 3}
            assert alice.call("terminate", name="raw", timeout=2)["deleted"] == 2
        alice.call("shutdown")
        assert peers[0].wait(5) == 0
        peers[1].send_signal(signal.SIGTERM)
        assert peers[1].wait(5) == 0
    assert not list(tmp_path.glob("*.sock"))
    log = (tmp_path / f"{one}.log").read_text()
    assert log.count("SAs installed as initiator") == 2
    assert "a secret of this test" not in log


def test_an_address_in_use_is_one_clear_message(
    peers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """A second peer on the same address: exit status 2, cause and remedy."""
    with ControlClient(tmp_path / f"{NUMBERS[0]}.sock", patience=10) as client:
        again = subprocess.run(
            command(NUMBERS[0], tmp_path), capture_output=True, text=True, check=False, timeout=20
        )
        assert again.returncode == 2
        assert "cannot bind UDP 127.0.0.21 port 500: Address already in use" in again.stderr
        assert "Another IKE daemon holds the port" in again.stderr
        assert "Traceback" not in again.stderr
        assert client.call("hello")["name"] == "p21"
    assert [process.poll() for process in peers] == [None, None]
