"""The embedded engine's life: boot, kill -9, clean boot, halt, nothing left. A guest of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from conformance.lab.embedded import EmbeddedEngine
from conformance.lab.guest_root import root_disk
from conformance.lab.lab import ensure_engine, take_down
from conformance.lab.paths import StateFolder, cache_folder, state_folder
from conformance.lab.processes import Process, wait_until
from conformance.lab.state import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def own_state(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[StateFolder]:
    """A second lab's state and cache; it shares the read-only root, and pins to another CPU."""
    if lab.engine_name != "embedded":
        pytest.skip("the host's Docker is not ours to kill")
    root = root_disk(cache_folder())
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        cache = Path(folder, "cache")
        cache.mkdir()
        (cache / root.name).symlink_to(root)
        monkeypatch.setenv("IPSEC_CONFORMANCE_CACHE", str(cache))
        monkeypatch.setenv("IPSEC_CONFORMANCE_STATE", str(Path(folder, "state")))
        monkeypatch.setenv("IPSEC_CONFORMANCE_CPU", str(min(os.sched_getaffinity(0))))
        yield state_folder()
        take_down()


def traces() -> dict[str, object]:
    """Return what a lab makes outside its cache and state folder."""
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True)
    return {
        "namespaces": sorted(path.name for path in Path("/run/netns").glob("*")),
        "interfaces": sorted(line.split()[0] for line in links.stdout.splitlines()),
        "mounts": sorted(Path("/proc/mounts").read_text().splitlines()),
        "memory": sorted(path.name for path in Path("/dev/shm").iterdir()),  # noqa: S108
        "guests": sorted(path.name for path in Path.home().glob(".uml/*")),
    }


def guest_of(state: StateFolder) -> Process:
    return next(p for p in processes(state) if p.program == "linux.uml")


def kernel_of(engine: EmbeddedEngine) -> str:
    client = docker.DockerClient(base_url=engine.base_url)
    try:
        return str(client.version()["KernelVersion"])
    finally:
        client.close()


def test_a_killed_guest_is_cleaned_and_booted_again_and_down_leaves_nothing(
    own_state: StateFolder,
) -> None:
    before = traces()
    engine, stood = ensure_engine(own_state, "embedded")
    assert not stood
    first = guest_of(own_state)
    processes = Journal(own_state.journal).processes()
    os.kill(first.pid, signal.SIGKILL)
    assert wait_until(lambda: not engine.is_running(), 10)

    engine, stood = ensure_engine(own_state, "embedded")
    assert not stood
    assert engine.is_running()
    assert not any(list(process.members()) for process in processes)
    assert ensure_engine(own_state)[1]
    processes += Journal(own_state.journal).processes()
    assert isinstance(engine, EmbeddedEngine)
    assert kernel_of(engine)

    assert take_down()
    assert not any(list(process.members()) for process in processes)
    assert not own_state.path.exists()
    assert traces() == before
    assert "Power down" in engine.console_log.read_text()


def test_a_command_killed_in_mid_boot_is_cleaned_by_the_next(own_state: StateFolder) -> None:
    before = traces()
    command = [sys.executable, "-m", "conformance", "lab", "up", "--engine", "embedded"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as up:
        booting = wait_until(
            lambda: any(p.program == "linux.uml" for p in processes(own_state)), 60
        )
        up.kill()
    assert booting
    left = processes(own_state)
    assert take_down()
    assert not any(list(process.members()) for process in left)
    assert traces() == before


def processes(state: StateFolder) -> list[Process]:
    return Journal(state.journal).processes()
