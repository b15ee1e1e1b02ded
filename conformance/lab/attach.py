"""The runner: a container of the reference image whose standard streams the command holds."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from socket import SHUT_WR
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound
from docker.types import Mount
from docker.utils import socket as frames

from conformance.lab.containers import LABELS, shared_volume
from conformance.lab.processes import Process, ProcessStat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docker import DockerClient

_STDERR_KEPT = 65536
"""Bytes of standard error kept: the end, where the reason stands."""
_ENGINE_SOCKET = "/var/run/docker.sock"
OWNER_LABEL = "org.ipsec-conformance.owner"
"""Pid and start time of the command that holds the runner's streams."""


def _own_label() -> str:
    own = ProcessStat.read(os.getpid())
    return f"{os.getpid()}:{own.start if own else 0}"


def remove_orphans(client: DockerClient) -> None:
    """Remove the runners whose command was killed; those of living commands go on."""
    for container in client.containers.list(
        all=True, filters={"label": OWNER_LABEL}, ignore_removed=True
    ):
        pid, _, start = container.labels[OWNER_LABEL].partition(":")
        if not Process(int(pid), int(start), "").is_alive():
            container.remove(force=True)


def _frames(socket: Any) -> Iterator[tuple[int, bytes]]:
    """The untyped library's frames: which stream, and a piece of it."""
    read: Any = frames.frames_iter
    yield from read(socket, tty=False)


class RunnerProcess:
    """A running runner: write its plan, read its lines, wait for its exit status."""

    def __init__(self, client: DockerClient, image: str, command: Sequence[str]) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._stderr = b""
        self._container = self._create(image, list(command))
        parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        self._response: Any = client.api.attach_socket(self.id, params=parameters)
        self._socket: Any = getattr(self._response, "_sock", self._response)
        self._socket.settimeout(None)
        client.api.start(self.id)

    @property
    def id(self) -> str:
        """The container's id."""
        return self._container

    @property
    def stderr(self) -> bytes:
        """What came on standard error so far, its end when it was long."""
        with self._lock:
            return self._stderr

    def write(self, data: bytes) -> None:
        """Write all of ``data`` to standard input."""
        self._socket.sendall(data)

    def close_stdin(self) -> None:
        """Let the runner read end of file; its output still arrives."""
        with suppress(OSError):
            self._socket.shutdown(SHUT_WR)

    def __iter__(self) -> Iterator[bytes]:
        """The same as `lines`."""
        return self.lines()

    def errors(self) -> str:
        """Return what came on standard error so far as text; `lines` reads it along the way."""
        return self.stderr.decode(errors="replace")

    def lines(self) -> Iterator[bytes]:
        """Yield standard output line by line, without the line ends, until the runner closes it."""
        rest = b""
        for stream, data in _frames(self._socket):
            if stream == frames.STDERR:
                self._keep(data)
                continue
            *lines, rest = (rest + data).split(b"\n")
            yield from lines
        if rest:
            yield rest

    def wait(self) -> int:
        """Return the exit status, when the runner has ended, and remove its container."""
        try:
            return int(self._client.api.wait(self.id, timeout=None)["StatusCode"])
        finally:
            self._remove()

    def kill(self) -> None:
        """End the runner at once and remove its container."""
        self._remove()

    def _keep(self, data: bytes) -> None:
        with self._lock:
            self._stderr = (self._stderr + data)[-_STDERR_KEPT:]

    def _remove(self) -> None:
        with suppress(NotFound, APIError):
            self._client.api.remove_container(self.id, force=True)
        self._response.close()
        self._socket.close()

    def _create(self, image: str, command: list[str]) -> str:
        created = self._client.api.create_container(
            image,
            command=command[1:],
            entrypoint=command[:1],
            labels=LABELS | {OWNER_LABEL: _own_label()},
            stdin_open=True,
            host_config=self._client.api.create_host_config(
                privileged=True,
                network_mode="host",
                mounts=[shared_volume(), Mount(_ENGINE_SOCKET, _ENGINE_SOCKET, type="bind")],
            ),
        )
        return str(created["Id"])
