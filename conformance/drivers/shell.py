"""One shell in a container that stays open: starting a process through the engine is what costs."""

from __future__ import annotations

import shlex
import struct
import time
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.drivers.base import SHARED, DriverError

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from docker.models.containers import Container

FRAME = struct.Struct(">BxxxL")
"""The Docker API's header of one piece of attached output: stream, three zero bytes, length."""

GRACE = 30.0
"""Seconds beyond a command's own time limit after which the shell itself counts as dead."""


class Result(NamedTuple):
    """What a command left behind."""

    status: int
    """Its exit status; 124 where it was ended at its time limit."""
    output: str
    """Standard output and standard error, as they came."""


class Shell:
    """Runs commands one after the other in a container's long-lived shell."""

    def __init__(self, container: Container) -> None:
        self._name = container.name
        self._numbers = count(1)
        self._buffer = b""
        api: Any = getattr(container.client, "api")  # noqa: B009 - the stubs call it optional
        created = api.exec_create(container.id, ["/bin/sh"], stdin=True)
        self._file = SHARED / f"{container.name}.{created['Id'][:12]}.out"
        self._stream = api.exec_start(created["Id"], socket=True)
        self._socket: socket.socket = self._stream._sock  # noqa: SLF001 - docker-py has no other way

    def close(self) -> None:
        """End the shell."""
        self._socket.close()
        self._stream.close()
        self._file.unlink(missing_ok=True)

    def run(self, *commands: Sequence[str], limit: float | None = None) -> Result:
        """Run commands one after the other; the status is the last one's.

        With ``limit``, for commands that may wait, each is ended after so many seconds with status
        124; it costs a process. DriverError where the shell itself does not answer any more.
        """
        prefix = [] if limit is None else ["timeout", str(limit)]
        lines = "; ".join(shlex.join([*prefix, *command]) for command in commands)
        return self._run(f"{{ {lines}; }} </dev/null 2>&1", limit)

    def read(self, *commands: Sequence[str]) -> str:
        """What commands write that may be long: over the shared volume, for the stream is slow."""
        lines = "; ".join(map(shlex.join, commands))
        self._run(f"{{ {lines}; }} </dev/null >{shlex.quote(str(self._file))} 2>&1", None)
        return self._file.read_text(errors="replace")

    def _run(self, script: str, limit: float | None) -> Result:
        mark = f"--ipsec-conformance-{next(self._numbers)}--"
        script += f"; printf '\\n%s %d\\n' {mark} $?\n"
        self._socket.sendall(script.encode())
        output, status = self._read_until(f"\n{mark} ".encode(), (limit or 0.0) + GRACE)
        return Result(status, output)

    def _read_until(self, mark: bytes, timeout: float) -> tuple[str, int]:
        end = time.monotonic() + timeout
        collected = b""
        while True:
            before, found, after = collected.partition(mark)
            if found and after.endswith(b"\n"):
                return before.decode(errors="replace"), int(after)
            collected += self._read_frame(end)

    def _read_frame(self, end: float) -> bytes:
        (_, length) = FRAME.unpack(self._read_exactly(FRAME.size, end))
        return self._read_exactly(length, end)

    def _read_exactly(self, length: int, end: float) -> bytes:
        while len(self._buffer) < length:
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                piece = self._socket.recv(65536)
            except TimeoutError as error:
                raise DriverError(f"the shell in {self._name} does not answer") from error
            if not piece:
                raise DriverError(f"the shell in {self._name} has ended")
            self._buffer += piece
        piece, self._buffer = self._buffer[:length], self._buffer[length:]
        return piece
