"""A real run against a device: a daemon in the lab that the suite reaches only by its address.

The device has no more than what `dut init` wrote for it; the suite runs in a container of its own,
without a Docker socket, with no more than ``dut.toml``.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from conformance.cli import main
from conformance.lab.containers import LABELS, NETWORK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from docker.models.containers import Container

    from conformance.lab import Lab

pytestmark = pytest.mark.lab

HERE, STRONGSWAN, LIBRESWAN, NOBODY = (f"10.77.0.{number}" for number in (240, 241, 242, 243))
INSIDE = "10.241.0.1"
PORT = 7777
"""Where the device takes orders to begin: the test's own way to it, no part of the suite."""
START = 15.0
"""Seconds for a daemon."""
LISTENER = """
use IO::Socket::INET;
my $server = IO::Socket::INET->new(Listen => 5, LocalPort => PORT, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
    chomp(my $order = <$client>);
    print $client `$order 2>&1`, "status $?";
    close $client;
}
""".replace("PORT", str(PORT))
HOOK = """
import socket, sys
with socket.create_connection((sys.argv[1], PORT)) as device:
    device.sendall((sys.argv[2] + "\\n").encode())
    said = b"".join(iter(lambda: device.recv(4096), b""))
print(said.decode())
sys.exit(not said.endswith(b"status 0"))
""".replace("PORT", str(PORT))
CLAIMS = (
    *("auth=psk,rsa-sig,xauth-init-psk", "exchange=main,aggressive", "protocol=esp,ah"),
    *("mode=tunnel,transport", "pfs=none,modp2048", "esp_cipher=aes128,aes256gcm16"),
    *("cipher=aes128", "hash=sha256", "esp_integrity=sha256"),
)
SWANCTL = "swanctl --initiate --ike {exchange}-{auth} --child {mode}-{protocol}-pfs_{pfs}"
CHOICES = "exchange,auth,mode,protocol,pfs"


def make_kit(folder: Path, style: str, device: str, begin: str, claims: tuple[str, ...]) -> Path:
    """What `dut init` writes for a device of this style; ``begin`` is ordered of it to begin."""
    options = [word for claim in claims for word in ("--supports", claim)]
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *("dut", "init", str(folder), "--style", style, *options),
                *("--here", HERE, "--here-subnet", "10.240.0.0/24"),
                *("--device", device, "--device-subnet", "10.241.0.0/24"),
                *("--here-id", "fqdn:suite.example"),
                *("--trigger", f"python3 /kit/hook.py {device} '{begin}'", "--chooses", CHOICES),
            ]
        )
    assert not ended.value.code
    (folder / "hook.py").write_text(HOOK)
    return folder


def put(container: Container, files: Mapping[str, bytes]) -> None:
    """Files into a container, for root alone."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, contents in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(contents), 0o600
            tar.addfile(info, io.BytesIO(contents))
    assert container.put_archive("/", buffer.getvalue())


def order(container: Container, *words: str) -> tuple[int, str]:
    """Exit status and output of a command in a container."""
    status, output = container.exec_run(list(words), workdir="/")
    return int(status), output.decode(errors="replace")


@contextmanager
def standing(
    lab: Lab, image: str, address: str, files: Mapping[str, bytes], script: str
) -> Iterator[Container]:
    """A container with these files that runs a script; gone afterwards."""
    api = lab.client.api
    endpoint = api.create_endpoint_config(ipv4_address=address)
    created = api.create_container(
        lab.images[image].id,
        entrypoint=["sh", "-c"],
        command=[script],
        labels=LABELS,
        host_config=api.create_host_config(privileged=True, network_mode=NETWORK),
        networking_config=api.create_networking_config({NETWORK: endpoint}),
    )
    container = lab.client.containers.get(created["Id"])
    try:
        put(container, files)
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)


@contextmanager
def suite(lab: Lab, kit: Path) -> Iterator[Container]:
    """The suite's own host, with the kit in /kit."""
    files = {f"kit/{path.relative_to(kit)}": path.read_bytes() for path in all_files(kit)}
    with standing(lab, "reference", HERE, files, "exec sleep 100000") as container:
        yield container


def all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def listen(device: Container) -> None:
    device.exec_run(["perl", "-e", LISTENER], detach=True)


def until(device: Container, *words: str) -> str:
    """The output of a command once it succeeds."""
    deadline = time.monotonic() + START
    while True:
        status, output = order(device, *words)
        if not status:
            return output
        assert time.monotonic() < deadline, output
        time.sleep(0.3)


def run(container: Container, *options: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, records and messages of `dut run`."""
    command = ["ipsec-conformance", "dut", "run", "/kit/dut.toml", "--json", *options]
    status, (out, err) = container.exec_run(command, workdir="/", demux=True)
    return int(status), [json.loads(line) for line in (out or b"").splitlines()], str(err)


def ends(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our end and the device's."""
    pair = record["initiator"], record["responder"]
    return pair if pair[0]["peer"] == "reference" else pair[::-1]


def check_passes(records: list[dict[str, Any]]) -> None:
    """Every cell passed by the wire, and nothing is told of the device that nobody saw."""
    assert [
        (record["cell"], record["reason"]) for record in records if record["verdict"] != "pass"
    ] == []
    for record in records:
        ours, device = ends(record)
        assert ours["ike"]
        assert ours["child"]
        assert (device["observed"], device["ike"], device["child"]) == ("wire", None, None)
        assert record["reason"].startswith("by the wire: reference holds the SAs asked for")
        assert record["traffic"]["forward_decrypted"] == record["traffic"]["forward_seen"] > 0
        assert record["traffic"]["backward_decrypted"] == record["traffic"]["backward_seen"] > 0
        assert record["delete_seen"]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device") / "dut"
    return make_kit(folder, "strongswan", STRONGSWAN, SWANCTL, CLAIMS)


@pytest.fixture(scope="module")
def strongswan(lab: Lab, kit: Path) -> Iterator[Container]:
    """A strongSwan with what was pasted into it, and one line of strongswan.conf."""
    certificates = kit / "certificates"
    files = {
        "etc/swanctl/conf.d/conformance.conf": (kit / "strongswan/swanctl.conf").read_bytes(),
        "etc/swanctl/x509/device-rsa-sig.crt": (certificates / "device-rsa-sig.crt").read_bytes(),
        "etc/swanctl/private/device-rsa-sig.key": (
            certificates / "device-rsa-sig.key"
        ).read_bytes(),
        "etc/swanctl/x509ca/authority.crt": (certificates / "authority.crt").read_bytes(),
        "etc/strongswan.d/aggressive.conf": b"charon-systemd {\n"
        b"i_dont_care_about_security_and_use_aggressive_mode_psk = yes\n}\n",
    }
    script = f"ip address add {INSIDE}/32 dev lo; exec charon-systemd"
    with standing(lab, "strongswan-5.9.8", STRONGSWAN, files, script) as device:
        loaded = until(device, "swanctl", "--load-all")
        assert "successfully loaded 8 connections, 0 unloaded" in loaded
        listen(device)
        yield device


@pytest.mark.usefixtures("strongswan")
def test_a_strongswan_out_there_passes_in_both_roles(lab: Lab, kit: Path) -> None:
    """Every pair of what it claims; the device begins by a hook of the test's own."""
    with suite(lab, kit) as host:
        assert order(host, "test", "-e", "/var/run/docker.sock")[0] == 1
        status, records, told = run(host)
        assert status == 0, told
        check_passes(records)
        assert {record["initiator"]["peer"] for record in records} == {"reference", "dut"}
        for claim in CLAIMS:
            name, _, levels = claim.partition("=")
            seen = {record["combination"][name] for record in records}
            assert seen >= set(levels.split(",")), name
        assert order(host, "test", "-s", "/results/dut/latest/index.html")[0] == 0
        assert "there is nothing to resume" in run(host, "--resume")[2]


@pytest.mark.usefixtures("strongswan")
def test_another_psk_is_told_with_what_diverged(lab: Lab, kit: Path) -> None:
    """When the device begins, the reference names SKEYID_e; the device is not blamed for a cell."""
    with suite(lab, kit) as host:
        assert order(host, "sed", "-i", 's/^psk = .*/psk = "another"/', "/kit/dut.toml")[0] == 0
        only = ("--factor", "auth=psk", "--factor", "exchange=main", "--limit", "1")
        _, records, told = run(host, *only)
        assert [record["verdict"] for record in records] == ["fail", "fail"], told
        by_beginner = {record["initiator"]["peer"]: record for record in records}
        assert "another pre-shared key" in by_beginner["dut"]["reason"]
        assert by_beginner["dut"]["divergence"]["name"] == "SKEYID_e"


def test_nobody_at_the_address_is_told_before_a_cell_runs(lab: Lab, kit: Path) -> None:
    """Exit status 2, the address, and no run left behind."""
    with suite(lab, kit) as host:
        order(host, "sed", "-i", f's/"{STRONGSWAN}"/"{NOBODY}"/', "/kit/dut.toml")
        status, records, told = run(host, "--limit", "1")
        assert (status, records) == (2, [])
        assert f"{NOBODY}, UDP port 500: no host answers" in told
        assert order(host, "test", "-e", "/results")[0] == 1


def test_a_libreswan_out_there_passes_as_responder(lab: Lab, tmp_path: Path) -> None:
    """What a single connection of it can: a pre-shared key, ESP, tunnel and transport mode.

    As initiator it is no steady partner: docs/device-under-test.md says why.
    """
    kit = make_kit(
        tmp_path / "dut",
        "libreswan",
        LIBRESWAN,
        "ipsec auto --up conformance-{mode}",
        ("mode=tunnel,transport", "esp_cipher=aes128,aes256"),
    )
    files = {f"etc/{name}": (kit / "libreswan" / name).read_bytes() for name in PASTED}
    script = f"ip address add {INSIDE}/32 dev lo; mkdir -p /run/pluto; ipsec initnss; {PLUTO}"
    with standing(lab, "libreswan-4.10", LIBRESWAN, files, script) as device:
        assert until(device, "ipsec", "addconn", "--checkconfig") == ""
        until(device, "sh", "-c", "ipsec status | grep -q conformance-transport")
        with suite(lab, kit) as host:
            status, records, told = run(host, "--role", "responder")
        assert status == 0, told
        check_passes(records)
        assert {record["combination"]["mode"] for record in records} == {"tunnel", "transport"}


PASTED = ("ipsec.conf", "ipsec.secrets")
PLUTO = "exec ipsec pluto --config /etc/ipsec.conf --nofork"
