"""A run of the data plane on disk: one line for each cell, and evidence where there is some.

Thousands of cells end within minutes, so they share one file, which only grows: a killed run loses
nothing that it had recorded.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.errors import UserError
from conformance.matrix.data_plane import DataPlan
from conformance.record.records import Verdict
from conformance.record.store import ENVIRONMENT, LATEST, PLAN, encode, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = "data-plane"
"""Under ``results/``: these runs have a folder of their own, beside those of the matrix."""
RECORDS = "records.jsonl"
EVIDENCE = "evidence"


class _Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all records: frozen, written with keywords, strict when read."""


class Refusal(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That the kernel did not take an SA or a policy."""

    asked: str
    """What it was asked for, in its own names."""
    error: str
    """Its errno, by name."""
    words: str
    """The text of netlink's extended acknowledgement; empty where it gave none."""


class Difference(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first octet in which a packet did not arrive as it was sent."""

    offset: int
    expected: str
    """What follows from there on, in hexadecimal digits."""
    got: str
    """The same of what arrived."""


class Sample(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One packet of the cell, in hexadecimal digits: evidence in small."""

    inner: str
    wire: str


class Tally(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one end counted of the outermost SA."""

    packets: int
    bytes: int
    sequence: int


class DataRecord(_Fact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of one cell."""

    cell: str
    verdict: Verdict
    reason: str
    requirement: str = ""
    """The sentence of an RFC that was at stake, where a packet had to be dropped."""
    refusal: Refusal | None = None
    difference: Difference | None = None
    sizes: tuple[int, ...] = ()
    """Payload sizes of the packets that arrived as they were sent, in octets."""
    dropped: str = ""
    """In the receiver's words, what it said of the packet that had to be dropped."""
    reference: Tally | None = None
    kernel: Tally | None = None
    sample: Sample | None = None
    seconds: float = 0.0
    seed: str
    """What keys, payloads and IVs derive from."""
    repeat: str
    """The command that runs this cell again."""
    evidence: tuple[str, ...] = ()
    """Files of its folder."""


@dataclass(frozen=True, slots=True)
class DataRun:
    """One run: its plan, its environment, and its growing file of records."""

    folder: Path
    plan: DataPlan
    environment: dict[str, Any]

    @classmethod
    def create(cls, results: Path, plan: DataPlan, environment: Mapping[str, Any]) -> DataRun:
        """Start a run; its folder appears with plan and environment in it."""
        now = datetime.now(UTC)
        run_id = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        facts = {"run": run_id, "started": now.isoformat(timespec="seconds"), **environment}
        root = results / FOLDER
        hidden = root / f".{run_id}.tmp"
        hidden.mkdir(parents=True)
        (hidden / PLAN).write_bytes(encode(plan))
        (hidden / ENVIRONMENT).write_bytes(encode(facts))
        (hidden / RECORDS).touch()
        hidden.rename(root / run_id)
        return cls(root / run_id, plan, facts)

    @classmethod
    def open(cls, folder: Path) -> DataRun:
        """Load a run; UserError where ``folder`` holds none, or none that can be read."""
        try:
            plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=DataPlan)
            environment = msgspec.json.decode((folder / ENVIRONMENT).read_bytes(), type=dict)
        except FileNotFoundError as error:
            raise UserError(f"{folder} holds no run", f"{error.filename} is missing.") from error
        except msgspec.MsgspecError as error:
            raise UserError(f"the run in {folder} cannot be read: {error}", "Run again.") from error
        return cls(folder.resolve(), plan, environment)

    @property
    def id(self) -> str:
        """The run's name: when it started (UTC), and some random digits."""
        return self.folder.name

    def describe(self, facts: Mapping[str, Any]) -> DataRun:
        """The run with more facts of where it runs, kept on disk."""
        environment = {**self.environment, **facts}
        write_atomically(self.folder / ENVIRONMENT, encode(environment))
        return DataRun(self.folder, self.plan, environment)

    def write(self, record: DataRecord, files: Mapping[str, bytes]) -> None:
        """Keep a record, its evidence first: a record that stands has what it names."""
        if set(record.evidence) != set(files):
            raise ValueError(f"{record.cell}: evidence named is not the evidence given")
        for name, data in files.items():
            write_atomically(self.folder / EVIDENCE / record.cell / name, data)
        with (self.folder / RECORDS).open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def mend(self) -> None:
        """Cut off the half of a line that a killed run left at the end."""
        path = self.folder / RECORDS
        whole = path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end != len(whole):
            os.truncate(path, end)

    def records(self) -> dict[str, DataRecord]:
        """The records there are, by cell, in the order of their end; half a line is left out."""
        *lines, _ = (self.folder / RECORDS).read_bytes().split(b"\n")
        decoder = msgspec.json.Decoder(DataRecord)
        try:
            found = [decoder.decode(line) for line in lines]
        except msgspec.MsgspecError as error:
            path = self.folder / RECORDS
            raise UserError(f"{path} cannot be read: {error}", "Run again.") from error
        return {record.cell: record for record in found}

    def is_finished(self) -> bool:
        """Whether every planned cell has its record."""
        return {cell.id for cell in self.plan.cells} <= self.records().keys()

    def publish(self) -> None:
        """Let ``results/data-plane/latest`` point here, by one rename."""
        link = self.folder.parent / f".{LATEST}.{secrets.token_hex(4)}.tmp"
        link.symlink_to(self.folder.name)
        os.replace(link, self.folder.parent / LATEST)  # noqa: PTH105 - Path.replace reads no clearer


def data_run_folders(results: Path) -> list[Path]:
    """The runs of the data plane under ``results``, oldest first."""
    folders = [path.parent for path in (results / FOLDER).glob(f"[!.]*/{PLAN}")]
    return sorted(folder for folder in folders if not folder.is_symlink())
