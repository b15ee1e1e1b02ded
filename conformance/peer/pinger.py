"""Echo through SAs: requests that wait for their replies, and answers (RFC 792, RFC 4443 4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from conformance.ipsec.icmp import IcmpEcho, IcmpType, answer_to, echo_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.packet import Address, Packet

PATIENCE = 1.0
"""Seconds to wait for one reply before the next request is sent, as ping(8) does."""


class Pinger:
    """Sends echo requests one after the other and knows which were answered."""

    def __init__(self, identifier: int) -> None:
        self._identifier = identifier
        self._sequence = 0
        self._awaited: dict[tuple[Address, int], asyncio.Future[None]] = {}

    async def ping(
        self,
        send: Callable[[Packet], None],
        ends: tuple[Address, Address],
        *,
        count: int,
        size: int,
        timeout: float,  # noqa: ASYNC109  a bound for all requests together, not for this call
    ) -> tuple[int, int]:
        """Send up to ``count`` requests within ``timeout`` seconds; (sent, received).

        A lost one is waited for while the others go on. ``ends`` are source and destination.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        replies: list[asyncio.Future[None]] = []
        while len(replies) < count and (left := end - loop.time()) > 0:
            replies.append(self._request(send, ends, size))
            await asyncio.wait(replies[-1:], timeout=min(left, PATIENCE))
        if replies:
            await asyncio.wait(replies, timeout=max(end - loop.time(), 0))
        received = sum(reply.done() for reply in replies)
        for key in [key for key, reply in self._awaited.items() if reply in replies]:
            del self._awaited[key]
        return len(replies), received

    def _request(
        self,
        send: Callable[[Packet], None],
        ends: tuple[Address, Address],
        size: int,
    ) -> asyncio.Future[None]:
        self._sequence = self._sequence % 0xFFFF + 1
        data = bytes(octet & 0xFF for octet in range(size))
        echo = IcmpEcho(IcmpType.ECHO, self._identifier, self._sequence, data)
        reply = asyncio.get_running_loop().create_future()
        self._awaited[ends[1], self._sequence] = reply
        send(echo.between(*ends))
        return reply

    def receive(self, packet: Packet, own: Address) -> Packet | None:
        """Take an inner packet; the reply to send where it is an echo request to ``own``."""
        echo = echo_of(packet)
        if echo is None or packet.destination != own:
            return None
        if echo.type is IcmpType.ECHO:
            return answer_to(packet)
        awaited = self._awaited.pop((packet.source, echo.sequence), None)
        if awaited and echo.identifier == self._identifier and not awaited.done():
            awaited.set_result(None)
        return None
