"""Phase 1 identities as people write them: a type, a colon, a value (RFC 2407 4.6.2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ikev1.config import Identification
from conformance.ikev1.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable


def _kind_and_value(text: str) -> tuple[str, str]:
    kind, _, value = text.partition(":")
    return kind, value


_FORMS: dict[str, Callable[[str], Identification]] = {
    "ipv4": Identification.ipv4_addr,
    "ipv6": Identification.ipv6_addr,
    "subnet": Identification.selector,
    "fqdn": Identification.fqdn,
    "user-fqdn": Identification.user_fqdn,
    "key-id": lambda text: Identification.key_id(bytes.fromhex(text)),
    "dn": Identification.dn,
    "gn": lambda text: Identification.general_name(*_kind_and_value(text)),
}
_FAMILIES = {False: "ipv4", True: "ipv6"}
"""By whether an address has colons."""
ANY = "any"
"""Whoever has the key."""


def read_identity(text: str, address: str) -> Identification | None:
    """``fqdn:gw.example`` and the like; "" is the address itself, None stands for any.

    Raises LocalError for another type, or a value that does not fit it.
    """
    if text == ANY:
        return None
    kind, colon, value = (text or f"{_FAMILIES[':' in address]}:{address}").partition(":")
    if not colon or kind not in _FORMS:
        known = ", ".join(f"{name}:..." for name in _FORMS)
        raise LocalError(f"{text!r} is no identity; known are {known} and {ANY}")
    try:
        return _FORMS[kind](value)
    except ValueError as error:
        raise LocalError(f"{text!r} is no identity: {error}") from error
