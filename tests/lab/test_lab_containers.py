"""What stands inside the containers: daemons, ports, kernel, versions, addresses; and a runner."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from testinfra.backend.base import BaseBackend
from testinfra.host import Host

from conformance.errors import UserError
from conformance.lab import open_lab
from conformance.lab.addresses import SIDES, SLOTS, inner, number, outer, own_address
from conformance.lab.containers import BRIDGE, container_name
from conformance.lab.context import BuildContext
from conformance.lab.images import ensure_image
from conformance.resources import peer_names, peers_root

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.lab import Lab

pytestmark = pytest.mark.lab

HOSTS = [(peer, side) for peer in peer_names() for side in SIDES]
DAEMONS = {
    "strongswan": "charon-systemd",
    "libreswan": "pluto",
    "reference": "ipsec-conforman",
    "vpnc": "sleep",
}
"""Kind of peer -> the name of its process, which Linux cuts at 15 characters."""
STATE = "src 192.0.2.1 dst 192.0.2.2 spi 0x7fffffff"
KEY = "0x000102030405060708090a0b0c0d0e0f"
ALGORITHMS = {
    "esp": f"enc 'cbc(aes)' {KEY} auth-trunc 'hmac(sha256)' {KEY} 128",
    "ah": f"auth-trunc 'hmac(sha1)' {KEY} 96",
}


class SdkBackend(BaseBackend):  # type: ignore[misc]
    """testinfra over the Docker SDK: no docker program is needed on the host."""

    NAME = "docker-sdk"

    def __init__(self, container: Any) -> None:
        self.container = container
        super().__init__(container.name)

    def run(self, command: str, *args: str, **_options: Any) -> Any:
        line = self.get_command(command, *args)
        status, (output, errors) = self.container.exec_run(["sh", "-c", line], demux=True)
        return self.result(status, self.encode(line), output or b"", errors or b"")


def manifest(peer: str) -> dict[str, Any]:
    return tomllib.loads((peers_root() / peer / "peer.toml").read_text())


@pytest.fixture(params=HOSTS, ids=lambda host: f"{host[0]}-{host[1]}")
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    peer, side = request.param
    return peer, side


@pytest.fixture
def host(lab: Lab, place: tuple[str, str]) -> Any:
    return Host(SdkBackend(lab.containers[container_name(*place)]))


@pytest.fixture
def serves(place: tuple[str, str]) -> bool:
    """Whether the peer answers; a client has nothing bound."""
    return "responder" in manifest(place[0])["roles"]


def test_the_daemon_is_the_first_process(host: Any, place: tuple[str, str]) -> None:
    """Read from /proc: the guest's kernel does not tell ps its boot time."""
    name = DAEMONS[manifest(place[0])["kind"]]
    assert host.file("/proc/1/comm").content_string.strip() == name


def test_the_ports_of_ike_are_bound(host: Any, place: tuple[str, str], *, serves: bool) -> None:
    bound = {line.split()[3] for line in host.check_output("ss -Hlun").splitlines()}
    for port in (500, 4500):
        own = {own_address(number(*place)), outer(number(*place), SLOTS[0])}
        ends = {f"{address}:{port}" for address in {"0.0.0.0", *own}}  # noqa: S104
        assert bool(bound & ends) is serves


@pytest.mark.parametrize("protocol", ["esp", "ah"])
def test_the_kernel_takes_a_state(host: Any, protocol: str) -> None:
    state = f"ip xfrm state %s {STATE} proto {protocol}"
    add = (state % "add") + f" mode transport {ALGORITHMS[protocol]}"
    done = host.run(f"{add} && {state % 'get'} && {state % 'delete'}")
    assert done.rc == 0, done.stderr
    assert f"proto {protocol} spi 0x7fffffff" in done.stdout


def test_the_version_is_the_declared_one(host: Any, place: tuple[str, str]) -> None:
    software = manifest(place[0])["software"]
    done = host.run(
        " ".join(["%s"] * len(software["version_command"])), *software["version_command"]
    )
    assert software["version_output"] in done.stdout


@pytest.mark.parametrize("version", [4, 6])
def test_the_addresses_are_those_of_the_plan(
    host: Any, place: tuple[str, str], version: int
) -> None:
    """One outside for every slot, and whole networks inside."""
    own = number(*place)
    found = set(host.interface("eth0", family=f"inet{version}".rstrip("4")).addresses)
    assert {outer(own, slot, version) for slot in SLOTS} <= found
    route = host.check_output("ip -%s route get %s", str(version), inner(own, SLOTS[-1], version))
    assert route.startswith("local ")


@pytest.mark.parametrize("version", [4, 6])
def test_every_host_reaches_the_next(host: Any, place: tuple[str, str], version: int) -> None:
    neighbour = HOSTS[(HOSTS.index(place) + 1) % len(HOSTS)]
    ends = [outer(number(*one), SLOTS[-1], version) for one in (place, neighbour)]
    assert host.run("ping -c 1 -W 5 -I %s %s", *ends).rc == 0


def test_a_standing_lab_is_found_quickly(lab: Lab) -> None:
    open_lab().client.close()
    started = monotonic()
    again = open_lab()
    again.client.close()
    assert monotonic() - started < 2
    assert again.was_running
    assert set(again.containers) == set(lab.containers)


def test_the_record_can_say_where_it_ran(lab: Lab) -> None:
    facts = lab.describe()
    assert facts["engine"] == lab.engine_name
    assert set(facts["images"]) == set(peer_names())
    assert all(image["id"].startswith("sha256:") for image in facts["images"].values())


def test_a_runner_echoes_binary_lines_until_its_input_ends(lab: Lab) -> None:
    lines = [bytes(range(11, 256)), b"", b"x" * 100_000]
    runner = lab.runner(["cat"])
    runner.write(b"\n".join(lines) + b"\n")
    runner.close_stdin()
    assert list(runner) == lines
    assert runner.wait() == 0


def test_a_runners_errors_and_exit_status_are_kept(lab: Lab) -> None:
    runner = lab.runner(["sh", "-c", "echo out; echo reason >&2; exit 7"])
    assert list(runner.lines()) == [b"out"]
    assert (runner.errors(), runner.wait()) == ("reason\n", 7)


def test_a_runner_sees_the_bridge_and_the_engine(lab: Lab) -> None:
    command = f"cat /sys/class/net/{BRIDGE}/operstate; test -S /var/run/docker.sock && echo socket"
    runner = lab.runner(["sh", "-c", command])
    assert list(runner) == [b"up", b"socket"]
    assert runner.wait() == 0


def test_a_killed_runner_leaves_no_container(lab: Lab) -> None:
    runner = lab.runner(["sleep", "600"])
    runner.kill()
    assert runner.id not in {c.id for c in lab.client.containers.list(all=True)}


def test_an_image_that_does_not_build_says_why_and_leaves_none(lab: Lab, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM debian:bookworm-slim\nRUN echo the reason; exit 9\n")
    context = BuildContext("broken", {"Dockerfile": dockerfile})
    with pytest.raises(UserError, match="image of broken does not build") as error:
        ensure_image(lab.client, context)
    assert "the reason" in error.value.hint
    assert not lab.client.images.list(name="ipsec-conformance/broken")


def test_the_runner_of_a_killed_command_is_removed_by_the_next(lab: Lab) -> None:
    program = (
        "import time; from conformance.lab import open_lab;"
        " print(open_lab().runner(['sleep', '600']).id, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        orphan = other.stdout.readline().strip()
        other.kill()
    own = lab.runner(["sleep", "600"])
    open_lab().client.close()
    standing = {container.id for container in lab.client.containers.list()}
    own.kill()
    assert own.id in standing
    assert orphan
    assert orphan not in standing
