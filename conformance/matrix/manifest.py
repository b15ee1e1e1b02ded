"""What a peer is and what it claims: ``peers/<name>/peer.toml``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from conformance.errors import UserError
from conformance.matrix.constraints import Exclusion, Role, first_exclusion
from conformance.matrix.factors import FACTORS, check_level, find_factor
from conformance.matrix.kernels import is_kernel
from conformance.matrix.script import Script
from conformance.matrix.unknown import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_Entry = TypeVar("_Entry", bound=Exclusion)

BUT = "!"
"""Before a level in an exception: every level but this one."""

FILE_NAME = "peer.toml"
"""The manifest's name in a peer's folder."""

SCRIPTED = "scripted"
"""The kind of a peer that is driven by the commands of its manifest."""
_TABLE = {True: "needs this table", False: "has no use for this table"}


class Software(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to see, inside the peer's container, that the declared version is what runs."""

    package: str
    """The package that carries the daemon."""
    version_command: tuple[str, ...]
    """The argument list that prints the version."""
    version_output: str
    """A text that its output holds when the version is the declared one."""


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A daemon setting that the lab changes from its default."""

    name: str
    """The setting, in the daemon's own words, with its file or section."""
    value: str
    """What the lab sets."""
    reason: str
    """Why the default does not serve."""


class Deviation(Exclusion, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault that is known: what the peer claims, and does otherwise than the RFCs have it.

    Unlike an exception it takes back no claim: the cells it speaks of still run, and still fail.
    """


class Apart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An initiator that ends the peer, and whatever other cells it runs at the time."""

    initiator: str
    """The initiator's name, e.g. ``vpnc-0.5.3``."""
    reason: str
    """What happens."""
    source: str
    """What tells of it: a bug, a finding of ours."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One peer: an implementation at a version, with its claims."""

    name: str
    """The folder's name, e.g. ``libreswan-4.10``."""
    kind: Literal["reference", "strongswan", "libreswan", "vpnc", "dut", "scripted"]
    """Which driver drives it."""
    version: str
    """The version of the implementation."""
    description: str
    """One sentence for the pages."""
    roles: tuple[Role, ...]
    """The roles it can take."""
    software: Software
    """How the version is checked."""
    claims: dict[str, tuple[str, ...]]
    """For every factor, the levels the peer says it can do."""
    image: str | None = None
    """The image that its Dockerfile begins with; None where it has no container of ours."""
    exceptions: tuple[Exclusion, ...] = ()
    """Combinations of claimed levels that it does not do all the same."""
    identity: Literal["address", "key-id"] = "address"
    """What it proves in phase 1 with a shared key: its address, or a name (RFC 2407 4.6.2.11)."""
    deviations: tuple[Deviation, ...] = ()
    """Its known faults, each with what tells of it: a changelog, a bug, a finding of ours."""
    apart: tuple[Apart, ...] = ()
    """Initiators with which it is paired only where that pairing is named."""
    settings: tuple[Setting, ...] = ()
    """What the lab sets in the daemon's configuration besides the connection."""

    script: Script | None = None
    """What drives it, where its kind is ``scripted``."""

    def undeclared(self, combination: Mapping[str, str], role: Role) -> list[str]:
        """What ``combination`` asks of it that it does not claim, as ``"<name>: <claim>"``."""
        role_claims = [] if role in self.roles else [f"role={role}"]
        levels = [
            f"{name}={level}"
            for name, level in combination.items()
            if level not in self.claims[name]
        ]
        return [
            f"{self.name}: {claim}"
            for claim in role_claims + levels or self._excepted(combination, role)
        ]

    def exceptions_as(self, role: Role) -> tuple[Exclusion, ...]:
        """Those that hold for it in this role."""
        return tuple(one for one in self.exceptions if one.concerns(role))

    def deviation(self, combination: Mapping[str, str], role: Role) -> Deviation | None:
        """The known fault that ``combination`` meets in this role, if there is one."""
        concerned = (one for one in self.deviations if one.concerns(role))
        return next((one for one in concerned if one.matches(combination)), None)

    def _excepted(self, combination: Mapping[str, str], role: Role) -> list[str]:
        found = first_exclusion(combination, self.exceptions_as(role))
        if found is None:
            return []
        return [" with ".join(f"{name}={combination[name]}" for name in found.when)]


def load_manifest(folder: Path) -> Manifest:
    """Read and check ``folder/peer.toml``; UserError names the file, the key and what is due."""
    path = folder / FILE_NAME
    try:
        manifest = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Manifest, strict=True)
    except FileNotFoundError:
        raise UserError(f"{path} is missing", "Every peer's folder holds a peer.toml.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not TOML: {error}", "Mend the line it names.") from error
    except msgspec.ValidationError as error:
        raise _invalid(path, error) from error
    manifest = msgspec.structs.replace(
        manifest,
        exceptions=_all_spelled_out(manifest.exceptions, f"{path}, exceptions"),
        deviations=_all_spelled_out(manifest.deviations, f"{path}, deviations"),
    )
    _check(manifest, path)
    return manifest


def load_manifests(root: Path) -> dict[str, Manifest]:
    """Every peer that negotiates, the reference first, then by name; ``root`` is ``peers/``.

    Kernels, which do not, are those of ``conformance.matrix.kernels``.
    """
    paths = [path for path in sorted(root.glob(f"*/{FILE_NAME}")) if not is_kernel(path)]
    manifests = [load_manifest(path.parent) for path in paths]
    if not manifests:
        raise UserError(f"no peer stands under {root}", "A peer is a folder with a peer.toml.")
    manifests.sort(key=lambda manifest: (manifest.kind != "reference", manifest.name))
    return {manifest.name: manifest for manifest in manifests}


def find_manifest(manifests: Mapping[str, Manifest], name: str) -> Manifest:
    """The peer called ``name``; UserError with the nearest match where there is none."""
    if name not in manifests:
        raise unknown("peer", name, manifests)
    return manifests[name]


def _invalid(path: Path, error: msgspec.ValidationError) -> UserError:
    problem, _, where = str(error).partition(" - at `")
    key = where.rstrip("`").removeprefix("$").removeprefix(".") or "top level"
    return UserError(f"{path}, {key}: {problem}", "The keys are those of the peers that stand.")


def _check(manifest: Manifest, path: Path) -> None:
    if manifest.name != path.parent.name:
        raise UserError(
            f"{path}, name: {manifest.name!r} is not the folder's name",
            f"Expected {path.parent.name!r}.",
        )
    if (manifest.kind == SCRIPTED) != (manifest.script is not None):
        raise UserError(
            f"{path}, script: a peer of kind {manifest.kind!r} {_TABLE[manifest.kind == SCRIPTED]}",
            "Commands in [script] drive a peer of kind 'scripted', and no other.",
        )
    for factor in FACTORS:
        if not manifest.claims.get(factor.name):
            raise UserError(
                f"{path}, claims.{factor.name}: no level is claimed",
                f"Expected a list of {', '.join(factor.known)}.",
            )
        for level in manifest.claims[factor.name]:
            check_level(factor, level, f"{path}, claims.{factor.name}")
    for name in manifest.claims:
        find_factor(name, f"{path}, claims")


def _all_spelled_out(entries: Sequence[_Entry], where: str) -> tuple[_Entry, ...]:
    return tuple(
        _spelled_out(entry, f"{where}[{number}].when") for number, entry in enumerate(entries)
    )


def _spelled_out(entry: _Entry, where: str) -> _Entry:
    """The entry with ``!level`` written out as every other level of its factor."""
    when = {name: _levels(name, levels, where) for name, levels in entry.when.items()}
    return msgspec.structs.replace(entry, when=when)


def _levels(name: str, levels: tuple[str, ...], where: str) -> tuple[str, ...]:
    factor = find_factor(name, where)
    named = {check_level(factor, level.removeprefix(BUT), f"{where}.{name}") for level in levels}
    if all(level.startswith(BUT) for level in levels):
        return tuple(level for level in factor.known if level not in named)
    if any(level.startswith(BUT) for level in levels):
        raise UserError(
            f"{where}.{name}: levels with and without {BUT!r} are mixed",
            "Name the levels it speaks of, or those it does not speak of.",
        )
    return levels
