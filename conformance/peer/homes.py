"""A peer on several addresses: one for each that a connection asks for, and names that are common.

So every cell of a lab can have addresses of its own, and a packet's destination finds its SA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.peer.host import CommandError

if TYPE_CHECKING:
    from conformance.peer.connection import Connection
    from conformance.peer.requests import Configure
    from conformance.peer.server import ReferencePeer


class Homes:
    """The peer that stands, and its likes on further addresses, opened where first asked for."""

    def __init__(self, peer: ReferencePeer) -> None:
        self.peer = peer
        self._peers = {peer.address: peer}

    async def configure(self, settings: Configure) -> Connection:
        """A new connection on its address, in the place of any of the same name there or elsewhere.

        OSError where the address is none of this host's.
        """
        address = settings.local or self.peer.address
        if address not in self._peers:
            sibling = self.peer.sibling(address)
            await sibling.open()
            self._peers[address] = sibling
        home = self._peers[address]
        for other in self._peers.values():
            if other is not home and settings.name in other.connections:
                other.remove(other.connection(settings.name))
        return home.configure(settings)

    def connection(self, name: str) -> Connection:
        """The connection of this name; CommandError where there is none."""
        return self._home(name).connection(name)

    def remove(self, name: str) -> None:
        """Forget one connection without a word to its remote."""
        self._home(name).remove(self.connection(name))

    def reset(self) -> None:
        """Forget every connection; the addresses stay open, so that late datagrams are heard."""
        for peer in self._peers.values():
            peer.reset()

    def close(self) -> None:
        """Close what was opened here; the peer that stood before is its owner's."""
        for peer in self._peers.values():
            if peer is not self.peer:
                peer.close()

    def _home(self, name: str) -> ReferencePeer:
        for peer in self._peers.values():
            if name in peer.connections:
                return peer
        raise CommandError(f"no connection is called {name}")
