"""What is checked before the first cell, and the trigger: who is in the way is named."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import closing
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from conformance.dut import preflight
from conformance.dut.device import Trigger
from conformance.dut.preflight import (
    check_device,
    check_here,
    check_interface,
    interface_to,
    port_owner,
)
from conformance.dut.run import left_out, plan_for
from conformance.dut.trigger import Pull, check_trigger, fill
from conformance.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.dut.device import Device

LOCALHOST, BESIDE = IPv4Address("127.0.0.1"), IPv4Address("127.9.9.9")
LEVELS = {"mode": "tunnel", "pfs": "none"}
root_alone = pytest.mark.skipif(os.geteuid() != 0, reason="binds a port below 1024")


def bound(address: IPv4Address, port: int = 0) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((str(address), port))
    return opened


def test_the_owner_of_a_port_is_named() -> None:
    """By command and process id; nobody where nobody listens."""
    with closing(bound(BESIDE)) as held:
        port = held.getsockname()[1]
        owner = port_owner(BESIDE, port)
    assert owner
    assert owner.endswith(f"(process {os.getpid()})")
    assert port_owner(BESIDE, port) is None


def test_a_port_of_every_address_is_one_of_ours() -> None:
    with closing(bound(IPv4Address("0.0.0.0"))) as held:  # noqa: S104 - that is the point
        assert port_owner(BESIDE, held.getsockname()[1])


@root_alone
def test_a_port_that_is_taken_is_told_with_its_owner() -> None:
    with closing(bound(BESIDE, 500)), pytest.raises(UserError) as caught:
        check_here(BESIDE)
    assert f"UDP port 500 of {BESIDE} is taken by " in caught.value.message
    assert f"(process {os.getpid()})" in caught.value.message


@root_alone
def test_an_address_of_others_is_none_of_ours() -> None:
    with pytest.raises(UserError, match=r"192\.0\.2\.77 is no address of this host"):
        check_here(IPv4Address("192.0.2.77"))


def test_root_is_asked_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="needs root"):
        check_here(LOCALHOST)


def test_a_closed_port_is_told() -> None:
    """The kernel of a loopback address answers at once: nothing listens."""
    with pytest.raises(
        UserError, match=r"127\.9\.9\.9, UDP port 500: it answers that nothing listens"
    ):
        check_device(LOCALHOST, BESIDE)


@root_alone
def test_silence_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever drops what is no IKE may be a device all the same."""
    monkeypatch.setattr(preflight, "PROBE", 0.1)
    with closing(bound(BESIDE, 500)):
        check_device(LOCALHOST, BESIDE)


ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0100000A 0003 0 0 100 00000000 0 0 0
eth1 0000000A 00000000 0001 0 0 0 0000FFFF 0 0 0
eth2 0005000A 00000000 0001 0 0 0 00FFFFFF 0 0 0
eth3 00000000 0100000A 0003 0 0 50 00000000 0 0 0
"""


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("10.0.5.1", "eth2"),  # the longest prefix
        ("10.0.6.1", "eth1"),
        ("192.0.2.1", "eth3"),  # of equal ones the lower metric
        ("127.0.0.2", "lo"),
    ],
)
def test_the_interface_is_found_by_the_route(device: str, name: str) -> None:
    assert interface_to(IPv4Address(device), ROUTES) == name


def test_without_a_route_the_interface_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"no route to 192\.0\.2\.1") as caught:
        interface_to(IPv4Address("192.0.2.1"), ROUTES.splitlines()[0])
    assert "--interface" in caught.value.hint


@pytest.mark.parametrize(("kind", "good"), [("1", True), ("772", True), ("65534", False)])
def test_only_ethernet_can_be_captured(tmp_path: Path, kind: str, good: bool) -> None:  # noqa: FBT001
    (tmp_path / "tun0").mkdir()
    (tmp_path / "tun0" / "type").write_text(f"{kind}\n")
    if good:
        check_interface("tun0", tmp_path)
        return
    with pytest.raises(UserError, match="tun0 is no Ethernet"):
        check_interface("tun0", tmp_path)


def test_an_interface_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no interface 'eth9'"):
        check_interface("eth9", tmp_path)


def test_placeholders_are_the_cells_levels() -> None:
    assert fill("{mode}-pfs_{pfs} {{x}} {cell}", "c1", LEVELS) == "tunnel-pfs_none {x} c1"


@pytest.mark.parametrize("word", ["{modus}", "{", "{0}", "{}"])
def test_an_unknown_placeholder_is_told(word: str) -> None:
    with pytest.raises(UserError, match="unknown placeholder") as caught:
        fill(word, "c1", LEVELS)
    assert "{cell}, {mode}, {pfs}" in caught.value.hint


def test_the_command_gets_the_cell_in_words_and_environment() -> None:
    code = "import os, sys; print(sys.argv[1], os.environ['DUT_MODE'], os.environ['DUT_CELL'])"
    trigger = Trigger(command=(sys.executable, "-c", code, "{pfs}"))
    with Pull(trigger, "c1", LEVELS) as pull:
        await_output(pull, "none tunnel c1\n")
        assert pull.failure is None


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    code = "import sys; sys.exit('no route to gw')"
    with Pull(Trigger(command=(sys.executable, "-c", code)), "c1", LEVELS) as pull:
        await_output(pull, "no route to gw\n")
        deadline = time.monotonic() + 10
        while pull.failure is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert pull.failure == "the trigger ended with status 1: no route to gw"


def test_a_command_is_ended_with_its_cell() -> None:
    """It may run for as long as the device is awaited, and not a moment longer."""
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with Pull(Trigger(command=(sys.executable, "-c", code)), "c1", LEVELS) as pull:
        await_output(pull, "\n")
        process = int(pull.output)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
held = os.open(sys.argv[1], os.O_WRONLY)
if os.fork():
    sys.exit() if sys.argv[2] == "alone" else time.sleep(600)
print("left", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("parent", ["alone", "both"])
def test_what_a_command_has_started_is_ended_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: str
) -> None:
    """Also what does not listen, and what it has left behind: a pipe's other end tells."""
    monkeypatch.setattr("conformance.dut.trigger.GRACE", 0.1)
    path = tmp_path / "held"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with Pull(
        Trigger(command=(sys.executable, "-c", STUBBORN, str(path), parent)), "c1", LEVELS
    ) as pull:
        await_output(pull, "left\n")
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
    with closing(os.fdopen(reader, "rb", buffering=0)) as file:
        os.set_blocking(reader, True)
        assert file.read(1) == b""


def await_output(pull: Pull, words: str) -> None:
    deadline = time.monotonic() + 10
    while words not in pull.output:
        assert time.monotonic() < deadline, pull.output
        time.sleep(0.02)


def test_without_a_command_a_person_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with Pull(Trigger(instruction="press the button", timeout=5), "c1", LEVELS) as pull:
        assert (pull.failure, pull.output) == (None, "")
    assert "within 5 s: press the button  (c1)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (Trigger(), "no command and no instruction"),
        (Trigger(command=("no-such-program-here",)), "no program 'no-such-program-here'"),
        (Trigger(command=("true", "{modus}")), "unknown placeholder"),
    ],
    ids=["missing", "no program", "placeholder"],
)
def test_a_trigger_is_checked_before_the_run(device: Device, trigger: Trigger, words: str) -> None:
    begins = replace(device, roles=("initiator",), trigger=trigger)
    with pytest.raises(UserError, match=words):
        check_trigger(begins)
    check_trigger(replace(begins, roles=("responder",)))


def test_a_plan_has_just_what_the_device_claims(device: Device) -> None:
    """Both roles; where it begins, the first level of what its configuration decides."""
    both = replace(device, roles=("responder", "initiator"))
    plan = plan_for(both, {})
    assert plan.pairings == (("reference", "dut"), ("dut", "reference"))
    assert all(not cell.undeclared for cell in plan.cells)
    for name, levels in device.levels.items():
        seen = {cell.combination[name] for cell in plan.cells if cell.responder == "dut"}
        assert seen == set(levels), name
    begun = [cell.combination for cell in plan.cells if cell.initiator == "dut"]
    assert {(row["mode"], row["pfs"]) for row in begun} == {("tunnel", "none")}
    assert {row["cipher"] for row in begun} == {"aes128", "aes256"}
    assert left_out(both, plan) == 2 * len(plan.combinations) - len(plan.cells) > 0


def test_what_the_trigger_chooses_is_planned(device: Device) -> None:
    chosen = replace(
        device, roles=("initiator",), trigger=Trigger(command=("true",), chooses=("mode", "pfs"))
    )
    plan = plan_for(chosen, {})
    assert {cell.combination["mode"] for cell in plan.cells} == {"tunnel", "transport"}
    assert left_out(chosen, plan) == 0


def test_a_plan_can_be_kept_to_some_levels(device: Device) -> None:
    plan = plan_for(device, {"mode": ("transport",), "pfs": ("none",)}, limit=3)
    assert len(plan.combinations) == len(plan.cells) == 3
    assert {cell.combination["mode"] for cell in plan.cells} == {"transport"}


@pytest.mark.parametrize(
    ("restrictions", "limit", "words"),
    [
        ({"cipher": ("3des",)}, None, "--factor cipher=3des: dut does not claim it"),
        ({}, 0, "a limit of 0 leaves no combination"),
    ],
    ids=["level", "limit"],
)
def test_a_plan_that_cannot_be_is_told(
    device: Device, restrictions: dict[str, tuple[str, ...]], limit: int | None, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        plan_for(device, restrictions, limit=limit)


def test_an_empty_plan_says_what_the_trigger_does_not_choose(device: Device) -> None:
    begins = replace(device, roles=("initiator",))
    with pytest.raises(UserError, match="no cell is left: dut: mode=transport") as caught:
        plan_for(begins, {"mode": ("transport",)})
    assert "trigger.chooses" in caught.value.hint
