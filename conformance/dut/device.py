"""``dut.toml``: where a device stands, what it claims, and how it is made to begin (RFC 2409)."""

from __future__ import annotations

import re
import tomllib
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Literal

import msgspec

from conformance.dut.claims import check_claims, completed_claims, not_chosen
from conformance.errors import UserError
from conformance.ikev1.errors import LocalError
from conformance.matrix.factors import FACTORS
from conformance.matrix.manifest import Manifest, Software
from conformance.peer.fields import Fields, read_fields
from conformance.peer.identities import read_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.matrix.constraints import Role

REFERENCE = "reference"
"""The peer that the device meets."""
IDENTITIES = ("ipv4", "fqdn", "user-fqdn")
"""Types of identity that every style has a word for (RFC 2407 4.6.2.1)."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_HINT = "`ipsec-conformance dut init --help` explains each key; docs/device-under-test.md, too."


class End(Fields, frozen=True, kw_only=True):
    """One end: where it is reached and what is behind it."""

    address: IPv4Address
    """The outer address: IKE, and what protects."""
    inner_address: IPv4Address
    """A host inside the subnet that answers echo requests; the device may be it itself."""
    inner_subnet: IPv4Network
    """What tunnel mode protects."""
    identity: str = ""
    """``fqdn:gw.example`` and the like; "" is the address."""

    @property
    def proven(self) -> str:
        """The identity with its type, said or not."""
        return self.identity or f"ipv4:{self.address}"


class Secrets(Fields, frozen=True, kw_only=True):
    """What only the two ends know."""

    psk: str = ""
    user: str = ""
    """Name for XAUTH."""
    password: str = ""

    def __repr__(self) -> str:
        return "Secrets(...)"


class Papers(Fields, frozen=True, kw_only=True):
    """Files of one signature method, beside ``dut.toml``: PEM, certificates also DER."""

    authority: str
    certificate: str
    """Ours."""
    private_key: str
    """Ours, not encrypted."""


class Trigger(Fields, frozen=True, kw_only=True):
    """How the device is made to begin."""

    command: tuple[str, ...] = ()
    """Words of a command; ``{cell}`` and the name of each factor in braces are filled in."""
    chooses: tuple[str, ...] = ()
    """The factors that the command makes the device choose the level of."""
    instruction: str = ""
    """Without a command: what a person is asked to do."""
    timeout: float = 30.0
    """Seconds from the command or the instruction until both phases stand."""


class Device(Fields, frozen=True, kw_only=True):
    """All that a file says."""

    name: str = "dut"
    """As records and pages call it; letters, digits, dots and hyphens."""
    description: str = "A device under test."
    here: End
    device: End
    secrets: Secrets = Secrets()
    certificates: dict[str, Papers] = msgspec.field(default_factory=dict)
    """By signature method."""
    roles: tuple[Literal["initiator", "responder"], ...] = ("responder",)
    """What the device can be."""
    claims: dict[str, tuple[str, ...]]
    """For each factor the levels that the device says it can do; the plain one where none is."""
    trigger: Trigger = Trigger()

    def manifest(self) -> Manifest:
        """What the device claims, as of any peer."""
        return Manifest(
            name=self.name,
            kind="dut",
            version="",
            description=self.description,
            roles=self.roles,
            software=Software(package="", version_command=(), version_output=""),
            claims=self.levels,
            exceptions=not_chosen(self.levels, self.trigger.chooses),
        )

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """The claims, with a level for every factor."""
        return completed_claims(self.claims)

    @property
    def pairings(self) -> list[tuple[str, str]]:
        """Initiator and responder, for each role that the device takes."""
        ways: dict[Role, tuple[str, str]] = {
            "responder": (REFERENCE, self.name),
            "initiator": (self.name, REFERENCE),
        }
        return [ways[role] for role in ways if role in self.roles]


def read_device(path: Path) -> Device:
    """Read and check a file; UserError names it, the key, and what is wrong."""
    try:
        device = read_fields(Device, tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        hint = "`ipsec-conformance dut init` makes one."
        raise UserError(f"cannot read {error.filename}: {error.strerror}", hint) from error
    except ValueError as error:  # TOML, structure and addresses alike
        raise UserError(f"{path}: {error}", _HINT) from error
    check_device(device, str(path))
    return device


def check_device(device: Device, where: str) -> None:
    """What the structure alone cannot say; UserError."""
    check_claims(device.claims, where)
    for problem in _problems(device):
        raise UserError(f"{where}: {problem}", _HINT)
    named = {one.name for one in FACTORS}
    for factor in device.trigger.chooses:
        if factor not in named:
            raise UserError(f"{where}, trigger.chooses: there is no factor {factor!r}", _HINT)


def _problems(device: Device) -> Iterator[str]:
    """Whatever does not fit together."""
    here, there = device.here, device.device
    for name, end in (("here", here), ("device", there)):
        if end.inner_address not in end.inner_subnet:
            yield f"{name}.inner_address {end.inner_address} is not in {end.inner_subnet}"
        if problem := _identity_problem(end):
            yield f"{name}.identity: {problem}"
    if here.address == there.address:
        yield "here and device have the same address"
    if here.inner_subnet.overlaps(there.inner_subnet):
        yield "the two inner subnets overlap"
    if not device.roles:
        yield "roles is empty: a device initiates, responds, or both"
    if device.name == REFERENCE or not _NAME.fullmatch(device.name):
        yield f"name {device.name!r} is taken, or has other than letters, digits, '.' and '-'"


def _identity_problem(end: End) -> str | None:
    kind = end.proven.partition(":")[0]
    if kind not in IDENTITIES:
        return f"{end.identity!r} is no identity; known are {':, '.join(IDENTITIES)}:"
    try:
        read_identity(end.proven, str(end.address))
    except LocalError as error:
        return str(error)
    return None
