"""A peer and its control socket, from start to the command ``shutdown`` or a signal."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from conformance.peer.control import ControlServer

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.peer.server import ReferencePeer


async def serve(peer: ReferencePeer, control: Path) -> None:
    """Open the peer and its control socket and run them until they are told to stop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, peer.stopping.set)
    await peer.open()
    server = ControlServer(peer, control)
    try:
        await server.open()
        await peer.stopping.wait()
        # The client that said shutdown gets its answer before the socket goes.
        await asyncio.sleep(0)
    finally:
        await server.close()
        peer.close()
