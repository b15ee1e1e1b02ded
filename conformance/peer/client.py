"""A synchronous client of the control socket, for drivers and for people."""

from __future__ import annotations

import itertools
import json
import socket
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

MARGIN = 10.0
"""Seconds that an answer may take beyond the command's own timeout."""
_POLL = 0.02


class ControlError(Exception):
    """The peer refused a command, in its own words, or its socket cannot be reached."""


class ControlClient:
    """One connection to a peer's control socket, open until closed.

    Waits up to ``patience`` seconds for the socket to appear; ControlError where it does not.
    """

    def __init__(self, path: Path | str, patience: float = 0.0) -> None:
        self._path = str(path)
        self._ids = itertools.count(1)
        self._socket = self._connect(time.monotonic() + patience)
        self._lines = self._socket.makefile("rb")

    def _connect(self, end: float) -> socket.socket:
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self._path)
            except OSError as error:
                connection.close()
                if time.monotonic() >= end:
                    raise ControlError(f"no peer on {self._path}: {error.strerror}") from error
                time.sleep(_POLL)
            else:
                return connection

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Give one command and return its answer; ControlError with the peer's message.

        A ``timeout`` among the arguments bounds the wait too.
        """
        number = next(self._ids)
        self._socket.settimeout(float(arguments.get("timeout", 0)) + MARGIN)
        request = json.dumps({"id": number, "do": do, **arguments}, default=str)
        try:
            self._socket.sendall(request.encode() + b"\n")
            line = self._lines.readline()
        except OSError as error:
            raise ControlError(f"{do}: {self._path}: {error}") from error
        if not line:
            raise ControlError(f"{do}: the peer on {self._path} has gone")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise ControlError(answer["error"])
        if answer.pop("id") != number:
            raise ControlError(f"{do}: the answer belongs to another request")
        return answer

    def close(self) -> None:
        """Close the connection; the peer goes on."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
