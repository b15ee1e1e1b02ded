"""The embedded engine: a user-mode Linux guest with dockerd, in a namespace of the lab's."""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TYPE_CHECKING

import docker
from docker.errors import DockerException

from conformance.console import step
from conformance.errors import UserError
from conformance.lab import xstate
from conformance.lab.guest_root import images_disk, root_disk
from conformance.lab.kernels import AUTO, LINUX, find_kernel
from conformance.lab.network import TAP, LabNamespace
from conformance.lab.processes import Process, spawn, wait_until
from conformance.lab.state import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.lab.kernels import Kernel
    from conformance.lab.paths import StateFolder

GUEST_MEMORY = "3G"
BOOT_SECONDS = 120.0
HALT_SECONDS = 20.0
"""A guest that still boots obeys late or not at all; then it is killed."""
_CONSOLE_TAIL = 15


@dataclass(frozen=True, slots=True)
class EmbeddedEngine:
    """Boots, halts and watches the guest; what it made is in the journal of its state folder."""

    state: StateFolder
    cache: Path
    linux: str = LINUX
    """The user-mode Linux program that is installed."""
    kernel: str = AUTO
    """What to boot: that program, or a kernel of `kernels.SUITES`."""
    boot_seconds: float = BOOT_SECONDS
    name: str = "embedded"

    @property
    def base_url(self) -> str:
        """The forwarder's socket on the host."""
        return f"unix://{self.state.docker_socket}"

    @property
    def console_log(self) -> Path:
        """What the guest printed since its last boot; kept after the lab is down."""
        return self.cache / "console.log"

    def is_running(self) -> bool:
        """Tell whether the guest runs and its Docker API answers."""
        guest = self._guest()
        return guest is not None and guest.is_alive() and answers(self.base_url)

    def start(self) -> None:
        """Boot the guest and wait for its Docker API.

        Raises:
            UserError: not root, a tool is missing, or no API within ``boot_seconds``.
        """
        if os.geteuid() != 0:
            hint = "Run as root, or use a host Docker whose kernel can do ESP and AH."
            raise UserError("Only root can run the embedded engine.", hint)
        kernel = find_kernel(self.kernel, self.cache, self.linux)
        root, images = root_disk(self.cache), images_disk(self.cache)
        journal = Journal(self.state.journal)
        network = LabNamespace(self.state, journal)
        with step("Booting the embedded engine"):
            network.make()
            os.mkfifo(self.state.console_pipe, 0o600)
            self.console_log.unlink(missing_ok=True)
            guest = self._boot(network, journal, self._command(kernel, root, images))
            self._await_api(guest)

    def flush(self) -> None:
        """Ask the guest to write its caches to the disk of images."""
        self._order("sync")

    def stop(self) -> None:
        """Halt the guest so that its disk is clean; `Journal.undo` ends what does not obey."""
        guest = self._guest()
        if guest is None or not guest.is_alive():
            return
        with step("Halting the embedded engine"):
            self._order("halt")
            wait_until(lambda: not guest.is_alive(), HALT_SECONDS)

    def _guest(self) -> Process | None:
        guests = [p for p in Journal(self.state.journal).processes() if p.program == self._program]
        return guests[-1] if guests else None

    @property
    def _program(self) -> str:
        return os.path.basename(self.linux)  # noqa: PTH119 - the name only

    def _boot(self, network: LabNamespace, journal: Journal, kernel: list[str]) -> Process:
        # One virtual CPU, switched by ptrace: pinned, a switch does not wake another core.
        cpu = os.environ.get("IPSEC_CONFORMANCE_CPU") or max(os.sched_getaffinity(0))
        command = network.inside("taskset", "-c", str(cpu), *kernel)
        return spawn(
            command,
            self.console_log,
            journal.note_process,
            program=self._program,
            standard_input=str(self.state.console_pipe),
            environment={"TMPDIR": "/dev/shm"},  # noqa: S108 - the guest's memory file, unlinked at once
        )

    def _command(self, kernel: Kernel, root: Path, images: Path) -> list[str]:
        if shutil.which(kernel.linux) is None:
            hint = "Run `ipsec-conformance lab doctor` for the packages to install."
            raise UserError(f"The program {kernel.linux} is not installed.", hint)
        preload = [f"LD_PRELOAD={xstate.library(self.cache)}"] if xstate.is_needed() else []
        return [
            *kernel.command(*preload),
            *(f"mem={GUEST_MEMORY}", f"uml_dir={self.state.path}/uml/", "umid=guest"),
            *(f"ubd0r={root}", f"ubd1={images}", "root=/dev/ubda", "ro", "init=/sbin/lab-init"),
            f"lab_modules={kernel.modules}",
            f"vec0:transport=tap,ifname={TAP},depth=128,gro=1",
            *("con=null", "con0=fd:0,fd:1", "quiet"),
        ]

    def _await_api(self, guest: Process) -> None:
        deadline = monotonic() + self.boot_seconds
        while not answers(self.base_url):
            if not guest.is_alive():
                raise self._boot_failure(f"{self.linux} ended at once")
            if monotonic() > deadline:
                raise self._boot_failure(f"no Docker API within {self.boot_seconds:.0f} s")
            sleep(0.2)

    def _boot_failure(self, reason: str) -> UserError:
        lines = self.console_log.read_text(errors="replace").splitlines()[-_CONSOLE_TAIL:]
        hint = "\n".join(["The guest's last words:", *lines, f"Console: {self.console_log}"])
        return UserError(f"The embedded engine did not boot: {reason}.", hint)

    def _order(self, order: str) -> None:
        """Write one order to the guest's init; never wait for a reader that is gone."""
        with suppress(OSError):
            pipe = os.open(self.state.console_pipe, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(pipe, f"{order}\n".encode())
            finally:
                os.close(pipe)


def answers(base_url: str, timeout: int = 15) -> bool:
    """Tell whether a Docker API answers a ping there within ``timeout`` seconds."""
    kind, _, place = base_url.partition("://")
    if kind == "unix" and not _listens(place):
        return False
    try:
        client = docker.DockerClient(base_url=base_url, timeout=timeout)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (DockerException, OSError):
        return False


def _listens(path: str) -> bool:
    """Tell whether a socket file takes connections; the SDK leaks a socket finding that out."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
