"""Raw sockets of IPv6: whole peers, and packets with every header, in a namespace (needs root)."""

from __future__ import annotations

import os
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

NUMBERS = (31, 32)
SUITES = ("esp", "ah", "esp+ipcomp", "ah+esp")
OUTSIDE = {"ipv6": "fd77::{}", "4in6": "fd77::{}", "6in4": "127.0.0.{}"}
INSIDE = {"ipv6": "fd78:{}::/64", "4in6": "10.78.{}.0/24", "6in4": "fd78:{}::/64"}
ECHOES = """
import asyncio
from ipaddress import IPv6Address

from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
from conformance.peer.raw_sockets import RawSockets

ends = IPv6Address("fd77::31"), IPv6Address("fd77::31")
nothing = b"\\0\\1\\4\\0\\0\\0\\0"  # a length octet, then PadN
HEADERS = [(), (0,), (60,), (0, 60), (0, 60, 60)]


async def main():
    got = []
    sockets = RawSockets(ends[1], got.append)
    sent = [
        Ipv6Packet(
            *ends,
            protocol,
            payload,
            ttl=17,
            tos=0xB9,
            headers=tuple(ExtensionHeader(number, nothing) for number in numbers),
        ).build()
        for protocol in (50, 51)
        for payload in (b"", b"\\0\\0\\20\\0" + bytes(range(200)))
        for numbers in HEADERS
    ]
    for packet in sent:
        sockets.send(packet, ends[1])
    async with asyncio.timeout(5):
        while len(got) < len(sent):
            await asyncio.sleep(0.01)
    sockets.close()
    assert sorted(got) == sorted(sent), (got, sent)
    print("all as they were sent")


asyncio.run(main())
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


@pytest.fixture
def inside() -> Iterator[list[str]]:
    """What begins a command in a namespace that has two addresses of IPv6."""
    name = f"families{os.getpid()}"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        for number in NUMBERS:
            ip("-n", name, "address", "add", f"fd77::{number}/128", "dev", "lo")
        yield ["ip", "netns", "exec", name, sys.executable]
    finally:
        ip("netns", "del", name)


def test_packets_arrive_as_they_were_sent(inside: list[str]) -> None:
    """With their extension headers, traffic class and hop limit; ESP and AH (RFC 3542)."""
    done = subprocess.run(
        [*inside, "-c", ECHOES], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout == "all as they were sent\n", done.stderr


def arguments(local: int, remote: int, family: str, phase2: dict[str, Any]) -> dict[str, Any]:
    tunnel = phase2["mode"] == "tunnel"
    form = INSIDE[family] if tunnel else OUTSIDE[family] + "/128"
    return {
        "name": "raw",
        "remote": OUTSIDE[family].format(remote),
        "psk": "a secret of this test",
        "phase1": {"cipher": "aes256", "hash": "sha256", "group": "ecp256"},
        "phase2": phase2,
        "local_selector": form.format(local),
        "remote_selector": form.format(remote),
        "seed": 7,
    }


@pytest.fixture
def peers(inside: list[str], family: str, tmp_path: Path) -> Iterator[list[ControlClient]]:
    """A client of each; whatever is left of the processes in the end is killed."""
    with ExitStack() as stack:
        for number in NUMBERS:
            options = {
                "--address": OUTSIDE[family].format(number),
                "--inner": f"10.78.{number}.1",
                "--control": tmp_path / f"{number}.sock",
                "--log": tmp_path / f"{number}.log",
            }
            words = [str(word) for option in options.items() for word in option]
            command = [*inside, "-m", "conformance", "peer", "serve", *words]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
            stack.callback(process.kill)
        yield [
            stack.enter_context(ControlClient(tmp_path / f"{number}.sock", patience=10))
            for number in NUMBERS
        ]


@pytest.mark.parametrize("family", OUTSIDE)
@pytest.mark.covers("feature:4in6", "feature:6in4", "feature:6in6", by="self")
def test_two_processes_talk(family: str, peers: list[ControlClient]) -> None:
    """Every suite in tunnel mode, and in transport mode where both families are one."""
    alice, bob = peers
    one, other = NUMBERS
    for mode in ("tunnel", "transport") if family == "ipv6" else ("tunnel",):
        for suite in SUITES:
            cipher = "aes256" if "esp" in suite else "none"
            phase2 = {"protocol": suite, "cipher": cipher, "integrity": "sha256", "mode": mode}
            alice.call("configure", **arguments(one, other, family, phase2))
            bob.call("configure", **arguments(other, one, family, phase2))
            outcome = alice.call("initiate", name="raw", timeout=10)
            assert outcome["established"], outcome
            assert bob.call("await_established", name="raw", timeout=5)["established"]
            for end in peers:
                told = end.call("ping", name="raw", count=3, size=1000, timeout=5)
                assert told == {"sent": 3, "received": 3}, (mode, suite)
            assert alice.call("terminate", name="raw", timeout=2)["deleted"] == 2
