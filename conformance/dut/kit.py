"""What ``dut init`` leaves: ``dut.toml``, certificates, and files to paste for each style."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from conformance.dut.papers import issue
from conformance.dut.paste import device_file, paste
from conformance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from conformance.dut.device import Device
    from conformance.dut.style import Style

FILE = "dut.toml"
PRIVATE, PUBLIC = 0o600, 0o644
"""Modes of files: all but certificates may hold a secret."""


class Kit(NamedTuple):
    """Everything that was made for one device."""

    device: Device
    """With the certificates that were issued for it."""
    files: Mapping[str, bytes]
    """Path relative to the kit's folder -> contents."""
    untold: Mapping[str, tuple[str, ...]]
    """Style -> what is claimed and could not be said in it."""


def make_kit(device: Device, styles: Iterable[Style]) -> Kit:
    """Everything for a device; certificates are issued where it needs some and brings none."""
    made: dict[str, bytes] = {}
    if not device.certificates:
        papers, made = issue(device)
        device = replace(device, certificates=papers)
    files = {FILE: device_file(device, FILE).encode(), **made}
    untold: dict[str, tuple[str, ...]] = {}
    for style in styles:
        pasted = paste(device, style)
        files |= {f"{style.name}/{name}": text.encode() for name, text in pasted.files.items()}
        untold[style.name] = pasted.untold
    return Kit(device, files, untold)


def write_kit(kit: Kit, folder: Path, *, force: bool) -> None:
    """Write the files, those with secrets for their owner alone; UserError where one exists."""
    there = [name for name in kit.files if (folder / name).exists()]
    if there and not force:
        raise UserError(
            f"{folder / there[0]} exists", "Choose another folder, or overwrite with --force."
        )
    for name, contents in kit.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made anew with its mode: there is no moment at which others can read it.
        path.unlink(missing_ok=True)
        path.touch(PUBLIC if name.endswith(".crt") else PRIVATE)
        path.write_bytes(contents)
