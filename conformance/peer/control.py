"""The control socket: JSON lines over a unix stream, any number of clients.

``{"id": 1, "do": "ping", ...}`` is answered by ``{"id": 1, "ok": true, ...}`` or by
``{"id": 1, "ok": false, "error": "..."}``; each client's requests are obeyed in their order.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.errors import UserError
from conformance.peer.commands import obey
from conformance.peer.homes import Homes
from conformance.peer.host import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.peer.server import ReferencePeer

_log = logging.getLogger(__name__)

_LINE_LIMIT = 1 << 20
"""Octets of the longest request."""


class _Request(msgspec.Struct):
    """What every request has; the command's own fields stand beside these."""

    id: int
    do: str


class ControlServer:
    """Answers clients on a unix socket that only its owner may open, for it tells keys."""

    def __init__(self, peer: ReferencePeer, path: Path) -> None:
        self._homes = Homes(peer)
        self._path = path
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen, in the place of a socket nobody listens on; UserError where that cannot be."""
        _remove_stale(self._path)
        try:
            self._server = await asyncio.start_unix_server(
                self._accept, self._path, limit=_LINE_LIMIT
            )
            self._path.chmod(0o600)
        except OSError as error:
            raise UserError(f"cannot listen on {self._path}: {error.strerror}") from error

    async def close(self) -> None:
        """Send every client away and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await self._server.wait_closed()
        self._path.unlink(missing_ok=True)
        self._homes.close()
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:  # gone, or a line over the limit
            _log.warning("control: %s", error)
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        head = None
        try:
            fields = msgspec.json.decode(line, type=dict[str, Any])
            head = msgspec.convert(fields, _Request)
            arguments = {name: fields[name] for name in fields if name not in ("id", "do")}
            _log.debug("control: %s %s", head.do, arguments.get("name", ""))
            answer = await obey(self._homes, head.do, arguments)
        except (CommandError, msgspec.DecodeError) as error:
            _log.warning("control: refused: %s", error)
            return {"id": head and head.id, "ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001  told, logged, and the client goes on
            # A defect of ours must reach the client as an answer, or it would wait forever.
            _log.exception("control: internal error")
            text = f"internal error: {type(error).__name__}: {error}"
            return {"id": head and head.id, "ok": False, "error": text}
        return {"id": head.id, "ok": True, **answer}


def _remove_stale(path: Path) -> None:
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise UserError(f"a peer already listens on {path}", "Stop it, or choose another socket.")
