"""A standing lab: its engine, images and containers, how it comes up and how it is taken down."""

from __future__ import annotations

import platform
from contextlib import closing
from dataclasses import dataclass, field
from time import sleep
from typing import TYPE_CHECKING, Any

import docker

from conformance.console import step
from conformance.errors import UserError
from conformance.lab import engine as engines
from conformance.lab import kernels
from conformance.lab.addresses import SIDES
from conformance.lab.attach import RunnerProcess, remove_orphans
from conformance.lab.containers import (
    died,
    ensure_container,
    ensure_topology,
    ensure_translator,
    remove_all,
    remove_misplaced,
)
from conformance.lab.context import REFERENCE, build_context
from conformance.lab.embedded import EmbeddedEngine
from conformance.lab.host_docker import HostDockerEngine
from conformance.lab.images import BuiltImage, ensure_image, remove_superseded
from conformance.lab.paths import StateFolder, cache_folder, state_folder
from conformance.lab.state import Journal, exclusive
from conformance.resources import peer_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from docker import DockerClient
    from docker.models.containers import Container

    from conformance.lab.engine import Engine

API_SECONDS = 600
"""Bound of one Docker request; a build's slowest silent step is far below it."""
SETTLE_SECONDS = 1.0
"""A daemon that cannot start has ended by then."""


@dataclass(slots=True)
class Lab:
    """What `open_lab` returns; close it with ``down``, or leave it up for the next command."""

    client: DockerClient
    engine: Engine
    images: dict[str, BuiltImage]
    """By peer; the reference's is always there, for the runner."""
    containers: dict[str, Container]
    """By container name."""
    was_running: bool
    """The engine carried a lab before this call, even if images or containers were renewed."""
    runners: list[RunnerProcess] = field(default_factory=list)

    @property
    def engine_name(self) -> str:
        """``docker`` or ``embedded``."""
        return self.engine.name

    def runner(self, command: list[str]) -> RunnerProcess:
        """Start a runner: a reference container with host networking and the engine's socket."""
        runner = RunnerProcess(self.client, self.images[REFERENCE].id, command)
        self.runners.append(runner)
        return runner

    def describe(self) -> dict[str, Any]:
        """Return the environment facts of a run's record."""
        version, info = self.client.version(), self.client.info()
        return {
            "engine": self.engine_name,
            "kernel": version["KernelVersion"],
            "host_kernel": platform.release(),
            "architecture": info["Architecture"],
            "docker": version["Version"],
            "images": {
                peer: {"id": image.id, "digest": image.digest}
                for peer, image in sorted(self.images.items())
            },
        }

    def down(self) -> None:
        """Take the whole lab down and close the connection."""
        self.client.close()
        take_down()


def open_lab(engine: str = "auto", peers: Sequence[str] | None = None, kernel: str = "auto") -> Lab:
    """Bring up what is not up: engine, images, network, volume and the peers' containers.

    Raises:
        UserError: no engine can run, an image does not build, or a peer's daemon does not start.
    """
    wanted = _known(peers)
    state = state_folder()
    with exclusive(state):
        active, standing = ensure_engine(state, engine, kernel)
        client = docker.DockerClient(base_url=active.base_url, timeout=API_SECONDS)
        try:
            return _fill(client, active, wanted, standing=standing)
        except BaseException:
            client.close()
            if not standing:
                _tear_down(state)
            raise


def take_down() -> bool:
    """Remove the lab and everything it made outside its cache; tell whether there was one."""
    state = state_folder()
    with exclusive(state):
        return _tear_down(state)


def _fill(client: DockerClient, active: Engine, peers: Sequence[str], *, standing: bool) -> Lab:
    """Have the images, the network, the volume and the containers of these peers."""
    images = _ensure_images(client, active, {REFERENCE, *peers})
    remove_orphans(client)
    ensure_topology(client)
    remove_misplaced(client)
    containers = _ensure_containers(client, [images[peer] for peer in peers])
    ensure_translator(client, images[REFERENCE])
    if not standing:  # nobody else can be using an earlier image
        remove_superseded(client, images.values())
    return Lab(client, active, images, containers, standing)


def _tear_down(state: StateFolder) -> bool:
    journal = Journal(state.journal)
    active = _recorded_engine(state)
    if active is not None:
        if active.is_running():
            with (
                step("Removing the lab's containers"),
                closing(docker.DockerClient(base_url=active.base_url, timeout=60)) as client,
            ):
                remove_all(client)
        active.stop()
    journal.undo()
    return active is not None


def running_engine() -> Engine | None:
    """Return the engine of the lab that stands now, or None."""
    active = _recorded_engine(state_folder())
    return active if active and active.is_running() else None


def ensure_engine(
    state: StateFolder, option: str = "auto", kernel: str = "auto"
) -> tuple[Engine, bool]:
    """Return the running engine and whether it stood; the caller holds the lock.

    Raises:
        UserError: no engine can run, or another one stands than the one asked for by name.
    """
    kernel = kernels.requested(kernel)
    name = engines.carrying(engines.requested(option), kernel)
    standing = _standing_engine(state, name, kernel)
    return standing or _start_engine(state, name, kernel), standing is not None


def _known(peers: Sequence[str] | None) -> list[str]:
    names = peer_names()
    for peer in peers or ():
        if peer not in names:
            raise UserError(f"There is no peer {peer!r}.", f"Peers: {', '.join(names)}.")
    return names if peers is None else sorted(set(peers))


def _recorded_engine(state: StateFolder) -> Engine | None:
    """Return the engine the journal names, wherever DOCKER_HOST points by now."""
    entry = Journal(state.journal).engine()
    if entry is None:
        return None
    if entry["name"] == "docker":
        return HostDockerEngine(entry["base_url"])
    return EmbeddedEngine(state, cache_folder())


def _standing_engine(state: StateFolder, name: str, kernel: str) -> Engine | None:
    """Return the engine that stands; clean up after one that was killed.

    Raises:
        UserError: another engine or kernel was asked for by name than the one that stands.
    """
    journal = Journal(state.journal)
    active = _recorded_engine(state)
    if active is None or not active.is_running():
        if journal.entries():
            with step("Cleaning up after a lab that was killed"):
                journal.undo()
        return None
    hint = "Run `ipsec-conformance lab down` first."
    if name not in ("auto", active.name):
        raise UserError(f"A lab stands on the engine {active.name}, not {name}.", hint)
    version = _kernel_version(active)
    if not kernels.is_of(version, kernel):
        raise UserError(f"A lab stands on Linux {version}, not {kernel}.", hint)
    return active


def _kernel_version(active: Engine) -> str:
    with closing(docker.DockerClient(base_url=active.base_url, timeout=60)) as client:
        return str(client.version()["KernelVersion"])


def _start_engine(state: StateFolder, name: str, kernel: str) -> Engine:
    host = HostDockerEngine.from_environment()
    builders: dict[str, Callable[[], Engine]] = {
        "docker": lambda: host,
        "embedded": lambda: EmbeddedEngine(state, cache_folder(), kernel=kernel),
    }
    active = engines.choose(name, host.refusal, builders)
    journal = Journal(state.journal)
    journal.write("engine", name=active.name, base_url=active.base_url)
    try:
        active.start()
    except BaseException:
        journal.undo()
        raise
    return active


def _ensure_images(
    client: DockerClient, active: Engine, peers: Iterable[str]
) -> dict[str, BuiltImage]:
    cache: Path = cache_folder()
    images = {peer: ensure_image(client, build_context(peer, cache)) for peer in sorted(peers)}
    if any(image.was_built for image in images.values()):
        active.flush()
    return images


def _ensure_containers(client: DockerClient, images: Sequence[BuiltImage]) -> dict[str, Container]:
    """Return the running containers by name; those just started are watched for a moment."""
    ensured = {}
    for image in images:
        for side in SIDES:
            container, started = ensure_container(client, image, side)
            ensured[str(container.name)] = (container, started)
    fresh = [container for container, started in ensured.values() if started]
    if fresh:
        sleep(SETTLE_SECONDS)
        _check_alive(fresh)
    return {name: container for name, (container, _) in ensured.items()}


def _check_alive(containers: Sequence[Container]) -> None:
    for name, output in died(containers).items():
        raise UserError(f"The container {name} ended at once.", output or "It said nothing.")
