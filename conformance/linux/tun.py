"""A TUN device, read and written at once: packets to and from the kernel, octet for octet."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import struct
from pathlib import Path
from typing import Self

from conformance.errors import UserError

_DEVICE = Path("/dev/net/tun")
_NUMBERS = (10, 200)
"""Major and minor number of the device file (Linux ``admin-guide/devices.txt``)."""
_SET_INTERFACE = 0x400454CA
_TUN, _NO_INFORMATION = 0x1, 0x1000
_LARGEST = 0xFFFF
_ROOT = "Run it as root."


class Tun:
    """One device; raises UserError where it cannot be made."""

    def __init__(self, name: str) -> None:
        self.name = name
        """As the kernel calls it."""
        try:
            _have_device_file()
            self._file = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            request = struct.pack("16sH22x", name.encode(), _TUN | _NO_INFORMATION)
            fcntl.ioctl(self._file, _SET_INTERFACE, request)
        except OSError as error:
            hint = _ROOT if error.errno in (errno.EPERM, errno.EACCES) else ""
            raise UserError(f"cannot make the TUN device {name}: {error.strerror}", hint) from error
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, packet: bytes) -> None:
        """Let the kernel receive a packet here; raises OSError where it takes none."""
        os.write(self._file, packet)

    def read(self, seconds: float) -> bytes | None:
        """The next packet that the kernel sent out here; None where none comes in that time."""
        try:
            return os.read(self._file, _LARGEST)
        except BlockingIOError:
            pass
        if not self._poll.poll(seconds * 1000):
            return None
        return os.read(self._file, _LARGEST)


def _have_device_file() -> None:
    """Containers have none; the kernel loads its module when the file is opened."""
    if not _DEVICE.exists():
        _DEVICE.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(_DEVICE, stat.S_IFCHR | 0o600, os.makedev(*_NUMBERS))
