"""The embedded engine's life: boot, kill -9, clean boot, halt, nothing left. A guest of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from conformance.errors import UserError
from conformance.lab.context import REFERENCE
from conformance.lab.embedded import EmbeddedEngine
from conformance.lab.guest_root import root_disk
from conformance.lab.kernels import find_kernel, kept_folder
from conformance.lab.lab import ensure_engine, take_down
from conformance.lab.paths import StateFolder, cache_folder, state_folder
from conformance.lab.processes import Process, wait_until
from conformance.lab.state import Journal
from conformance.resources import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from conformance.lab import Lab
    from conformance.lab.images import BuiltImage

pytestmark = pytest.mark.lab

PROBE = PACKAGE / "lab/probe/probe.sh"


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


@pytest.fixture
def kept_kernel() -> Path:
    """The folder of Linux 6.12 in the cache that all labs share."""
    find_kernel("6.12", cache_folder())
    return kept_folder("6.12", cache_folder())


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


def test_another_kernel_boots_and_does_esp_and_ah(
    lab: Lab, kept_kernel: Path, own_state: StateFolder
) -> None:
    (cache_folder() / kept_kernel.name).symlink_to(kept_kernel)
    engine, _ = ensure_engine(own_state, kernel="6.12")
    assert isinstance(engine, EmbeddedEngine)
    assert kernel_of(engine).startswith("6.12.")
    with closing(docker.DockerClient(base_url=engine.base_url, timeout=600)) as client:
        carry_over(lab.images[REFERENCE], lab.client, client)
        states = client.containers.run(
            lab.images[REFERENCE].tag,
            entrypoint=["sh", "-ec", f"{PROBE.read_text()}\nip xfrm state"],
            privileged=True,
            network_mode="none",
            remove=True,
        )
    assert all(f"proto {protocol} spi 0x00001000" in states.decode() for protocol in ("esp", "ah"))
    with pytest.raises(UserError, match=r"stands on Linux 6\.12\.\d+, not 6\.1\."):
        ensure_engine(own_state, kernel="6.1")


def carry_over(image: BuiltImage, source: DockerClient, target: DockerClient) -> None:
    """Give an image to another engine; that is quicker than building it there."""
    target.images.load(source.images.get(image.tag).save(named=True))


def processes(state: StateFolder) -> list[Process]:
    return Journal(state.journal).processes()
