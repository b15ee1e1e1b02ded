"""The factors of a combination and their levels, in report order (RFC 2407, 2409 and 4303)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from conformance.errors import UserError
from conformance.matrix.unknown import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Combination: TypeAlias = dict[str, str]
"""One level for each factor, in the order of `FACTORS`."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that two peers negotiate, with the levels this suite can ask for."""

    name: str
    """As in records, manifests and ``--factor``."""
    title: str
    """As in the pages."""
    plain: str
    """The level of the first combination of every plan, which a smoke run uses."""
    levels: tuple[str, ...]
    """The usual levels, in report order: those of a plan that asks for nothing else."""
    rare: tuple[str, ...] = ()
    """Further levels, which a plan has with ``--wide`` or where ``--factor`` names them."""

    @property
    def known(self) -> tuple[str, ...]:
        """Every level there is."""
        return self.levels + self.rare


_GROUPS = ("modp1024", "modp1536", "modp2048", "ecp256")
_RARE_GROUPS = (
    *("modp768", "modp3072", "modp4096", "modp6144", "modp8192"),
    *("modp1024s160", "modp2048s224", "modp2048s256"),
    *("ecp192", "ecp224", "ecp384", "ecp521"),
    *("ecp224bp", "ecp256bp", "ecp384bp", "ecp512bp"),
)
_RARE_AUTH = (
    *("rsa-sig", "ecdsa-256", "ecdsa-384", "ecdsa-521"),
    *("xauth-init-psk", "xauth-resp-psk", "xauth-init-rsa-sig", "xauth-resp-rsa-sig"),
    "hybrid-init-rsa-sig",
)
_RARE_CIPHERS = (
    *("camellia128", "camellia192", "camellia256"),
    *("des", "cast128", "blowfish128", "blowfish192", "blowfish256"),
)
_AES = ("aes128", "aes192", "aes256")
COMBINED = tuple(
    f"{aes}{mode}"
    for aes in _AES
    for mode in ("ccm8", "ccm12", "ccm16", "gcm8", "gcm12", "gcm16", "gmac")
)
"""The levels of ``esp_cipher`` that protect integrity themselves (RFC 4106, 4309 and 4543)."""
_RARE_ESP_CIPHERS = (
    *("none", "null", "3des", *_RARE_CIPHERS),
    *("serpent128", "serpent192", "serpent256", "twofish128", "twofish192", "twofish256"),
    *(f"{aes}ctr" for aes in _AES),
    *COMBINED,
)
MIXED = ("4in6", "6in4")
"""The levels of ``family`` whose tunnels carry another IP version than their own."""
_RARE_INTEGRITY = ("md5", "sha384", "sha512", "aesxcbc", "none")

FACTORS: tuple[Factor, ...] = (
    Factor("exchange", "Exchange", "main", ("main", "aggressive")),
    Factor("auth", "Authentication", "psk", ("psk",), _RARE_AUTH),
    Factor("cipher", "IKE cipher", "aes128", ("aes128", "aes192", "aes256", "3des"), _RARE_CIPHERS),
    Factor("hash", "IKE hash", "sha256", ("md5", "sha1", "sha256"), ("sha384", "sha512")),
    Factor("group", "IKE group", "modp2048", _GROUPS, _RARE_GROUPS),
    Factor("pfs", "PFS group", "none", ("none", *_GROUPS), _RARE_GROUPS),
    Factor("protocol", "Protocol", "esp", ("esp",), ("ah", "esp+ipcomp")),
    Factor("esp_cipher", "ESP cipher", "aes128", _AES, _RARE_ESP_CIPHERS),
    Factor("esp_integrity", "Integrity", "sha256", ("sha1", "sha256"), _RARE_INTEGRITY),
    Factor("esn", "Extended sequence numbers", "no", ("no",), ("yes",)),
    Factor("mode", "Mode", "tunnel", ("tunnel", "transport")),
    Factor("family", "Address family", "ipv4", ("ipv4",), ("ipv6", *MIXED)),
    Factor("certificates", "Certificates", "leaf", ("leaf",), ("chain", "crl", "revoked")),
    Factor("mode_config", "Mode Config", "none", ("none",), ("pull", "push")),
    Factor("fragmentation", "Fragmentation", "no", ("no",), ("yes",)),
    Factor("nat", "NAT", "none", ("none",), ("initiator",)),
    Factor("lifetime", "Lifetime", "seconds", ("seconds",), ("kilobytes",)),
    Factor("event", "While it stands", "none", ("none",), ("dpd", "rekey", "rekey-bytes")),
)
"""The one table of factors; docs/architecture.md shows it."""

_BY_NAME = {factor.name: factor for factor in FACTORS}
_ID_PHASE_1 = ("exchange", "auth", "cipher", "hash", "group")
_ID_PHASE_2 = ("protocol", "esp_cipher", "esp_integrity", "mode")
_ID_UNUSUAL = (
    *("esn", "family", "certificates", "mode_config", "fragmentation", "nat", "lifetime", "event"),
)
"""Those whose plain level goes without saying."""


def find_factor(name: str, where: str = "") -> Factor:
    """The factor called ``name``; UserError with the nearest match where there is none."""
    if name not in _BY_NAME:
        raise unknown("factor", name, _BY_NAME, where)
    return _BY_NAME[name]


def check_level(factor: Factor, level: str, where: str = "") -> str:
    """``level`` itself; UserError listing the valid ones where the factor has no such level."""
    if level not in factor.known:
        raise unknown(f"level of {factor.name}", level, factor.known, where)
    return level


def all_levels(*, wide: bool = False) -> dict[str, tuple[str, ...]]:
    """Every factor with its usual levels; with ``wide`` every level there is."""
    return {factor.name: factor.known if wide else factor.levels for factor in FACTORS}


def parse_restrictions(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read ``cipher=aes128,3des`` texts as given to ``--factor``; levels come in report order."""
    return dict(_parse_restriction(text) for text in texts)


def _parse_restriction(text: str) -> tuple[str, tuple[str, ...]]:
    name, equals, levels = text.partition("=")
    wanted = [level.strip() for level in levels.split(",") if level.strip()]
    if not equals or not wanted:
        raise UserError(
            f"--factor {text!r} is not of the form FACTOR=LEVEL[,LEVEL...]",
            f"For example --factor cipher=aes128,3des. Factors: {', '.join(_BY_NAME)}.",
        )
    factor = find_factor(name.strip(), "--factor")
    chosen = {check_level(factor, level, "--factor") for level in wanted}
    return factor.name, tuple(level for level in factor.known if level in chosen)


def plain_combination(levels: Mapping[str, tuple[str, ...]]) -> Combination:
    """The plain combination, or the nearest to it that ``levels`` (a restricted space) allows."""
    return {
        factor.name: factor.plain if factor.plain in levels[factor.name] else levels[factor.name][0]
        for factor in FACTORS
    }


def completed(combination: Mapping[str, str]) -> Combination:
    """A combination from before some factor had come: it had the plain level, unsaid."""
    plain = {factor.name: factor.plain for factor in FACTORS}
    return {**plain, **combination}


def combination_id(combination: Mapping[str, str]) -> str:
    """A readable, file-safe id: the levels of phase 1, then those of phase 2.

    ``main-psk-aes128-sha256-modp2048--esp-aes128-sha256-tunnel-pfs_none``, for example. The plain
    levels of family, NAT and the like go without saying; others stand at the end by name.
    """
    phase_1 = [combination[name] for name in _ID_PHASE_1]
    phase_2 = [combination[name] for name in _ID_PHASE_2]
    unusual = [
        f"{name}_{combination[name]}"
        for name in _ID_UNUSUAL
        if combination[name] != _BY_NAME[name].plain
    ]
    return "--".join(
        ("-".join(phase_1), "-".join([*phase_2, f"pfs_{combination['pfs']}", *unusual]))
    )
