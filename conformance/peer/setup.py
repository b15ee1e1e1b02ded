"""A peer that is run by hand: its TOML file, read, checked and completed."""

from __future__ import annotations

import tomllib
from base64 import b64decode
from pathlib import Path
from typing import Any, Literal

from conformance.crypto.random import system_random
from conformance.errors import UserError
from conformance.ikev1.errors import LocalError
from conformance.ipsec.packet import host_network
from conformance.peer.fields import Fields, IpAddress, IpInterface, IpNetwork, read_fields
from conformance.peer.policy import Policy
from conformance.peer.requests import Configure
from conformance.peer.sas import first_host
from conformance.peer.sockets import IKE_PORT, NATT_PORT

EXAMPLE = Path(__file__).with_name("example.toml")
"""A file with every key, for people to copy."""
_HINT = "`ipsec-conformance peer example` prints a file with every key."
_SEED_SIZE = 16
_FILES = ("private_key", "certificate", "authority", "peer_key", "peer_certificate")
_LISTS_OF_FILES = ("chain", "crls")
_KEYS = ("private_key", "peer_key")
"""What is read as PEM; the others are DER."""


class TunSettings(Fields, frozen=True, kw_only=True):
    """The device that carries the host's own traffic."""

    name: str = "ipsec%d"
    mtu: int = 1380
    """Room is left for ESP, UDP and an outer header in 1500 octets."""
    address: IpInterface | None = None
    """What the host is called inside; Mode Config may say so instead."""
    routes: tuple[IpNetwork, ...] | None = None
    """What goes through; None is the remote selector."""


class Own(Fields, frozen=True, kw_only=True):
    """What a file says beside the settings of its connection."""

    address: IpAddress
    """Our outer address."""
    inner: IpAddress | None = None
    """Our address inside without a device; None is the first of our selector."""
    ports: tuple[int, int] = (IKE_PORT, NATT_PORT)
    start: Literal["at-once", "on-traffic"] = "at-once"
    tun: TunSettings | None = None
    policy: tuple[Policy, ...] = ()
    """None protects what the selectors cover, and discards the rest."""


class Setup(Fields, frozen=True, kw_only=True):
    """All that a file says."""

    own: Own
    connection: Configure

    @property
    def inner(self) -> IpAddress:
        """Our address inside tunnels, where no device is."""
        return self.own.inner or first_host(self.connection.local_selector)

    def policies(self, given: IpAddress | None = None) -> tuple[Policy, ...]:
        """The entries of the SPD, once Mode Config has given us an address or before.

        Where its address is negotiated for, a host does not know beforehand who it will be.
        """
        here: IpNetwork | None = self.connection.local_selector
        there: IpNetwork | None = self.connection.remote_selector
        mode_config = self.connection.mode_config
        if mode_config and mode_config.use_address and mode_config.gateway:
            there = None
        elif mode_config and mode_config.use_address:
            here = host_network(given) if given else None
        return self.own.policy or (Policy(action="protect", source=here, destination=there),)


def read_setup(path: Path) -> Setup:
    """Read and check a file; UserError names it, the key, and what is wrong."""
    try:
        given = tomllib.loads(path.read_text())
        setup = _setup(given, path.parent)
        setup.connection.config(setup.own.address)
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error
    except (ValueError, LocalError) as error:  # TOML, structure and certificates alike
        raise UserError(f"{path}: {error}", _HINT) from error
    _check(setup, path)
    return setup


def _setup(given: dict[str, Any], folder: Path) -> Setup:
    own = {name: given.pop(name) for name in Own.__struct_fields__ if name in given}
    if "psk_file" in given:
        given["psk"] = (folder / given.pop("psk_file")).read_text().rstrip("\n")
    if isinstance(given.get("credentials"), dict):
        given["credentials"] = _read_files(given["credentials"], folder)
        given.setdefault("psk", "")
    defaults = {"name": "peer", "seed": int.from_bytes(system_random(_SEED_SIZE))}
    return Setup(own=read_fields(Own, own), connection=read_fields(Configure, defaults | given))


def _read_files(credentials: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The credentials with the octets of each file in the place of its name."""

    def read(name: str, value: object) -> object:
        if not isinstance(value, str):
            return value
        octets = (folder / value).read_bytes()
        return octets if name in _KEYS else der_of(octets)

    found = dict(credentials)
    for name, value in credentials.items():
        if name in _FILES:
            found[name] = read(name, value)
        elif name in _LISTS_OF_FILES and isinstance(value, list):
            found[name] = [read(name, one) for one in value]
    return found


def der_of(octets: bytes) -> bytes:
    """The first object of a PEM file, or a DER file as it is; raises ValueError."""
    lines = octets.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(b"-----BEGIN ")]
    if not starts:
        return octets
    ends = [number for number, line in enumerate(lines) if line.startswith(b"-----END ")]
    if not ends:
        raise ValueError("PEM without an end")
    return b64decode(b"".join(lines[starts[0] + 1 : ends[0]]), validate=True)


def _check(setup: Setup, path: Path) -> None:
    """What the structure alone cannot say."""
    second = setup.connection.phase2
    modes = {one.mode for one in (second if isinstance(second, tuple) else (second,))}
    if setup.own.tun is not None and modes != {"tunnel"}:
        raise UserError(f'{path}: [tun] needs mode = "tunnel"', "Leave [tun] out: see --ping.")
    if setup.own.start == "on-traffic" and setup.own.tun is None:
        raise UserError(f'{path}: start = "on-traffic" needs a [tun] device to watch', _HINT)
