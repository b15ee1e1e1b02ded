"""What the values of Mode Config attributes say, and how they are written.

draft-dukes-ike-mode-cfg-02 3.4; those of Unity as Cisco's clients and gateways send them.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, NamedTuple

from conformance.ikev1.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conformance.ikev1.events import Setting

_ROUTE = 14
"""Octets of a split route: network, mask, protocol and ports."""
_IP4, _IP6 = 4, 16
_NUMBERS = (2, 4)


class Format(NamedTuple):
    """One kind of value; both raise ValueError."""

    read: Callable[[bytes], Setting]
    write: Callable[[str], bytes]


def text_of(data: bytes) -> str:
    """ASCII, with other octets escaped; some peers end it with a zero."""
    return data.removesuffix(b"\0").decode("ascii", "backslashreplace")


def _subnet4(data: bytes) -> str:
    address, mask = IPv4Address(data[:_IP4]), IPv4Address(data[_IP4:])
    return str(IPv4Network(f"{address}/{mask}", strict=False))


def _write_subnet4(text: str) -> bytes:
    network = IPv4Network(text)
    return network.network_address.packed + network.netmask.packed


def _subnet6(data: bytes) -> str:
    return str(IPv6Network((IPv6Address(data[:_IP6]), int.from_bytes(data[_IP6:])), strict=False))


def _write_subnet6(text: str) -> bytes:
    network = IPv6Network(text)
    return network.network_address.packed + bytes([network.prefixlen])


def _host6(data: bytes) -> str:
    """An address; strongSwan puts a prefix length behind it, as IKEv2 does."""
    address, prefix = IPv6Address(data[:_IP6]), data[_IP6:]
    if len(prefix) > 1:
        raise ValueError("too long for an address and a prefix length")
    return f"{address}/{prefix[0]}" if prefix else str(address)


def _routes(data: bytes) -> tuple[str, ...]:
    if len(data) % _ROUTE:
        raise ValueError("not a list of routes")
    starts = range(0, len(data), _ROUTE)
    return tuple(_subnet4(data[start : start + 2 * _IP4]) for start in starts)


def _write_routes(text: str) -> bytes:
    return b"".join(_write_subnet4(one) + bytes(_ROUTE - 2 * _IP4) for one in text.split())


def _number(data: bytes) -> int:
    if len(data) not in _NUMBERS:
        raise ValueError("not a number of two or four octets")
    return int.from_bytes(data)


def _supported(data: bytes) -> tuple[int, ...]:
    if len(data) % 2:
        raise ValueError("not a list of attributes")
    return tuple(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))


_ADDRESS_4 = Format(lambda data: str(IPv4Address(data)), lambda text: IPv4Address(text).packed)
_ADDRESS_6 = Format(lambda data: str(IPv6Address(data)), lambda text: IPv6Address(text).packed)
_HOST_6 = Format(_host6, _ADDRESS_6.write)
_SUBNET_4, _SUBNET_6 = Format(_subnet4, _write_subnet4), Format(_subnet6, _write_subnet6)
_ROUTES = Format(_routes, _write_routes)
_SHORT = Format(_number, lambda text: int(text).to_bytes(2))
_LONG = Format(_number, lambda text: int(text).to_bytes(4))
_TEXT = Format(text_of, str.encode)
_LIST = Format(_supported, lambda text: b"".join(int(one).to_bytes(2) for one in text.split()))
_OCTETS = Format(bytes.hex, bytes.fromhex)

FORMATS = {
    "ip4-address": _ADDRESS_4,
    "ip4-netmask": _ADDRESS_4,
    "ip4-dns": _ADDRESS_4,
    "ip4-nbns": _ADDRESS_4,
    "address-expiry": _LONG,
    "ip4-dhcp": _ADDRESS_4,
    "application-version": _TEXT,
    "ip6-address": _HOST_6,
    "ip6-netmask": _ADDRESS_6,
    "ip6-dns": _ADDRESS_6,
    "ip6-nbns": _ADDRESS_6,
    "ip6-dhcp": _ADDRESS_6,
    "ip4-subnet": _SUBNET_4,
    "supported-attributes": _LIST,
    "ip6-subnet": _SUBNET_6,
    "unity-banner": _TEXT,
    "unity-save-password": _SHORT,
    "unity-default-domain": _TEXT,
    "unity-split-dns": _TEXT,
    "unity-split-include": _ROUTES,
    "unity-natt-port": _SHORT,
    "unity-split-exclude": _ROUTES,
    "unity-pfs": _SHORT,
    "unity-firewall-type": _OCTETS,
    "unity-backup-servers": _TEXT,
    "unity-ddns-hostname": _TEXT,
}
"""By attribute name; those of XAUTH are secrets or read elsewhere."""


def read_setting(name: str, value: bytes) -> Setting:
    """What a value says; in hexadecimal where its attribute is unknown or its length wrong."""
    try:
        return FORMATS.get(name, _OCTETS).read(value)
    except ValueError:
        return value.hex()


def read_settings(values: Iterable[tuple[str, bytes]]) -> tuple[tuple[str, Setting], ...]:
    """What every value says."""
    return tuple((name, read_setting(name, value)) for name, value in values)


def write_setting(name: str, text: str) -> bytes:
    """A value from text, empty for one that is only asked for; raises LocalError.

    Networks are in CIDR notation, several of them with spaces between; octets in hexadecimal.
    """
    try:
        return FORMATS[name].write(text) if text else b""
    except (KeyError, ValueError, OverflowError) as error:
        raise LocalError(f"{text!r} is no value of {name!r}") from error
