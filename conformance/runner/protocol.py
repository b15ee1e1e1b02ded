"""What passes between the command on the host and the runner in the engine: JSON lines.

The host writes one ``Job`` and keeps the runner's standard input open; that it closes means that
the host has gone, and the runner ends. The runner writes ``Event`` lines to its standard output.
"""

from __future__ import annotations

import msgspec

from conformance.matrix.plan import Cell
from conformance.record.records import Record


class Station(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One container of a peer."""

    peer: str
    kind: str
    """The manifest's ``kind``: which driver drives it."""
    container: str
    """The container's name."""
    number: int
    """Its own in the lab's address plan."""
    named: bool = False
    """Whether it proves a name that is the cell's own in place of its address."""


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a runner must know."""

    initiators: dict[str, Station]
    """Peer -> the container that initiates for it."""
    responders: dict[str, Station]
    """Peer -> the container that responds for it."""
    cells: tuple[Cell, ...]
    """The cells to run, in order."""
    seed: int
    """What each cell's own seed derives from."""
    bridge: str
    """The interface on which all containers' packets can be seen."""
    translator: str
    """The address of the NAT that can stand in front of an initiator."""
    psk: str
    """The pre-shared key of every cell."""
    timeout: float
    """Seconds that a negotiation may take."""
    at_once: int
    """How many cells run at the same time."""


class CellStarted(msgspec.Struct, frozen=True, tag="cell-started"):
    """A cell begins."""

    cell: str


class CellFinished(msgspec.Struct, frozen=True, tag="cell-finished"):
    """A cell has its record; evidence comes with it, whole."""

    record: Record
    files: dict[str, bytes]
    """Path relative to the cell's folder -> contents (base64 in the JSON)."""


class RunnerFailed(msgspec.Struct, frozen=True, tag="runner-failed"):
    """The runner cannot go on."""

    message: str


Event = CellStarted | CellFinished | RunnerFailed
