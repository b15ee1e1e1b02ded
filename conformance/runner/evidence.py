"""The files a verdict rests on: capture, keys, transcript and both logs, cut to the cell."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from conformance.record import wireshark
from conformance.record.transcript import ladder
from conformance.runner.capture import pcapng_of
from conformance.runner.wire import rungs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.drivers.base import Connection, Role
    from conformance.matrix.plan import Cell
    from conformance.record.wireshark import EspKey, IkeKey
    from conformance.runner.capture import Packet
    from conformance.runner.dissect import WireMessage

CAPTURE = "capture.pcapng"
TRANSCRIPT = "transcript.txt"


class EvidentEnd(Protocol):
    """What the evidence needs to know of an end."""

    role: Role
    connection: Connection

    @property
    def log(self) -> str:
        """What it wrote during the cell."""


class CellEvidence:
    """The evidence of one cell as files, and the labels under which the record names them."""

    def __init__(
        self,
        cell: Cell,
        ends: Sequence[EvidentEnd],
        packets: Sequence[Packet],
        messages: Sequence[WireMessage],
        keys: tuple[Iterable[IkeKey], Iterable[EspKey]],
    ) -> None:
        self._cell, self._ends = cell, ends
        self._packets, self._messages = packets, messages
        self._keys = keys

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Path relative to the cell's folder -> contents."""
        logs = {f"{end.role}.log": end.log.encode() for end in self._ends}
        return {
            CAPTURE: pcapng_of(self._packets),
            TRANSCRIPT: self._transcript().encode(),
            **logs,
            **wireshark.configuration(*self._keys),
        }

    @property
    def labels(self) -> dict[str, str]:
        """Label -> path, for the record and its page."""
        keys = {f"keys: {path.rsplit('/', 1)[1]}": path for path in self.files if "/" in path}
        logs = {f"log of the {end.role}": f"{end.role}.log" for end in self._ends}
        return {"transcript": TRANSCRIPT, "capture": CAPTURE, **logs, **keys}

    def _transcript(self) -> str:
        # Behind a NAT the capture has the initiator's packets as the responder sees them.
        address = self._ends[1].connection.remote.address
        return ladder(self._cell.initiator, self._cell.responder, rungs(self._messages, address))
