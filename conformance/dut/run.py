"""A run against a device: what is planned, and the bench on this host that runs it."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from conformance import __version__
from conformance.dut.cell import DeviceCell, Setting
from conformance.dut.device import REFERENCE, Device
from conformance.dut.driver import LocalReference
from conformance.dut.papers import load
from conformance.dut.preflight import check_device, check_here, check_interface, interface_to
from conformance.dut.trigger import check_trigger
from conformance.errors import UserError
from conformance.matrix.factors import find_factor
from conformance.matrix.manifest import load_manifests
from conformance.matrix.plan import Plan, make_plan
from conformance.resources import peers_root
from conformance.runner.capture import Capture
from conformance.runner.stand import Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.matrix.plan import Cell
    from conformance.record.records import Record


def plan_for(
    device: Device,
    restrictions: Mapping[str, tuple[str, ...]],
    *,
    strength: int = 2,
    seed: int = 1,
    limit: int | None = None,
) -> Plan:
    """Every pair of what the device claims, in each of its roles; UserError for other levels.

    What it does not claim, or cannot be made to begin with, is left out: nobody configured it so.
    """
    levels = device.levels | {name: _claimed(device, name, restrictions) for name in restrictions}
    known = {REFERENCE: load_manifests(peers_root())[REFERENCE], device.name: device.manifest()}
    whole = make_plan(
        known, pairings=device.pairings, restrictions=levels, strength=strength, seed=seed
    )
    if limit is not None and limit < 1:
        raise UserError(f"a limit of {limit} leaves no combination", "Give a limit of 1 or more.")
    cells = [cell for cell in whole.cells if not cell.undeclared]
    rows = [row for row in whole.combinations if any(cell.combination == row for cell in cells)]
    if not rows:
        reasons = "; ".join(dict.fromkeys(why for cell in whole.cells for why in cell.undeclared))
        raise UserError(
            f"no cell is left: {reasons}",
            "Claim it, or add the factor to trigger.chooses where the trigger decides it.",
        )
    rows = rows[:limit]
    kept = tuple(cell for cell in cells if cell.combination in rows)
    return replace(whole, combinations=tuple(rows), cells=kept)


def _claimed(
    device: Device, name: str, restrictions: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    claimed = device.levels[find_factor(name).name]
    for level in restrictions[name]:
        if level not in claimed:
            raise UserError(
                f"--factor {name}={level}: {device.name} does not claim it",
                f"It claims {', '.join(claimed)}; what it claims is in its file.",
            )
    return restrictions[name]


def left_out(device: Device, plan: Plan) -> int:
    """How many cells of the plan's rows the device cannot be made to begin with."""
    return len(plan.combinations) * len(device.pairings) - len(plan.cells)


class Bench:
    """The reference peer on this host and the capture towards the device, for a whole run."""

    def __init__(
        self, device: Device, file: Path, *, seed: int, timeout: float, interface: str | None
    ) -> None:
        self._device, self._file = device, file
        self._seed, self._timeout = seed, timeout
        self._interface = interface
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        device = self._device
        check_trigger(device)
        credentials = load(device, self._file.parent)
        check_here(device.here.address)
        interface = self._interface or interface_to(device.device.address)
        check_interface(interface)
        check_device(device.here.address, device.device.address)
        with self._stack as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="ipsec-conformance-")))
            reference = stack.enter_context(LocalReference(device, folder))
            capture = Capture(interface)
            stack.callback(capture.close)
            self._setting = Setting(
                device=device,
                file=self._file,
                reference=reference,
                stand=Stand(reference, 0),
                capture=capture,
                credentials=credentials,
                seed=self._seed,
                timeout=self._timeout,
            )
            self._stack = stack.pop_all()
        self.interface = interface
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def describe(self) -> dict[str, Any]:
        """The environment facts of a run's record."""
        device = self._device
        return {
            "engine": "none",
            "host_kernel": platform.release(),
            "suite": __version__,
            "interface": self.interface,
            "here": str(device.here.address),
            "device": str(device.device.address),
            "file": str(self._file),
        }

    def run(self, cell: Cell) -> tuple[Record, dict[str, bytes]]:
        """Run one cell; a reference peer that has died is started again first."""
        if not self._setting.reference.alive():
            self._setting.reference.restart()
        return DeviceCell(cell, self._setting).run()
