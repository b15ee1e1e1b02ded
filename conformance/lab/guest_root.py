"""The guest's two disks: a read-only root made from a recipe, and the one that keeps images."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from conformance.console import screen, step
from conformance.errors import UserError
from conformance.lab.debian import SUITE, bootstrap, run_tool

GUEST_FOLDER = Path(__file__).with_name("guest")

PACKAGES = ("iproute2", "kmod", "procps", "docker.io", "iptables", "ca-certificates")
"""What the guest's init runs."""

MOUNT_POINTS = ("lib/modules", "var/lib/docker", "var/lib/containerd", "etc/docker")
"""Folders the init mounts over; the root itself is read-only."""

FILES = {"etc/resolv.conf": "nameserver 10.0.2.3\n", "etc/hostname": "lab\n"}
"""The resolver is the one slirp4netns offers."""

LEGACY = ("iptables", "ip6tables")
"""Docker 20.10 in the guest works with the legacy tables only."""

ROOT_SIZE = "2G"
IMAGES_SIZE = "8G"
"""Sizes of the sparse files."""

_FSCK_REPAIRED = (0, 1)
"""Exit statuses of e2fsck that leave a sound file system."""


def recipe_digest() -> str:
    """Return the digest of everything the root is made from, 12 hexadecimal digits."""
    init = (GUEST_FOLDER / "init").read_text()
    parts = (SUITE, *PACKAGES, *MOUNT_POINTS, str(FILES), *LEGACY, ROOT_SIZE, init)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def root_disk(cache: Path) -> Path:
    """Return the root disk of this recipe, made when the cache has none.

    Raises:
        UserError: mmdebstrap or mkfs.ext4 failed.
    """
    disk = cache / f"root-{recipe_digest()}.ext4"
    if not disk.exists():
        with step("Making the guest's root file system"):
            _make_root(disk)
        for old in set(cache.glob("root-*.ext4")) - {disk}:
            old.unlink()
    return disk


def images_disk(cache: Path) -> Path:
    """Return the disk of the guest's images, checked, or made anew where it cannot be repaired.

    Raises:
        UserError: another guest has it.
    """
    disk = cache / "images.ext4"
    if disk.exists() and _is_in_use(disk):
        hint = "Take that lab down first, or set IPSEC_CONFORMANCE_CACHE to another folder."
        raise UserError(f"Another lab's guest has the disk {disk}.", hint)
    if disk.exists() and not _is_sound(disk):
        screen.print("The disk of images is damaged beyond repair and is made anew.")
        disk.unlink()
    if not disk.exists():
        _make_disk(disk, IMAGES_SIZE)
    return disk


def _make_root(disk: Path) -> None:
    with tempfile.TemporaryDirectory(dir=disk.parent, prefix="root-") as folder:
        root = Path(folder, "root")
        bootstrap(root, PACKAGES, [_alternative_hook(table) for table in LEGACY])
        for name in MOUNT_POINTS:
            (root / name).mkdir(parents=True, exist_ok=True)
        for name, text in FILES.items():
            (root / name).unlink(missing_ok=True)
            (root / name).write_text(text)
        shutil.copyfile(GUEST_FOLDER / "init", root / "sbin/lab-init")
        (root / "sbin/lab-init").chmod(0o755)
        _make_disk(disk, ROOT_SIZE, root)


def _alternative_hook(table: str) -> str:
    command = f"update-alternatives --set {table} /usr/sbin/{table}-legacy"
    return f'--customize-hook=chroot "$1" {command}'


def _make_disk(disk: Path, size: str, content: Path | None = None) -> None:
    """Make an ext4 file under another name and rename it, so that half a disk is never found."""
    partial = disk.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    filling = ["-d", str(content)] if content else []
    run_tool(["mkfs.ext4", "-q", "-F", *filling, str(partial), size], f"The disk {disk.name}")
    os.replace(partial, disk)  # noqa: PTH105 - the atomic replacement is the point


def _is_in_use(disk: Path) -> bool:
    """Tell whether a guest holds the lock that user-mode Linux takes on a disk it writes."""
    with disk.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _is_sound(disk: Path) -> bool:
    check = subprocess.run(["e2fsck", "-p", str(disk)], capture_output=True, check=False)
    return check.returncode in _FSCK_REPAIRED
