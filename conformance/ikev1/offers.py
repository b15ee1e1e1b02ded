"""What a configured proposal looks like on the wire: protocols, transforms and attribute values.

RFC 2409 Appendix A (phase 1), RFC 2407 4.4 and 4.5 (phase 2), RFC 3173 4.1 (IPComp), RFC 4304.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from conformance.crypto.ciphers import CIPHERS, FAMILIES
from conformance.crypto.prf import HASHES
from conformance.crypto.transforms import (
    AH_TRANSFORMS,
    COMPRESSIONS,
    ESP_DEFAULT_BITS,
    ESP_INTEGRITY,
    ESP_TRANSFORMS,
)
from conformance.ikev1.attributes import PHASE_1, name_of
from conformance.ikev1.config import AUTH_METHODS, MODES, PROTOCOLS, SUITES
from conformance.ikev1.constants import KEY_IKE, Protocol
from conformance.ikev1.private_groups import group_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conformance.ikev1.config import Phase1Proposal, Phase2Proposal

Values = dict[str, list[int]]
"""Attribute values by name; several where the attribute stands there several times."""


class Member(NamedTuple):
    """One protocol of a proposal with its one transform."""

    protocol: Protocol
    transform_id: int
    values: tuple[tuple[str, int], ...]
    """Attribute names and numbers, without the lifetime."""


def _optional(name: str, value: int | None) -> tuple[tuple[str, int], ...]:
    return () if value is None else ((name, value),)


# -- phase 1 ------------------------------------------------------------------------------------


def _group(proposal: Phase1Proposal) -> tuple[tuple[str, int], ...]:
    """The group by its number, or spelled out (RFC 2409 Appendix A)."""
    if proposal.group_parameters is None:
        return (("group description", group_number(proposal.group)),)
    numbers = proposal.group_parameters.as_attributes()
    return tuple((name_of(PHASE_1, number), value) for number, value in numbers.items())


def phase_1_members(proposal: Phase1Proposal) -> tuple[Member, ...]:
    """The ISAKMP SA alone."""
    cipher = CIPHERS[proposal.cipher]
    values = (
        ("encryption algorithm", cipher.ike_id),
        *_optional("key length", cipher.key_length),
        ("hash algorithm", HASHES[proposal.hash].ike_id),
        *_group(proposal),
        ("authentication method", AUTH_METHODS[proposal.auth]),
    )
    return (Member(Protocol.ISAKMP, KEY_IKE, values),)


_IKE_DEFAULT_BITS = {family.ike_id: family.fixed for family in FAMILIES if family.lengths}
"""What an absent key length means; None where it must be there (RFC 2409 Appendix B)."""


def phase_1_defaults(protocol: Protocol, transform_id: int, values: Values) -> Values:
    """What the values mean where they say nothing."""
    del protocol, transform_id
    bits = _IKE_DEFAULT_BITS.get(values.get("encryption algorithm", [0])[0])
    return {} if bits is None else {"key length": [bits]}


# -- phase 2 ------------------------------------------------------------------------------------


def _esp(proposal: Phase2Proposal) -> tuple[int, tuple[tuple[str, int], ...]]:
    cipher, mac = ESP_TRANSFORMS[proposal.cipher], ESP_INTEGRITY.get(proposal.integrity)
    return cipher.esp_id, (
        *_optional("key length", cipher.key_length),
        *_optional("authentication algorithm", mac.attribute_id if mac else None),
    )


def _ah(proposal: Phase2Proposal) -> tuple[int, tuple[tuple[str, int], ...]]:
    row = AH_TRANSFORMS[proposal.ah_algorithm]
    return row.ah_id, (("authentication algorithm", row.attribute_id),)


def _ipcomp(proposal: Phase2Proposal) -> tuple[int, tuple[tuple[str, int], ...]]:
    return COMPRESSIONS[proposal.compression], ()


_TRANSFORMS: dict[str, Callable[[Phase2Proposal], tuple[int, tuple[tuple[str, int], ...]]]] = {
    "ah": _ah,
    "esp": _esp,
    "ipcomp": _ipcomp,
}


def phase_2_members(
    proposal: Phase2Proposal, modes: Mapping[str, int] = MODES
) -> tuple[Member, ...]:
    """Every protocol of the suite, all in one mode and with one group (RFC 2409 5.5)."""
    mode = ("encapsulation mode", modes[proposal.mode])
    pfs = _optional("group description", group_number(proposal.pfs) if proposal.pfs else None)
    esn = _optional("extended sequence number", 1 if proposal.esn else None)
    members = []
    for name in SUITES[proposal.protocol]:
        transform_id, values = _TRANSFORMS[name](proposal)
        numbered = () if name == "ipcomp" else esn
        values = (*values, mode, *pfs, *numbered)
        members.append(Member(Protocol(PROTOCOLS[name]), transform_id, values))
    return tuple(members)


def phase_2_defaults(
    protocol: Protocol, transform_id: int, values: Values, modes: Mapping[str, int] = MODES
) -> Values:
    """What the values mean where they say nothing (RFC 2451 2.2, RFC 3173 4.1)."""
    del values
    if protocol is Protocol.ESP and transform_id in ESP_DEFAULT_BITS:
        return {"key length": [ESP_DEFAULT_BITS[transform_id]]}
    if protocol is Protocol.IPCOMP:
        return {"encapsulation mode": [modes["transport"]]}
    return {}


APPLICABLE = {Protocol.IPCOMP: frozenset({"encapsulation mode"})}
"""What counts of a protocol's values; of all others everything does.

RFC 3173 4.1: attributes of other protocols MUST be ignored in an IPComp proposal, and it MUST NOT
be rejected for having none.
"""
LIFETIMES = frozenset({"life type", "life duration"})
UNDERSTOOD = frozenset(
    {
        "encryption algorithm",
        "hash algorithm",
        "authentication method",
        "group description",
        "group type",
        "group prime",
        "group generator one",
        "group generator two",
        "group curve A",
        "group curve B",
        "field size",
        "group order",
        "encapsulation mode",
        "authentication algorithm",
        "key length",
        "extended sequence number",
        *LIFETIMES,
    }
)
"""The attributes that are understood; a transform with another one is passed over."""
