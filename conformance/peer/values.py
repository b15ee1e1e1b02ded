"""Mode Config values as people write them (draft-dukes-ike-mode-cfg-02 3.4, Cisco's Unity)."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from conformance.ikev1.errors import LocalError
from conformance.ikev1.mode_config import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

HEX = "hex:"
"""What begins a value in hexadecimal; every attribute may be written so."""

_ADDRESSES = ("ip4-address", "ip4-netmask", "ip4-dns", "ip4-nbns", "ip4-dhcp")
_NETWORKS = ("ip4-subnet",)
_SPLITS = ("unity-split-include", "unity-split-exclude")
_TEXTS = ("application-version", "unity-banner", "unity-default-domain", "unity-split-dns")
_NUMBERS = {"address-expiry": 4, "unity-save-password": 2, "unity-natt-port": 2, "unity-pfs": 2}
_SPLIT_SIZE = 14
"""A network, its mask, and six octets of protocol and ports that are 0 for any."""


def _network(text: str) -> bytes:
    network = IPv4Network(text)
    return network.network_address.packed + network.netmask.packed


def _read_network(octets: bytes) -> str:
    return str(IPv4Network((octets[:4], str(IPv4Address(octets[4:8])))))


def _writers(name: str) -> Callable[[str], bytes]:
    if name in _ADDRESSES:
        return lambda text: IPv4Address(text).packed
    if name in _NETWORKS:
        return _network
    if name in _SPLITS:
        return lambda text: b"".join(_network(one) + bytes(6) for one in text.split(","))
    if name in _NUMBERS:
        return lambda text: int(text).to_bytes(_NUMBERS[name])
    return str.encode


def write_value(name: str, text: str) -> bytes:
    """The octets of a value, "" for one that is only asked for; raises LocalError."""
    if name not in NUMBERS:
        raise LocalError(
            f"unknown configuration attribute {name!r}; known are {', '.join(NUMBERS)}"
        )
    if not text:
        return b""
    try:
        if text.startswith(HEX):
            return bytes.fromhex(text.removeprefix(HEX))
        return _writers(name)(text)
    except (ValueError, OverflowError) as error:
        raise LocalError(f"{name}: {error}") from error


def read_value(name: str, octets: bytes) -> str:
    """A received value for people; hexadecimal where it does not have the form of its kind."""
    try:
        text = _read(name, octets)
    except (ValueError, AddressValueError):
        text = None
    return HEX + octets.hex() if octets and text is None else text or ""


def _read(name: str, octets: bytes) -> str | None:
    if name in _ADDRESSES:
        return str(IPv4Address(octets))
    if name in _NETWORKS and len(octets) == 8:  # noqa: PLR2004  a network and its mask
        return _read_network(octets)
    if name in _SPLITS and octets and len(octets) % _SPLIT_SIZE == 0:
        starts = range(0, len(octets), _SPLIT_SIZE)
        return ",".join(_read_network(octets[start:]) for start in starts)
    if name in _NUMBERS:
        return str(int.from_bytes(octets))
    text = octets.decode("ascii") if name in _TEXTS else None
    return text if text is not None and text.isprintable() else None
