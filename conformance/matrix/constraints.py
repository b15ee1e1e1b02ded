"""Which levels cannot stand in one combination, whoever the peers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from conformance.matrix.factors import COMBINED, MIXED, find_factor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


Role = Literal["initiator", "responder"]
"""Who starts the exchange."""


class Exclusion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Levels that cannot be combined: one of each factor's levels together is excluded."""

    when: dict[str, tuple[str, ...]]
    """For each factor of the exclusion, the levels it speaks of."""
    reason: str
    """Why, in one sentence."""
    source: str
    """Where this is written: an RFC section, a manual page, a source file at a version."""
    role: Role | None = None
    """The role in which a peer does not do it; None for both."""

    def matches(self, combination: Mapping[str, str]) -> bool:
        """Whether ``combination`` (all factors of ``when`` present) is excluded."""
        return all(combination[factor] in levels for factor, levels in self.when.items())

    def concerns(self, role: Role) -> bool:
        """Whether it holds for a peer in this role."""
        return self.role in {None, role}


_ESP = ("esp", "esp+ipcomp")
_AH = ("ah",)
_ESP_CIPHERS = tuple(level for level in find_factor("esp_cipher").known if level != "none")
_PLAIN_CIPHERS = tuple(level for level in _ESP_CIPHERS if level not in COMBINED)
_MACS = tuple(level for level in find_factor("esp_integrity").known if level != "none")
_WITH_IPV6 = ("ipv6", *MIXED)
_WITHOUT_KEY = ("psk", "xauth-init-psk", "xauth-resp-psk")

CONSTRAINTS: tuple[Exclusion, ...] = (
    Exclusion(
        when={"protocol": _AH, "esp_cipher": _ESP_CIPHERS},
        reason="AH encrypts nothing.",
        source="RFC 4302 1",
    ),
    Exclusion(
        when={"protocol": _AH, "esp_integrity": ("none",)},
        reason="AH has a transform that names its integrity algorithm.",
        source="RFC 2407 4.4.3",
    ),
    Exclusion(
        when={"protocol": _ESP, "esp_cipher": ("none",)},
        reason="ESP has a transform that names its cipher.",
        source="RFC 2407 4.4.4",
    ),
    Exclusion(
        when={"esp_cipher": COMBINED, "esp_integrity": _MACS},
        reason="A cipher that protects integrity itself has no other algorithm beside it.",
        source="RFC 8221 4",
    ),
    Exclusion(
        when={"esp_cipher": _PLAIN_CIPHERS, "esp_integrity": ("none",)},
        reason="Encryption alone lets packets be changed unseen; no peer offers it.",
        source="RFC 8221 4",
    ),
    Exclusion(
        when={"auth": _WITHOUT_KEY, "certificates": ("chain", "crl", "revoked")},
        reason="A pre-shared key needs no certificate.",
        source="RFC 2409 5.4",
    ),
    Exclusion(
        when={"auth": (*_WITHOUT_KEY, "hybrid-init-rsa-sig"), "fragmentation": ("yes",)},
        reason="Without a certificate no message of an end is too large for one datagram.",
        source="[MS-IKEE] 3.3",
    ),
    Exclusion(
        when={"protocol": _AH, "nat": ("initiator",)},
        reason="AH covers the addresses that a NAT changes.",
        source="RFC 3715 2.1",
    ),
    Exclusion(
        when={"mode_config": ("pull", "push"), "mode": ("transport",)},
        reason="An address that is given serves inside a tunnel.",
        source="draft-dukes-ike-mode-cfg-02 3",
    ),
    Exclusion(
        when={"nat": ("initiator",), "mode": ("transport",)},
        reason="The lab's ping cannot tell the two ends of the translation apart.",
        source="RFC 3948 5.2",
    ),
    Exclusion(
        when={"family": MIXED, "mode": ("transport",)},
        reason="Transport mode keeps the packet's own header, so there is one family.",
        source="RFC 4301 4.1",
    ),
    Exclusion(
        when={"family": _WITH_IPV6, "nat": ("initiator",)},
        reason="ESP travels in UDP over IPv4 alone, and the lab translates nothing else.",
        source="RFC 3948 1",
    ),
    Exclusion(
        when={"family": _WITH_IPV6, "mode_config": ("pull", "push")},
        reason="The lab gives addresses of IPv4 alone, and reaches the gateway by the same family.",
        source="draft-dukes-ike-mode-cfg-02 3.3",
    ),
)
"""Exclusions that hold for every peer."""


def first_exclusion(
    combination: Mapping[str, str], exclusions: Iterable[Exclusion]
) -> Exclusion | None:
    """The first of ``exclusions`` that speaks of ``combination``."""
    return next((entry for entry in exclusions if entry.matches(combination)), None)


def as_condition(exclusion: Exclusion) -> dict[str, Any]:
    """The exclusion in covertable's constraint notation."""
    parts = [
        {"operator": "in", "left": factor, "values": list(levels)}
        for factor, levels in exclusion.when.items()
    ]
    return {"operator": "not", "condition": {"operator": "and", "conditions": parts}}
