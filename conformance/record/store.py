"""The run directory: ``results/<run id>/``, in which nothing ever stands half-written."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.errors import UserError
from conformance.matrix.factors import completed
from conformance.matrix.plan import Plan
from conformance.record.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

LATEST = "latest"
"""The relative symbolic link beside the runs."""
PLAN = "plan.json"
ENVIRONMENT = "environment.json"
CELLS = "cells"
RECORD = "record.json"


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path``, then rename it there: a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def encode(value: Any) -> bytes:
    """``value`` as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


@dataclass(frozen=True, slots=True)
class Run:
    """One run on disk: its plan, its environment, and a folder for each cell that has ended."""

    folder: Path
    """``results/<run id>``."""
    plan: Plan
    """What it set out to do."""
    environment: dict[str, Any]
    """Where it ran, as `lab` describes it, with ``started`` added."""

    @classmethod
    def create(cls, root: Path, plan: Plan, environment: Mapping[str, Any]) -> Run:
        """Start a run under ``root``; its folder appears with plan and environment in it."""
        now = datetime.now(UTC)
        run_id = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        facts = {"run": run_id, "started": now.isoformat(timespec="seconds"), **environment}
        hidden = root / f".{run_id}.tmp"
        (hidden / CELLS).mkdir(parents=True)
        (hidden / PLAN).write_bytes(encode(plan))
        (hidden / ENVIRONMENT).write_bytes(encode(facts))
        hidden.rename(root / run_id)
        return cls(root / run_id, plan, facts)

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Load a run; UserError where ``folder`` holds none, or none that can be read."""
        try:
            plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=Plan)
            environment = msgspec.json.decode((folder / ENVIRONMENT).read_bytes(), type=dict)
        except FileNotFoundError as error:
            raise UserError(f"{folder} holds no run", f"{error.filename} is missing.") from error
        except msgspec.MsgspecError as error:
            raise UserError(f"the run in {folder} cannot be read: {error}", "Run again.") from error
        return cls(folder.resolve(), _of_today(plan), environment)

    @property
    def id(self) -> str:
        """The run's name: when it started (UTC), and some random digits."""
        return self.folder.name

    @property
    def cells(self) -> Path:
        """The folder with a folder for each cell that has ended."""
        return self.folder / CELLS

    def cell_folder(self, cell: str) -> Path:
        """Where the record and the evidence of ``cell`` stand once it has ended."""
        return self.cells / cell

    def write(self, record: Record, files: Mapping[str, bytes]) -> Path:
        """Keep a record and its evidence, ``files`` by path relative to the cell's folder.

        The folder appears whole, by one rename. ValueError where the record names evidence that is
        not among ``files``; FileExistsError where the cell has a record: it stays.
        """
        absent = set(record.evidence.values()) - set(files)
        if absent:
            raise ValueError(f"{record.cell}: evidence named but not given: {sorted(absent)}")
        final = self.cell_folder(record.cell)
        if final.exists():
            raise FileExistsError(f"{record.cell} has a record")
        hidden = self.cells / f".{record.cell}.tmp"
        shutil.rmtree(hidden, ignore_errors=True)
        for name, data in {**files, RECORD: encode(record)}.items():
            path = _inside(hidden, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        hidden.rename(final)
        return final

    def finished_cells(self) -> set[str]:
        """The ids of the cells that have a record; a resumed run leaves them out."""
        return {path.parent.name for path in self.cells.glob(f"[!.]*/{RECORD}")}

    def is_finished(self) -> bool:
        """Whether every planned cell has its record."""
        return {cell.id for cell in self.plan.cells} <= self.finished_cells()

    def records(self) -> list[Record]:
        """The records there are, in the plan's order."""
        finished = self.finished_cells()
        return [self.record(cell.id) for cell in self.plan.cells if cell.id in finished]

    def record(self, cell: str) -> Record:
        """The record of one cell; UserError where it cannot be read."""
        path = self.cell_folder(cell) / RECORD
        try:
            record = msgspec.json.decode(path.read_bytes(), type=Record)
        except msgspec.MsgspecError as error:
            raise UserError(f"{path} cannot be read: {error}", "Run the cell again.") from error
        return msgspec.structs.replace(record, combination=completed(record.combination))

    def publish(self) -> None:
        """Let ``results/latest`` point here, by one rename."""
        link = self.folder.parent / f".{LATEST}.{secrets.token_hex(4)}.tmp"
        link.symlink_to(self.folder.name)
        os.replace(link, self.folder.parent / LATEST)  # noqa: PTH105 - Path.replace reads no clearer


def _of_today(plan: Plan) -> Plan:
    """A plan from before some factor had come, with its plain level in every combination."""
    cells = [
        msgspec.structs.replace(cell, combination=completed(cell.combination))
        for cell in plan.cells
    ]
    rows = tuple(completed(row) for row in plan.combinations)
    return msgspec.structs.replace(plan, combinations=rows, cells=tuple(cells))


def run_folders(root: Path) -> list[Path]:
    """The runs under ``root``, oldest first."""
    folders = [path.parent for path in root.glob(f"[!.]*/{PLAN}")]
    return sorted(folder for folder in folders if not folder.is_symlink())


def sweep(root: Path) -> None:
    """Remove what a killed run left half-made: hidden temporary files, never a record."""
    within = [path for folder in run_folders(root) for path in folder.rglob(".*.tmp")]
    for leftover in [*root.glob(".*.tmp"), *within]:
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _inside(folder: Path, name: str) -> Path:
    """``folder/name``; ValueError where ``name`` would lead out of the folder."""
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts:
        raise ValueError(f"{name!r} is no path inside a cell's folder")
    return folder / relative
