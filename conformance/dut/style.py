"""The styles of configuration that a device may want: a folder of data and templates for each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import msgspec

from conformance.matrix.factors import FACTORS, find_factor
from conformance.matrix.unknown import unknown

FOLDER = Path(__file__).with_name("styles")
FILE_NAME = "style.toml"
GENERIC = "generic"
"""What every device gets beside its own style."""


class _Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``style.toml`` says."""

    title: str
    files: tuple[str, ...]
    """What is made, each by the template of its name."""
    sources: tuple[str, ...]
    """The public documents that the words come from."""
    tried: str = ""
    """On which version the suite's own tests load it; "" where nobody of us has one."""
    every_level: bool = False
    """Whether the levels are their own words."""
    absent: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Levels that have no word although every other has."""
    words: Mapping[str, Mapping[str, str]] = msgspec.field(default_factory=dict)
    """Factor -> level -> word; a factor without a row has its plain level alone, unsaid."""
    single: tuple[str, ...] = ()
    """Factors of which one configuration has one level: the first that is claimed."""
    transforms: int | None = None
    """How many transforms of phase 2 one connection takes; None where there is no limit."""


@dataclass(frozen=True)
class Style:
    """A way to write a device's configuration."""

    name: str
    """As on the command line; its folder."""
    data: _Data

    @cached_property
    def words(self) -> dict[str, dict[str, str]]:
        """For every factor, the levels that can be said and how."""
        if self.data.every_level:
            return {
                factor.name: {
                    level: level
                    for level in factor.known
                    if level not in self.data.absent.get(factor.name, ())
                }
                for factor in FACTORS
            }
        given = {name: dict(words) for name, words in self.data.words.items()}
        unsaid = {factor.name: {factor.plain: ""} for factor in FACTORS}
        found = {
            **unsaid,
            "event": dict.fromkeys(find_factor("event").known, ""),
            "pfs": {"none": "", **given["group"]},
            **given,
        }
        for name in ("esp_cipher", "esp_integrity"):  # "none" is the lack of it
            found[name].setdefault("none", "")
        return found


def _read(folder: Path) -> Style:
    data = msgspec.convert(tomllib.loads((folder / FILE_NAME).read_text()), _Data)
    return Style(folder.name, data)


@cache
def styles() -> dict[str, Style]:
    """Every style by name, the generic one first."""
    found = [_read(path.parent) for path in sorted(FOLDER.glob(f"*/{FILE_NAME}"))]
    return {one.name: one for one in sorted(found, key=lambda one: one.name != GENERIC)}


def find_style(name: str) -> Style:
    """The style called ``name``; UserError with the nearest match where there is none."""
    if name not in styles():
        raise unknown("style", name, styles())
    return styles()[name]
