"""What a device is to be configured for, in the words of a style, and what cannot be said in it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from conformance.matrix.factors import COMBINED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from conformance.dut.style import Style


@dataclass(frozen=True, slots=True)
class Offer:
    """The levels that one style can say of a device's claims, combined as a device has them."""

    levels: Mapping[str, tuple[str, ...]]
    """For each factor; empty where the style has a word for none of them."""
    untold: tuple[str, ...]
    """What is claimed and not in the configuration, each with the reason."""
    transforms: tuple[tuple[str, str], ...]
    """Cipher and integrity algorithm of each ESP transform, in order of preference."""
    macs: tuple[str, ...]
    """The integrity algorithms of AH."""

    @property
    def lacking(self) -> list[str]:
        """Factors that a configuration must say something of, and cannot."""
        without = [name for name, levels in self.levels.items() if not levels]
        return without or ([] if self.transforms or self.macs else ["esp_cipher"])

    @property
    def ike(self) -> list[tuple[str, str, str]]:
        """Cipher, hash and group of each transform of phase 1, in order of preference."""
        names = ("cipher", "hash", "group")
        return [(a, b, c) for a, b, c in product(*(self.levels[name] for name in names))]

    def pairs(self, protocol: str) -> list[tuple[str, str]]:
        """Cipher and integrity algorithm of each transform; AH has no cipher."""
        return [("none", mac) for mac in self.macs] if protocol == "ah" else [*self.transforms]

    def phase_2(self, protocol: str, groups: Iterable[str]) -> list[list[str]]:
        """The words of each proposal where levels are words: algorithms, group, ``esn``."""
        choices = product(self.pairs(protocol), groups, self.levels["esn"])
        said = ((*pair, group, "esn" if esn == "yes" else "none") for pair, group, esn in choices)
        return [[one for one in names if one != "none"] for names in said]

    @property
    def has_ah(self) -> bool:
        """Whether AH is among the protocols."""
        return "ah" in self.levels["protocol"]

    @property
    def has_esp(self) -> bool:
        """Whether ESP is."""
        return any(one.startswith("esp") for one in self.levels["protocol"])


def make_offer(levels: Mapping[str, tuple[str, ...]], style: Style) -> Offer:
    """Restrict a device's claims to what the style can say, and tell what is left out."""
    said: dict[str, tuple[str, ...]] = {}
    untold: list[str] = []
    for name, claimed in levels.items():
        spoken = tuple(level for level in claimed if level in style.words[name])
        untold += [f"{name}={one}: no word for it" for one in claimed if one not in spoken]
        if name in style.data.single and spoken[1:]:
            untold += [f"{name}={one}: one configuration has one {name}" for one in spoken[1:]]
            spoken = spoken[:1]
        said[name] = spoken
    transforms = tuple(_transforms(said))
    kept = transforms[: style.data.transforms]
    for cipher, mac in transforms[len(kept) :]:
        untold.append(f"{cipher} with {mac}: one connection takes {len(kept)} transforms")
    macs = tuple(one for one in said["esp_integrity"] if one != "none")
    return Offer(said, tuple(untold), kept, macs)


def _transforms(levels: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """An AEAD stands alone, every other cipher with each integrity algorithm (RFC 8221 4)."""
    for cipher, mac in product(levels["esp_cipher"], levels["esp_integrity"]):
        if cipher != "none" and (cipher in COMBINED) == (mac == "none"):
            yield cipher, mac
