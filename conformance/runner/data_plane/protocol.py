"""What passes between the command and the runner of the data plane: JSON lines, as in the matrix.

The command writes one ``DataJob``; the runner writes events, and ends when its input closes.
"""

from __future__ import annotations

import msgspec

from conformance.matrix.data_plane import DataCell
from conformance.record.data_plane import DataRecord
from conformance.runner.protocol import RunnerFailed


class DataJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a runner must know."""

    cells: tuple[DataCell, ...]
    """The cells to run, in order."""
    seed: int
    """What each cell's own seed derives from."""
    deviation: str = "none"
    """The fault that the reference is to have."""


class KernelFound(msgspec.Struct, frozen=True, tag="kernel-found"):
    """The kernel is ready."""

    peer: str
    """``linux-<major>.<minor>``."""
    release: str


class DataCellStarted(msgspec.Struct, frozen=True, tag="cell-started"):
    """A cell begins."""

    cell: str


class DataCellFinished(msgspec.Struct, frozen=True, tag="cell-finished"):
    """A cell has its record; evidence comes with it, whole."""

    record: DataRecord
    files: dict[str, bytes]
    """Path relative to the cell's folder -> contents (base64 in the JSON)."""


DataEvent = KernelFound | DataCellStarted | DataCellFinished | RunnerFailed
