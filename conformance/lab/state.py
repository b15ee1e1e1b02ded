"""The journal of a lab: every resource is written down before it is made, and undone from there."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from conformance.console import screen
from conformance.errors import UserError
from conformance.lab.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.lab.paths import StateFolder


def _undo_process(entry: dict[str, Any]) -> None:
    Process(entry["pid"], entry["start"], entry["program"]).kill()


def _undo_namespace(entry: dict[str, Any]) -> None:
    if Path("/run/netns", entry["name"]).exists():
        subprocess.run(["ip", "netns", "delete", entry["name"]], check=True)


def _undo_nothing(_entry: dict[str, Any]) -> None:
    """The engine's name is a note, not a resource."""


_UNDO: dict[str, Callable[[dict[str, Any]], None]] = {
    "process": _undo_process,
    "namespace": _undo_namespace,
    "engine": _undo_nothing,
}


@dataclass(frozen=True, slots=True)
class Journal:
    """An append-only file of JSON lines, one for each resource, in the order of their making."""

    path: Path

    def write(self, kind: str, **fields: Any) -> None:
        """Append one entry and have it on the disk before returning."""
        if kind not in _UNDO:
            raise ValueError(kind)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.open("a") as file:
            file.write(json.dumps({"kind": kind, **fields}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def note_process(self, process: Process) -> None:
        """Write a process down; the callback of `processes.spawn`."""
        self.write("process", **asdict(process))

    def entries(self) -> list[dict[str, Any]]:
        """Return the whole entries; a last line cut off by a kill was never acted on."""
        if not self.path.is_file():
            return []
        lines = self.path.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def engine(self) -> dict[str, Any] | None:
        """Return the entry of the engine that was started, or None when none was."""
        engines = [entry for entry in self.entries() if entry["kind"] == "engine"]
        return engines[-1] if engines else None

    def processes(self) -> list[Process]:
        """Return the processes written down, dead or alive."""
        return [
            Process(entry["pid"], entry["start"], entry["program"])
            for entry in self.entries()
            if entry["kind"] == "process"
        ]

    def undo(self) -> None:
        """Undo every entry, the latest first, and remove the state folder."""
        for entry in reversed(self.entries()):
            _UNDO[entry["kind"]](entry)
        shutil.rmtree(self.path.parent, ignore_errors=True)


@contextmanager
def exclusive(state: StateFolder, patience: float = 900.0) -> Iterator[None]:
    """Hold the lab's lock while the block runs; wait for another holder and say who it is.

    Raises:
        UserError: the other holder did not finish within ``patience`` seconds.
    """
    state.lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with state.lock.open("a+") as file:
        _acquire(file, patience)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _acquire(file: Any, patience: float) -> None:
    deadline, told = monotonic() + patience, False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = f"process {file.read().strip() or '(unknown)'}"
        else:
            return
        if monotonic() > deadline:
            raise UserError(
                f"The lab is held by {holder}, which is taking it up or down.",
                "Wait for it to finish, or end it and try again.",
            )
        if not told:
            screen.print(f"Waiting for {holder}, which is taking the lab up or down.")
            told = True
        sleep(0.2)
