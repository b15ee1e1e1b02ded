"""Mode Config: what a gateway tells a host, pulled or pushed (draft-dukes-ike-mode-cfg-02).

```
HDR*, HASH, ATTR(REQUEST or SET)  -->
                                  <--  HDR*, HASH, ATTR(REPLY or ACK)
```
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from conformance.ikev1.attributes import Attribute, AttributeRow, Form, name_of
from conformance.ikev1.errors import LocalError
from conformance.ikev1.settings import read_setting

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv6Address

    from conformance.ikev1.payloads import Configuration

_V, _B = Form.VARIABLE, Form.BASIC

# fmt: off
CONFIGURATION = (
    AttributeRow(1,     "ip4-address",          _V, {}),
    AttributeRow(2,     "ip4-netmask",          _V, {}),
    AttributeRow(3,     "ip4-dns",              _V, {}),
    AttributeRow(4,     "ip4-nbns",             _V, {}),
    AttributeRow(5,     "address-expiry",       _V, {}),
    AttributeRow(6,     "ip4-dhcp",             _V, {}),
    AttributeRow(7,     "application-version",  _V, {}),
    AttributeRow(8,     "ip6-address",          _V, {}),
    AttributeRow(9,     "ip6-netmask",          _V, {}),
    AttributeRow(10,    "ip6-dns",              _V, {}),
    AttributeRow(11,    "ip6-nbns",             _V, {}),
    AttributeRow(12,    "ip6-dhcp",             _V, {}),
    AttributeRow(13,    "ip4-subnet",           _V, {}),
    AttributeRow(14,    "supported-attributes", _V, {}),
    AttributeRow(15,    "ip6-subnet",           _V, {}),
    AttributeRow(16520, "xauth-type",           _B, {}),
    AttributeRow(16521, "xauth-user-name",      _V, {}),
    AttributeRow(16522, "xauth-user-password",  _V, {}),
    AttributeRow(16523, "xauth-passcode",       _V, {}),
    AttributeRow(16524, "xauth-message",        _V, {}),
    AttributeRow(16525, "xauth-challenge",      _V, {}),
    AttributeRow(16526, "xauth-domain",         _V, {}),
    AttributeRow(16527, "xauth-status",         _B, {}),
    AttributeRow(16528, "xauth-next-pin",       _V, {}),
    AttributeRow(16529, "xauth-answer",         _V, {}),
    AttributeRow(28672, "unity-banner",         _V, {}),
    AttributeRow(28673, "unity-save-password",  _B, {}),
    AttributeRow(28674, "unity-default-domain", _V, {}),
    AttributeRow(28675, "unity-split-dns",      _V, {}),
    AttributeRow(28676, "unity-split-include",  _V, {}),
    AttributeRow(28677, "unity-natt-port",      _B, {}),
    AttributeRow(28678, "unity-split-exclude",  _V, {}),
    AttributeRow(28679, "unity-pfs",            _B, {}),
    AttributeRow(28680, "unity-firewall-type",  _V, {}),
    AttributeRow(28681, "unity-backup-servers", _V, {}),
    AttributeRow(28682, "unity-ddns-hostname",  _V, {}),
)
# fmt: on
"""draft-dukes-ike-mode-cfg-02 3.4, draft-beaulieu-ike-xauth-02 6.2, Cisco's Unity."""

NUMBERS = {row.name: row.number for row in CONFIGURATION}
"""Attribute numbers by name."""
_FORMS = {row.name: row.form for row in CONFIGURATION}
_ADDRESSES = ("ip4-address", "ip6-address")

Values = tuple[tuple[str, bytes], ...]
"""Attribute names and values, an empty value where one is only asked for."""


def attributes_of(values: Iterable[tuple[str, bytes]]) -> tuple[Attribute, ...]:
    """Attributes in the RFC's form; raises LocalError for a name that the table lacks."""
    attributes = []
    for name, value in values:
        if name not in NUMBERS:
            raise LocalError(f"unknown configuration attribute {name!r}")
        basic = _FORMS[name] is Form.BASIC
        attributes.append(Attribute(NUMBERS[name], value or bytes(2 * basic), basic))
    return tuple(attributes)


def values_of(configuration: Configuration) -> Values:
    """Names and values of all attributes; those that the table lacks are named by number."""
    return tuple((name_of(CONFIGURATION, one.type), one.value) for one in configuration.attributes)


def answer_request(configuration: Configuration, offered: Values) -> Values:
    """What a gateway has of all that a host asks for; of what it has not, nothing is said.

    A value asked for is a wish that the gateway need not fulfil (draft-dukes-ike-mode-cfg-02 3.3);
    of addresses no more are given than were asked for (3.4).
    """
    asked = Counter(one.type for one in configuration.attributes)
    given: Counter[str] = Counter()
    answer: list[tuple[str, bytes]] = []
    for name, value in (*offered, *_supported(offered)):
        given[name] += 1
        most = asked[NUMBERS[name]] if name in _ADDRESSES else len(offered) + 1
        if NUMBERS[name] in asked and given[name] <= most:
            answer.append((name, value))
    return tuple(answer)


def _supported(offered: Values) -> Values:
    """SUPPORTED-ATTRIBUTES, which every implementation answers, unless the policy does (3.4)."""
    name = "supported-attributes"
    names = dict.fromkeys(one for one, _ in offered)
    if name in names:
        return ()
    return ((name, b"".join(NUMBERS[one].to_bytes(2) for one in (*names, name))),)


def address_of(values: Values) -> IPv4Address | IPv6Address | None:
    """The first address that a host may use; None where there is none."""
    for name, value in values:
        if name in _ADDRESSES:
            with suppress(ValueError):
                return ip_interface(str(read_setting(name, value))).ip
    return None
