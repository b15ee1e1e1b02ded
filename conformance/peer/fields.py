"""Structures read from JSON or TOML: every field is named, and one that nobody knows is refused."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from conformance.ikev1.errors import LocalError

FieldsT = TypeVar("FieldsT", bound=msgspec.Struct)
T = TypeVar("T")


def _either(name: str, *families: type) -> type:
    """A class whose instances are those of either family: msgspec takes no union of two."""
    made = ABCMeta(name, (), {})
    for family in families:
        made.register(family)
    return made


if TYPE_CHECKING:
    from conformance.ipsec.packet import Address, Network

    IpAddress = Address
    IpNetwork = Network
    IpInterface = IPv4Interface | IPv6Interface
else:
    IpAddress = _either("IpAddress", IPv4Address, IPv6Address)
    IpNetwork = _either("IpNetwork", IPv4Network, IPv6Network)
    IpInterface = _either("IpInterface", IPv4Interface, IPv6Interface)

_TEXTS: dict[Any, Callable[[str], object]] = {
    IpAddress: ip_address,
    IpInterface: ip_interface,
    IpNetwork: ip_network,
    IPv4Address: IPv4Address,
    IPv4Network: IPv4Network,
}


class Fields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every field is named; a field nobody knows is refused."""


def read_fields(kind: type[FieldsT], given: Mapping[str, Any]) -> FieldsT:
    """What a JSON or TOML object says; msgspec.ValidationError names what is wrong with it."""
    _refuse_unknown(kind, given)
    return msgspec.convert(given, kind, dec_hook=_read_text)


def _read_text(kind: type[Any], value: object) -> object:
    if kind not in _TEXTS or not isinstance(value, str):
        raise TypeError(f"expected {kind.__name__} as text, got {type(value).__name__}")
    return _TEXTS[kind](value)


def _refuse_unknown(kind: type[msgspec.Struct], given: Mapping[str, Any]) -> None:
    """Policies are plain dataclasses, in which msgspec overlooks a misspelt name."""
    for one in msgspec.structs.fields(kind):
        policy = next((part for part in _parts(one.type) if is_dataclass(part)), None)
        value = given.get(one.name)
        if policy is None or not isinstance(value, Mapping):
            continue
        known = [each.name for each in fields(policy)]
        for name in value:
            if name not in known:
                raise msgspec.ValidationError(
                    f"Object contains unknown field `{name}` - at `$.{one.name}`; "
                    f"known are {', '.join(known)}"
                )


def _parts(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__args__", (kind,))


def said(given: msgspec.Struct, **read: Any) -> dict[str, Any]:
    """The fields that say something, ``read`` in the place of those of the same names."""
    return {
        one.name: read.get(one.name, value)
        for one in msgspec.structs.fields(given)
        for value in (getattr(given, one.name),)
        if one.required or value != _default(one)
    }


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def build(kind: type[T], given: Mapping[str, Any]) -> T:
    """A dataclass of the core from fields of its names; LocalError for one that it lacks."""
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise LocalError(f"{name} is not supported")
    for name, one in known.items():
        if name not in given and one.default is one.default_factory is MISSING:
            raise LocalError(f"{name} is needed")
    return kind(**given)
