"""`peer initiate` and `peer respond` as they are run: processes in network namespaces (needs root).

Each namespace has a TUN device, and TCP of the host itself goes through the tunnel.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab

BASE = """
address = "192.0.2.{here}"
remote = "192.0.2.{there}"
psk = "a secret of this test"
local_selector = "10.{here}.0.1/32"
remote_selector = "10.{there}.0.1/32"
{more}
[phase1]
cipher = "aes128"
hash = "sha256"
group = "ecp256"
{method}
[phase2]
cipher = "aes128"
integrity = "sha256"
mode = "tunnel"
lifetime_seconds = {lifetime}
"""
OUTSIDE_6, INSIDE_6 = ("192.0.2.", "2001:db8::"), (".0.1/32", "::1/128")
FAMILIES = {
    "ipv6": [OUTSIDE_6, ('"10.', '"fd78:'), INSIDE_6],
    "4in6": [OUTSIDE_6],
    "6in4": [('"10.', '"fd78:'), INSIDE_6],
}
"""What becomes of a file where addresses inside, outside or both are of IPv6."""
TUN = '[tun]\nname = "t%d"\naddress = "10.{here}.0.1/32"\n'
LISTEN = """
import socket
with socket.create_server(("{there}", 7), family=socket.{family}) as server:
    print("ready", flush=True)
    for _ in range({count}):
        connection, _ = server.accept()
        with connection:
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
            connection.sendall(data[::-1])
"""
TALK = """
import os, socket
sent = os.urandom({size})
with socket.create_connection(("{there}", 7), timeout=20) as connection:
    connection.sendall(sent)
    connection.shutdown(socket.SHUT_WR)
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
assert data == sent[::-1], (len(data), len(sent))
print(connection and "good")
"""


@dataclass
class Net:
    """Two namespaces on one link: 1 has 192.0.2.1, 2 has 192.0.2.2."""

    stack: ExitStack
    folder: Path

    def name(self, number: int) -> str:
        return f"byhand{os.getpid()}-{number}"

    def start(self, number: int, *command: str) -> subprocess.Popen[str]:
        """Start a program in a namespace; it is killed at the end."""
        program = self.stack.enter_context(
            subprocess.Popen(
                ["ip", "netns", "exec", self.name(number), *command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        self.stack.callback(program.kill)
        return program

    def python(self, number: int, code: str) -> subprocess.Popen[str]:
        return self.start(number, sys.executable, "-c", code)

    def peer(
        self,
        number: int,
        verb: str,
        *options: str,
        config: str = "",
        changes: list[tuple[str, str]] | None = None,
        **parts: Any,
    ) -> Program:
        """Start a peer with its file, in which some things are exchanged for others."""
        fields = {"here": number, "there": 3 - number, "more": "", "method": "", "lifetime": 3600}
        text = BASE + config
        for before, after in changes or ():
            text = text.replace(before, after)
        text = text.format(**fields | parts)
        path = self.folder / f"{number}.toml"
        path.write_text(text)
        words = ("peer", verb, "--config", str(path), "--json", *options)
        log = self.folder / f"{number}.log"
        with log.open("w") as output:
            process = self.stack.enter_context(
                subprocess.Popen(
                    [
                        *("ip", "netns", "exec", self.name(number)),
                        *(sys.executable, "-m", "conformance", *words),
                    ],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
        self.stack.callback(process.kill)
        return Program(process, log)


@dataclass
class Program:
    """A peer that runs."""

    process: subprocess.Popen[bytes]
    log: Path

    def told(self, name: str) -> list[dict[str, Any]]:
        """Its events of a name."""
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [fact for line in lines if (fact := json.loads(line))["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Its events of a name, once there are so many."""
        assert eventually(lambda: len(self.told(name)) >= count), self.log.read_text()
        return self.told(name)

    def stop(self) -> int:
        """Press Ctrl-C; its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(5)


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    with ExitStack() as stack:
        net = Net(stack, tmp_path)
        one, two = net.name(1), net.name(2)
        for name in (one, two):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
        ip("link", "add", "out", "netns", one, "type", "veth", "peer", "name", "out", "netns", two)
        for number, name in enumerate((one, two), 1):
            ip("-n", name, "addr", "add", f"192.0.2.{number}/24", "dev", "out")
            ip("-n", name, "addr", "add", f"2001:db8::{number}/64", "dev", "out", "nodad")
            for link in ("out", "lo"):
                ip("-n", name, "link", "set", link, "up")
        yield net


def talk(net: Net, size: int = 100_000, there: str = "10.2.0.1") -> None:
    """TCP from the first namespace to the second, through the tunnel."""
    family = "AF_INET6" if ":" in there else "AF_INET"
    server = net.python(2, LISTEN.format(count=1, there=there, family=family))
    assert server.stdout
    assert server.stdout.readline() == "ready\n"
    client = net.python(1, TALK.format(size=size, there=there))
    assert client.communicate(timeout=30)[0] == "good\n"


@pytest.mark.parametrize("nat", ["", "[nat_traversal]\nforce = true\n"], ids=["esp", "esp-in-udp"])
def test_tcp_of_the_host_goes_through_the_tunnel(nat: str, net: Net) -> None:
    """Ctrl-C deletes the SAs at both ends, and the devices are gone."""
    bob = net.peer(2, "respond", config=TUN + nat)
    bob.wait_for("Waiting")
    alice = net.peer(1, "initiate", config=TUN + nat)
    (child,) = alice.wait_for("ChildInstalled")
    assert child["udp_encapsulation"] == bool(nat)
    bob.wait_for("ChildInstalled")
    talk(net)
    assert alice.stop() == 0
    assert len(bob.wait_for("ChildDeleted")) == 1
    assert bob.wait_for("IsakmpDeleted")[0]["by_peer"]
    assert bob.stop() == 0
    links = subprocess.run(
        ["ip", "-n", net.name(1), "-br", "link"], capture_output=True, text=True, check=True
    )
    assert "t0" not in links.stdout


@pytest.mark.parametrize("family", FAMILIES)
def test_tcp_goes_through_a_tunnel_of_any_families(family: str, net: Net) -> None:
    """The first packet begins it; what the kernel says on its new links is no traffic."""
    changes = FAMILIES[family]
    bob = net.peer(2, "respond", config=TUN, changes=changes)
    bob.wait_for("Waiting")
    alice = net.peer(1, "initiate", "--on-traffic", config=TUN, changes=changes)
    alice.wait_for("Waiting")
    there = "10.2.0.1" if family == "4in6" else "fd78:2::1"
    talk(net, there=there)
    (trapped,) = alice.told("TrafficTrapped")
    assert (trapped["destination"], trapped["protocol"]) == (there, 6)
    assert len(alice.told("ChildInstalled")) == 1
    for peer in (alice, bob):
        assert not peer.told("AuditEvent")
        assert peer.stop() == 0


def test_all_traffic_of_ipv6_but_the_tunnels_own(net: Net) -> None:
    """As for IPv4 below, by the routes of IPv6."""
    bob = net.peer(2, "respond", config=TUN, changes=FAMILIES["ipv6"])
    bob.wait_for("Waiting")
    routes = 'routes = ["::/0"]\n'
    alice = net.peer(1, "initiate", config=TUN + routes, changes=FAMILIES["ipv6"])
    alice.wait_for("ChildInstalled")
    talk(net, there="fd78:2::1")
    assert alice.stop() == 0
    listed = subprocess.run(
        ["ip", "-n", net.name(1), "-6", "route"], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[:3] for line in listed.splitlines()] == [
        ["2001:db8::/64", "dev", "out"],
        ["fe80::/64", "dev", "out"],
    ]


def test_policies_bypass_ipv6_too(net: Net) -> None:
    """To the link itself, past the routes into the tunnel; the rest goes nowhere."""
    rules = '[[policy]]\naction = "bypass"\nprotocol = "tcp"\ndestination_port = 7\n'
    ip("-n", net.name(2), "addr", "add", "fd78:2::1/128", "dev", "lo")
    alice = net.peer(1, "initiate", "--on-traffic", config=TUN + rules, changes=FAMILIES["ipv6"])
    alice.wait_for("Waiting")
    ip("-n", net.name(2), "route", "add", "fd78:1::1/128", "via", "2001:db8::1")
    ip("-n", net.name(1), "route", "add", "fd78:2::1/128", "via", "2001:db8::2", "metric", "2000")
    talk(net, 1000, there="fd78:2::1")
    assert not alice.told("TrafficTrapped")
    assert not alice.told("AuditEvent")


def test_the_first_packet_starts_the_negotiation(net: Net) -> None:
    """It is not lost: the TCP handshake needs no second SYN."""
    bob = net.peer(2, "respond", config=TUN)
    bob.wait_for("Waiting")
    alice = net.peer(1, "initiate", config=TUN, more='start = "on-traffic"')
    alice.wait_for("Waiting")
    assert not alice.told("IsakmpEstablished")
    talk(net, 1000)
    (trapped,) = alice.told("TrafficTrapped")
    assert (trapped["source"], trapped["destination"], trapped["protocol"]) == (
        "10.1.0.1",
        "10.2.0.1",
        6,
    )
    assert len(alice.told("ChildInstalled")) == 1
    assert not alice.told("AuditEvent")


def test_traffic_goes_on_while_sas_are_replaced(net: Net) -> None:
    rekey = "[lifetimes]\nsoft = 0.3\noverlap = 0.5\n"
    bob = net.peer(2, "respond", config=TUN, lifetime=3)
    bob.wait_for("Waiting")
    alice = net.peer(1, "initiate", config=TUN + rekey, lifetime=3)
    alice.wait_for("ChildInstalled", 3)
    talk(net)
    assert alice.wait_for("ChildInstalled", 4)[-1]["replaces"]


def test_policies_discard_and_bypass(net: Net) -> None:
    """TCP to port 7 leaves in the clear, to the link itself; other TCP goes nowhere."""
    rules = (
        '[[policy]]\naction = "bypass"\nprotocol = "tcp"\ndestination_port = 7\n'
        '[[policy]]\naction = "discard"\n'
    )
    ip("-n", net.name(2), "addr", "add", "10.2.0.1/32", "dev", "lo")
    alice = net.peer(1, "initiate", "--on-traffic", config=TUN + rules)
    alice.wait_for("Waiting")
    ip("-n", net.name(2), "route", "add", "10.1.0.1/32", "via", "192.0.2.1")
    client = net.python(1, "import socket; socket.create_connection(('10.2.0.1', 8), timeout=0.3)")
    assert "timed out" in client.communicate(timeout=10)[0]
    drop = alice.wait_for("AuditEvent")[0]
    assert (drop["reason"], drop["destination"]) == ("OutPolBlock", "10.2.0.1")
    ip("-n", net.name(1), "route", "add", "10.2.0.1/32", "via", "192.0.2.2", "metric", "99")
    talk(net, 1000)
    assert not alice.told("TrafficTrapped")


def test_all_traffic_but_the_tunnels_own(net: Net) -> None:
    """A remote selector that covers the remote gateway itself does not swallow it."""
    bob = net.peer(2, "respond", config=TUN)
    bob.wait_for("Waiting")
    alice = net.peer(1, "initiate", config=TUN + 'routes = ["0.0.0.0/0"]\n')
    alice.wait_for("ChildInstalled")
    talk(net)
    assert alice.stop() == 0
    routes = subprocess.run(
        ["ip", "-n", net.name(1), "route"], capture_output=True, text=True, check=True
    ).stdout
    assert routes.split("\n") == ["192.0.2.0/24 dev out proto kernel scope link src 192.0.2.1 ", ""]


def test_an_assigned_address_is_used(net: Net) -> None:
    """XAUTH, Mode Config, and the address stands on the device (draft-dukes-ike-mode-cfg-02)."""
    method = 'auth = "xauth-init-psk"'
    gateway = (
        '[xauth]\nusers = {{ joe = "pw" }}\n'
        '[mode_config]\ngateway = true\nvalues = [["ip4-address", "10.1.0.1"]]\n'
    )
    host = (
        '[tun]\nname = "t%d"\n[xauth]\nuser = "joe"\npassword = "pw"\n'
        '[mode_config]\ngateway = false\nvalues = [["ip4-address", ""]]\n'
    )
    bob = net.peer(2, "respond", config=TUN + gateway, method=method)
    bob.wait_for("Waiting")
    alice = net.peer(1, "initiate", config=host, method=method)
    alice.wait_for("ChildInstalled")
    assert alice.told("ConfigurationReceived")[0]["settings"] == [["ip4-address", "10.1.0.1"]]
    assert alice.told("UserAuthenticated")[0]["accepted"]
    talk(net)


def test_an_assigned_address_is_negotiated_for(net: Net) -> None:
    """A road warrior: the gateway's one host may be anywhere, until it is told where it is."""
    values = 'values = [["ip4-address", "10.1.0.99"]]\nuse_address = true\n'
    gateway = "[mode_config]\ngateway = true\n" + values
    host = (
        '[tun]\nname = "t%d"\n[mode_config]\ngateway = false\nuse_address = true\n'
        'values = [["ip4-address", ""]]\n'
    )
    bob = net.peer(2, "respond", config=TUN + 'routes = ["10.1.0.0/24"]\n' + gateway)
    bob.wait_for("Waiting")
    alice = net.peer(1, "initiate", config=host)
    (child,) = alice.wait_for("ChildInstalled")
    assert child["local_selector"] == "IPV4-ADDR 10.1.0.99"
    bob.wait_for("ChildInstalled")
    talk(net)


def test_a_ping_and_out(net: Net) -> None:
    """Without any device: the peer answers, and everything is deleted again."""
    bob = net.peer(2, "respond", "--once")
    bob.wait_for("Waiting")
    alice = net.peer(1, "initiate", "--ping", "2")
    assert alice.process.wait(15) == 0
    (pinged,) = alice.told("Pinged")
    assert (pinged["sent"], pinged["received"]) == (2, 2)
    assert bob.process.wait(5) == 0


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("", "no result within 1 s"),
        ('auth = "xauth-init-psk"', "NO-PROPOSAL-CHOSEN"),
    ],
)
def test_a_failure_has_a_reason_and_a_status(method: str, reason: str, net: Net) -> None:
    if method:
        net.peer(2, "respond").wait_for("Waiting")
    alice = net.peer(1, "initiate", "--timeout", "1", method=method)
    assert alice.process.wait(15) == 1
    (failed,) = alice.told("Failed")
    assert reason in failed["reason"]


def test_interrupted_before_anything_stands(net: Net) -> None:
    alice = net.peer(1, "initiate", "--messages")
    alice.wait_for("MessageSent")
    assert alice.stop() == 130
