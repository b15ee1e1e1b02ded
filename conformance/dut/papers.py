"""Certificates of a device and of the suite against it, made or brought along (RFC 4945)."""

from __future__ import annotations

from base64 import encodebytes
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from conformance.crypto.issuing import Authority, Credentials
from conformance.drivers.methods import METHODS
from conformance.dut.device import Papers
from conformance.errors import UserError
from conformance.peer.setup import der_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conformance.dut.device import Device, End

FOLDER = "certificates"
VALIDITY = (-timedelta(days=1), timedelta(days=365))
"""A device is tried for longer than a lab stands."""


def key_methods(levels: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The signature methods that the claimed levels of ``auth`` need, each once."""
    keys = (METHODS[level].key for level in levels["auth"])
    return list(dict.fromkeys(key for key in keys if key))


def issue(device: Device) -> tuple[dict[str, Papers], dict[str, bytes]]:
    """Fresh certificates for both ends: what ``dut.toml`` says of them, and the files by name."""
    methods = key_methods(device.levels)
    if not methods:
        return {}, {}
    now = datetime.now(UTC).replace(microsecond=0)
    authority = Authority(Authority.create(now, VALIDITY), now)
    files = {f"{FOLDER}/authority.crt": _pem(authority.certificate)}
    for method in methods:
        for name, end in (("here", device.here), ("device", device.device)):
            made = authority.issue(str(end.address), method, names=_names(end), validity=VALIDITY)
            files |= _files(f"{FOLDER}/{name}-{method}", made)
    return {method: _papers(method) for method in methods}, files


def _papers(method: str) -> Papers:
    return Papers(
        authority=f"{FOLDER}/authority.crt",
        certificate=f"{FOLDER}/here-{method}.crt",
        private_key=f"{FOLDER}/here-{method}.key",
    )


def _names(end: End) -> list[str]:
    kind, _, value = end.proven.partition(":")
    return [value] if kind in ("fqdn", "user-fqdn") else []


def _files(stem: str, made: Credentials) -> dict[str, bytes]:
    return {
        f"{stem}.crt": _pem(made.certificate),
        f"{stem}.key": made.private_key,
        f"{stem}.p12": made.bundle,
    }


def _pem(certificate: bytes) -> bytes:
    text = encodebytes(certificate)
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


def load(device: Device, folder: Path) -> dict[str, Credentials]:
    """What we prove ourselves with, by signature method; UserError where a file is missing."""
    absent = [one for one in key_methods(device.levels) if one not in device.certificates]
    if absent:
        raise UserError(
            f"auth={absent[0]} is claimed, but there are no certificates for it",
            f"Add [certificates.{absent[0]}] with authority, certificate and private_key.",
        )
    return {method: _load(method, device, folder) for method in key_methods(device.levels)}


def _load(method: str, device: Device, folder: Path) -> Credentials:
    files = device.certificates[method]
    try:
        return Credentials(
            name=f"here-{method}",
            certificate=der_of((folder / files.certificate).read_bytes()),
            authority=der_of((folder / files.authority).read_bytes()),
            private_key=(folder / files.private_key).read_bytes(),
            bundle=b"",
        )
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"the certificates for {method}: {error}") from error
