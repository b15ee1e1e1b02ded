"""Processes that outlive the command: started behind a gate, known by pid and start time."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_GATE = 'read -r go || exit 1; exec "$@" 0<>"$0"'
"""Waits for a line before it becomes the program; end of file instead means the parent died."""


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """The columns of ``/proc/PID/stat`` that say who a process is."""

    pid: int
    state: str
    session: int
    start: int
    """Clock ticks since boot; with the pid it names one process for ever."""

    @classmethod
    def read(cls, pid: int) -> ProcessStat | None:
        """Return the stat of a process, or None when there is none."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = text.rpartition(")")[2].split()
        return cls(pid, fields[0], int(fields[3]), int(fields[19]))


@dataclass(frozen=True, slots=True)
class Process:
    """A session leader the lab started, with everything it may have forked."""

    pid: int
    start: int
    program: str
    """Base name of the executable, to recognise children whose leader was killed."""

    def is_alive(self) -> bool:
        """Tell whether this very process runs; a zombie and a reused pid do not count."""
        stat = ProcessStat.read(self.pid)
        return stat is not None and stat.start == self.start and stat.state not in "ZX"

    def members(self) -> Iterator[int]:
        """Yield the living pids of the session, without its leader's zombie.

        Linux reuses no pid that still names a session, so with the leader gone the rest is ours
        if it runs our program; with another leader in its place nothing is.
        """
        leader = ProcessStat.read(self.pid)
        if leader is not None and leader.start != self.start:
            return
        for stat in _all_processes():
            ours = leader is not None or _program(stat.pid) == self.program
            if stat.session == self.pid and stat.state not in "ZX" and ours:
                yield stat.pid

    def kill(self, patience: float = 5.0) -> None:
        """End the whole session: SIGTERM, then SIGKILL after ``patience`` seconds."""
        for order, bound in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
            for pid in self.members():
                with suppress(ProcessLookupError):
                    os.kill(pid, order)
            if wait_until(lambda: not any(self.members()), bound):
                break
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)


def _all_processes() -> Iterator[ProcessStat]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - names only; half of them vanish meanwhile
        stat = ProcessStat.read(int(name)) if name.isdigit() else None
        if stat is not None:
            yield stat


def _program(pid: int) -> str:
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name  # noqa: PTH115 - a name, not a path to follow
    except OSError:
        return ""


def wait_until(condition: Callable[[], bool], seconds: float, interval: float = 0.05) -> bool:
    """Poll ``condition`` until it holds (True) or the time is over (False)."""
    deadline = monotonic() + seconds
    while not condition():
        if monotonic() > deadline:
            return False
        sleep(interval)
    return True


def spawn(
    command: Sequence[str],
    log: Path,
    note: Callable[[Process], None],
    *,
    program: str | None = None,
    standard_input: str = "/dev/null",
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start ``command`` in a session of its own, its output in ``log``.

    ``note`` is called with the process before the command runs: if this process is killed
    before the journal has the entry, the child sees its gate close and ends.
    """
    gate, opener = os.pipe()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _GATE, standard_input, *command],
        dict(os.environ | dict(environment or {})),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, gate, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    os.close(gate)
    stat = ProcessStat.read(pid)
    process = Process(pid, stat.start if stat else 0, program or Path(command[0]).name)
    try:
        note(process)
        os.write(opener, b"go\n")
    finally:
        os.close(opener)
    return process
