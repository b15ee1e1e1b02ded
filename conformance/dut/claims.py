"""What can be claimed of a device that is reached by its address alone (RFC 2408, RFC 2409)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.errors import UserError
from conformance.matrix.constraints import Exclusion
from conformance.matrix.factors import COMBINED, FACTORS, check_level, find_factor

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

USUAL: dict[str, tuple[str, ...]] = {
    **{factor.name: (factor.plain,) for factor in FACTORS},
    "cipher": ("aes128", "aes256"),
    "hash": ("sha1", "sha256"),
    "group": ("modp2048",),
    "esp_cipher": ("aes128", "aes256"),
    "esp_integrity": ("sha1", "sha256"),
}
"""What `dut init` takes a device for, where it is not told."""

_IPV6 = tuple(level for level in find_factor("family").known if level != "ipv4")
OUT_OF_REACH = {
    ("nat", "initiator"): "the suite has no NAT in front of itself, and knows of none at a device",
    **dict.fromkeys(
        (("certificates", level) for level in ("chain", "crl", "revoked")),
        "the device's own trust and revocation lists are not the suite's to change",
    ),
    **dict.fromkeys((("family", level) for level in _IPV6), "a device's file has IPv4 addresses"),
}
"""(factor, level) -> why a run against a device cannot ask for it."""

ASKED_BY_INITIATOR = (
    *("exchange", "auth", "pfs", "protocol", "esn", "mode", "mode_config", "lifetime"),
)
"""Factors whose level is in the initiator's own configuration, and not one of what it offers.

Of the others an initiator offers all it has, and the responder chooses (RFC 2408 4.2).
"""
_FIRST = "A device that begins does what it is configured to do first, unless its trigger chooses."
_REKEY = "The end that began replaces the SAs, and a device does so when it thinks fit."
_SOURCE = "docs/device-under-test.md"


def check_claims(claims: Mapping[str, tuple[str, ...]], where: str) -> None:
    """UserError for an unknown factor or level, or one that a run cannot ask for."""
    for name, levels in claims.items():
        factor = find_factor(name, f"{where}, claims")
        for level in levels:
            check_level(factor, level, f"{where}, claims.{name}")
            if (name, level) in OUT_OF_REACH:
                why = OUT_OF_REACH[name, level]
                raise UserError(
                    f"{where}, claims.{name}: {level} cannot be tried: {why}",
                    f"Take {level} out of the list.",
                )


def completed_claims(claims: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """A list for every factor: the plain level where none is given, and what AH and AEAD imply."""
    levels = {one.name: tuple(claims.get(one.name) or (one.plain,)) for one in FACTORS}
    implied = (
        ("esp_cipher", "ah" in levels["protocol"]),
        ("esp_integrity", bool({*COMBINED} & {*levels["esp_cipher"]})),
    )
    for name, follows in implied:
        if follows and "none" not in levels[name]:
            levels[name] += ("none",)
    return levels


def not_chosen(
    levels: Mapping[str, tuple[str, ...]], chooses: Collection[str]
) -> tuple[Exclusion, ...]:
    """What the device cannot be made to begin with: each factor's first level alone is left."""
    left = {name: levels[name][1:] for name in ASKED_BY_INITIATOR if name not in chooses}
    when = [{name: others} for name, others in left.items() if others]
    # Aggressive Mode carries KE in its first message, so the group is not negotiated (RFC 2409 5).
    if "group" not in chooses and levels["group"][1:]:
        when.append({"exchange": ("aggressive",), "group": levels["group"][1:]})
    when_rekeyed = _exclusion({"event": ("rekey", "rekey-bytes")}, _REKEY)
    return (*(_exclusion(one, _FIRST) for one in when), when_rekeyed)


def _exclusion(when: dict[str, tuple[str, ...]], reason: str) -> Exclusion:
    return Exclusion(when=when, reason=reason, source=_SOURCE, role="initiator")
