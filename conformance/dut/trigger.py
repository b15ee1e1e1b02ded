"""How a device is made to begin: a command of the user's, or a person who is told what to do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from conformance.console import screen
from conformance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.dut.device import Device, Trigger

PREFIX = "DUT_"
"""Of the environment variables that say the cell: ``DUT_CELL``, ``DUT_MODE`` ..."""
GRACE = 3.0
"""Seconds for a command to end once it is told to."""
LAST_WORDS = 400
"""Characters of a failing command's output that its message keeps."""


def check_trigger(device: Device) -> None:
    """UserError where a device shall begin and nothing is there to make it."""
    trigger = device.trigger
    if "initiator" not in device.roles:
        return
    if not trigger.command and not trigger.instruction:
        raise UserError(
            "the device shall be initiator, but [trigger] has no command and no instruction",
            'Give it one, or set roles = ["responder"].',
        )
    if trigger.command and shutil.which(trigger.command[0]) is None:
        raise UserError(
            f"trigger.command: there is no program {trigger.command[0]!r}",
            "Name one on PATH, or the whole path of a file that can be executed.",
        )
    for word in trigger.command:
        fill(word, "", dict.fromkeys(device.levels, ""))


def fill(word: str, cell: str, combination: Mapping[str, str]) -> str:
    """A word of the command with its placeholders filled in; UserError for an unknown one."""
    try:
        return word.format(cell=cell, **combination)
    except (KeyError, IndexError, ValueError) as error:
        known = ", ".join(f"{{{name}}}" for name in ("cell", *combination))
        raise UserError(
            f"trigger.command: {word!r}: unknown placeholder {error}",
            f"Known are {known}; a brace itself is written twice.",
        ) from error


class Pull:
    """A trigger that is pulled for one cell; what it started is ended with it."""

    def __init__(self, trigger: Trigger, cell: str, combination: Mapping[str, str]) -> None:
        self._trigger, self._cell, self._combination = trigger, cell, combination
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> Self:
        if self._trigger.command:
            self._process = self._start()
        else:
            self._instruct()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._end(self._process)
        self._output.close()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the command and what it has started, which is of its session."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    @property
    def failure(self) -> str | None:
        """What the command says where it has failed; None as long as it may still do its work."""
        status = self._process.poll() if self._process else None
        return f"the trigger ended with status {status}: {self._last_words()}" if status else None

    def _start(self) -> subprocess.Popen[bytes]:
        words = [fill(word, self._cell, self._combination) for word in self._trigger.command]
        told = {"cell": self._cell, **self._combination}
        environment = {PREFIX + name.upper(): level for name, level in told.items()}
        return subprocess.Popen(
            words,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _instruct(self) -> None:
        seconds = f"within {self._trigger.timeout:g} s"
        screen.print(f"{seconds}: {self._trigger.instruction}  ({self._cell})", soft_wrap=True)

    @property
    def output(self) -> str:
        """What the command has written so far."""
        # Not by seek: the command writes where the shared offset is.
        file = self._output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def _last_words(self) -> str:
        return self.output.strip()[-LAST_WORDS:] or "it said nothing"
