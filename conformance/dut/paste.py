"""The files for the device's side: templates of a style, filled with a device's claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from conformance.dut.offer import make_offer
from conformance.dut.style import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network
    from pathlib import Path

    from conformance.dut.device import Device, End
    from conformance.dut.offer import Offer
    from conformance.dut.style import Style

IKE_LIFETIME, CHILD_LIFETIME = 28800, 3600
"""Seconds, as the reference proposes them."""
KILOBYTES = 10_000


class Pasted(NamedTuple):
    """A device's configuration in one style."""

    files: dict[str, str]
    """Name -> contents."""
    untold: tuple[str, ...]
    """What is claimed and is not in them, each with the reason."""


class Identity(NamedTuple):
    """An identity as templates take it apart."""

    kind: str
    """``ipv4``, ``fqdn`` or ``user-fqdn``."""
    value: str


def paste(device: Device, style: Style) -> Pasted:
    """The device's configuration in this style."""
    offer = make_offer(device.levels, style)
    if offer.lacking:
        why = (f"{name}: no level of it can be said, so there is no file" for name in offer.lacking)
        return Pasted({}, (*offer.untold, *why))
    environment = _environment(FOLDER / style.name)
    values = _values(device, style, offer)
    files = {
        name: environment.get_template(f"{name}.jinja2").render(values) for name in style.data.files
    }
    return Pasted(files, offer.untold)


def device_file(device: Device, name: str) -> str:
    """``dut.toml`` of a device, with comments."""
    template = _environment(FOLDER).get_template("dut.toml.jinja2")
    return template.render(device=device, file=name)


def _environment(folder: Path) -> Environment:
    environment = Environment(  # noqa: S701 - plain text for a device, no HTML
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = {"netmask": _netmask, "wildcard": _wildcard, "quoted": _quoted, "listed": _listed}
    environment.filters |= filters
    return environment


def _values(device: Device, style: Style, offer: Offer) -> dict[str, Any]:
    """What templates may use."""

    def words(factor: str, levels: Iterable[str]) -> list[str]:
        return [style.words[factor][level] for level in levels]

    return {
        "device": device,
        "here": device.here,
        "there": device.device,
        "identities": {"here": _identity(device.here), "there": _identity(device.device)},
        "secrets": device.secrets,
        "offer": offer,
        "levels": offer.levels,
        "word": lambda factor, level: style.words[factor][level],
        "words": words,
        "ike_lifetime": IKE_LIFETIME,
        "child_lifetime": CHILD_LIFETIME,
        "kilobytes": KILOBYTES,
    }


def _identity(end: End) -> Identity:
    kind, _, value = end.proven.partition(":")
    return Identity(kind, value)


def _netmask(network: IPv4Network) -> str:
    """Address and mask, as many routers want a subnet."""
    return f"{network.network_address} {network.netmask}"


def _wildcard(network: IPv4Network) -> str:
    """Address and inverted mask, as access lists want it."""
    return f"{network.network_address} {network.hostmask}"


def _quoted(text: str) -> str:
    """Between double quotes, with a backslash before what would end them."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _listed(texts: Iterable[str]) -> str:
    """As a list of TOML."""
    return f"[{', '.join(_quoted(text) for text in texts)}]"
