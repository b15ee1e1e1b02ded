"""One cell: install the SAs at both ends, send packets one way, judge what arrives."""

from __future__ import annotations

import errno
from time import monotonic
from typing import TYPE_CHECKING, Any

from conformance.linux.xfrm import RefusedError
from conformance.matrix.data_plane import WINDOW
from conformance.record.data_plane import DataRecord, Refusal, Tally
from conformance.record.records import Verdict
from conformance.runner.data_plane.cases import CellRun, FailedError, play, rule_of
from conformance.runner.data_plane.deviations import DEVIATIONS
from conformance.runner.data_plane.ends import LinuxEnd, ReferenceEnd
from conformance.runner.data_plane.evidence import files_of
from conformance.runner.data_plane.setting import Setting

if TYPE_CHECKING:
    from conformance.linux.host import LinuxHost
    from conformance.linux.local import LocalSockets
    from conformance.matrix.data_plane import DataCell
    from conformance.runner.data_plane.deviations import Deviation
    from conformance.runner.data_plane.ends import Count


def run_cell(
    cell: DataCell,
    seed: str,
    host: LinuxHost,
    local: LocalSockets,
    *,
    repeat: str,
    deviation: str = "none",
) -> tuple[DataRecord, dict[str, bytes]]:
    """The record of one cell, and the files of its evidence."""
    began = monotonic()
    setting = Setting(cell, seed)
    base: dict[str, Any] = {"cell": cell.id, "seed": seed, "repeat": repeat}
    try:
        run = _prepared(setting, host, local, DEVIATIONS[deviation])
    except RefusedError as refused:
        base |= {"verdict": Verdict.UNSUPPORTED, "reason": str(refused)}
        return DataRecord(**base, refusal=_refusal(refused), seconds=monotonic() - began), {}
    base |= _judged(run)
    files = {} if base["verdict"] is Verdict.PASS else files_of(setting, run.captured)
    record = DataRecord(
        **base,
        requirement=rule_of(cell),
        sizes=tuple(run.sizes),
        dropped=run.dropped,
        reference=_tally(run.reference.count()),
        kernel=_tally(run.kernel.count()),
        sample=run.sample,
        seconds=monotonic() - began,
        evidence=tuple(files),
    )
    return record, files


def _prepared(setting: Setting, host: LinuxHost, local: LocalSockets, fault: Deviation) -> CellRun:
    sends, receives = setting.bundle("out"), setting.bundle("in")
    kernel, reference = (sends, receives) if setting.kernel_sends else (receives, sends)
    end = LinuxEnd(setting, kernel, host, local)
    return CellRun(setting, ReferenceEnd(setting, reference, fault), end)


def _judged(run: CellRun) -> dict[str, Any]:
    """Verdict and reason of what happens now."""
    try:
        play(run)
    except FailedError as failure:
        return {
            "verdict": Verdict.FAIL,
            "reason": str(failure),
            "difference": failure.difference,
        }
    return {"verdict": Verdict.PASS, "reason": _success(run)}


def _success(run: CellRun) -> str:
    cell, count = run.setting.cell, len(run.sizes)
    if cell.is_negative:
        return f"dropped ({run.dropped or 'no error counted'}); good packets pass before and after"
    if cell.case == WINDOW:
        return f"the window's edges hold ({run.dropped}), {count} packets pass"
    return f"{count} packets of {min(run.sizes)} to {max(run.sizes)} octets pass"


def _refusal(refused: RefusedError) -> Refusal:
    name = errno.errorcode.get(refused.number, str(refused.number))
    return Refusal(asked=refused.asked, error=name, words=refused.words)


def _tally(count: Count) -> Tally:
    return Tally(packets=count.packets, bytes=count.bytes, sequence=count.sequence)
