"""The kernel's SAs and policies: installed with manual keys, read back, flushed (RFC 4301 4.4)."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nlsocket import NetlinkSocket

from conformance.ipsec.ip import Protocol
from conformance.linux import messages
from conformance.linux.requests import (
    Policy,
    algorithms_of,
    family_of,
    filled,
    packed,
    policy_message,
    sa_message,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.ipsec.association import SecurityAssociation

__all__ = ["Policy", "RefusedError", "SaUse", "Xfrm"]

_REQUEST, _ACKNOWLEDGE, _CREATE, _EXCLUSIVE = 0x1, 0x4, 0x400, 0x200
_NEW = _REQUEST | _ACKNOWLEDGE | _CREATE | _EXCLUSIVE
_HALF = 1 << 32


class RefusedError(Exception):
    """The kernel refused a message: the name of its error, and what it says of it."""

    def __init__(self, number: int, words: str, asked: str) -> None:
        super().__init__(f"{asked}: {os.strerror(number)}" + (f" ({words})" if words else ""))
        self.asked = asked
        """What for, in the kernel's names."""
        self.number = number
        """The errno."""
        self.words = words
        """The text of the extended acknowledgement; empty where the kernel gives none."""


class SaUse(NamedTuple):
    """What the kernel tells of an SA that has been used."""

    packets: int
    bytes: int
    sent: int
    """The last sequence number sent, with its high half."""
    right: int
    """The highest sequence number received, with its high half."""
    left_of_window: int
    """Packets that were too old (``replay_window``)."""
    replayed: int
    """Packets that had come before (``replay``)."""
    forged: int
    """Packets whose ICV was wrong (``integrity_failed``)."""


class Xfrm:
    """A netlink socket to the XFRM of the network namespace in which it was made."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(family=messages.FAMILY, ext_ack=True)
        self._socket.marshal.msg_map = {messages.NEW_SA: messages.Sa}
        self._socket.bind()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def add(self, sa: SecurityAssociation, *, selects: bool = True, aligned: bool = True) -> None:
        """Install an SA, its counters and window as they are; raises RefusedError.

        One that only stands around another in a bundle selects nothing. Unless told that AH is to
        be ``aligned`` to four octets in IPv4, the kernel aligns it to eight, as IPv6 wants it.
        """
        name = Protocol(sa.protocol).name
        with _refusals(f"{name} SA of {' and '.join(algorithms_of(sa))}"):
            self._ask(sa_message(sa, selects=selects, aligned=aligned), messages.NEW_SA, _NEW)

    def add_policy(self, policy: Policy) -> None:
        """Install a policy; raises RefusedError."""
        with _refusals("policy"):
            self._ask(policy_message(policy), messages.NEW_POLICY, _NEW)

    def flush(self) -> None:
        """Remove every policy and every SA."""
        with _refusals("flush"):
            self._ask(messages.Nothing(), messages.FLUSH_POLICY, _REQUEST | _ACKNOWLEDGE)
            self._ask(filled(messages.Flush, {}), messages.FLUSH_SA, _REQUEST | _ACKNOWLEDGE)

    def read(self, sa: SecurityAssociation) -> SaUse:
        """How an SA has been used; raises RefusedError where it does not stand."""
        name = filled(
            messages.SaName,
            {
                "destination": packed(sa.destination),
                "spi": sa.spi,
                "family": family_of(sa.destination),
                "protocol": sa.protocol,
            },
        )
        with _refusals("reading an SA"):
            (answer,) = self._ask(name, messages.GET_SA, _REQUEST)
        return _use_of(answer)

    def _ask(self, message: Any, kind: int, flags: int) -> tuple[Any, ...]:
        return tuple(self._socket.nlm_request(message, msg_type=kind, msg_flags=flags))


@contextmanager
def _refusals(asked: str) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        text = str(error.args[1])
        words = "" if text == os.strerror(error.code) else text
        raise RefusedError(error.code, words, asked) from error


def _use_of(answer: Any) -> SaUse:
    replay = answer.get_attr("replay_extended") or answer.get_attr("replay") or {}
    return SaUse(
        packets=answer["current_packets"],
        bytes=answer["current_bytes"],
        sent=replay.get("sent", 0) + _HALF * replay.get("sent_high", 0),
        right=replay.get("right", 0) + _HALF * replay.get("right_high", 0),
        left_of_window=answer["statistics_replay_window"],
        replayed=answer["statistics_replay"],
        forged=answer["statistics_integrity_failed"],
    )
