"""Whether two ends hold the SAs asked for, and the same ones (RFC 2407, 2408 and 2409)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.record.records import EndState, Observation


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One value of an SA that is not as asked for, or not as at the other end."""

    where: str
    """The value and the end that tells it."""
    expected: str
    got: str
    peer: str | None
    """The peer whose value is not as asked for; None where the ends contradict each other."""
    requirement: str
    """Where the RFCs say that it must agree."""


_IKE_FIELDS = (
    ("cipher", "cipher", "RFC 2409 5"),
    ("hash", "hash", "RFC 2409 5"),
    ("group", "group", "RFC 2409 5"),
    ("auth", "auth", "RFC 2409 5"),
)
_CHILD_FIELDS = (
    ("protocol", "protocol", "RFC 2408 4.2"),
    ("mode", "mode", "RFC 2407 4.5"),
    ("cipher", "esp_cipher", "RFC 2407 4.4.4"),
    ("integrity", "esp_integrity", "RFC 2407 4.5"),
    ("esn", "esn", "RFC 4304 3"),
    ("pfs", "pfs", "RFC 2409 5.5"),
)
_CROSSED = (
    ("inbound SPI", "spi_in", "outbound SPI", "spi_out", "RFC 2409 5.5"),
    ("outbound SPI", "spi_out", "inbound SPI", "spi_in", "RFC 2409 5.5"),
    ("local selector", "local_selector", "remote selector", "remote_selector", "RFC 2409 5.5"),
    ("remote selector", "remote_selector", "local selector", "local_selector", "RFC 2409 5.5"),
)


def readable(seen: Observation) -> list[EndState]:
    """The ends whose own SAs could be looked at: both, but for a device out there."""
    return [end for end in (seen.initiator, seen.responder) if end.observed == "sas"]


def established(seen: Observation) -> bool:
    """Whether every end that can be looked at holds an ISAKMP SA and IPsec SAs."""
    ends = readable(seen)
    return bool(ends) and all(end.ike and end.child for end in ends)


def sa_holders(seen: Observation) -> list[EndState]:
    """The ends that hold IPsec SAs, as far as that is known."""
    return [end for end in readable(seen) if end.child]


def first_disagreement(seen: Observation) -> Disagreement | None:
    """The first value that is not as the combination asks, or not the same at both ends."""
    return next((found for found in _compared(seen) if found.expected != found.got), None)


def _compared(seen: Observation) -> Iterator[Disagreement]:
    ends = readable(seen)
    for end in ends:
        yield from _as_asked(seen.combination, end)
    for one, other in pairwise(ends):
        yield from _with_each_other(one, other)


def _as_asked(combination: dict[str, str], end: EndState) -> Iterator[Disagreement]:
    place = f"of {end.role} {end.peer}"
    assert end.ike is not None  # noqa: S101 - only established pairs are compared
    yield Disagreement(
        f"ISAKMP SA state {place}", "established", end.ike.state.lower(), end.peer, "RFC 2409 5"
    )
    for sa, title, fields in ((end.ike, "IKE", _IKE_FIELDS), (end.child, "ESP", _CHILD_FIELDS)):
        for attribute, factor, requirement in fields:
            got = getattr(sa, attribute) or "none"
            where = f"{title} {attribute} {place}"
            yield Disagreement(where, combination[factor], got, end.peer, requirement)


def _with_each_other(one: EndState, other: EndState) -> Iterator[Disagreement]:
    between = f"{one.role} {one.peer} against {other.role} {other.peer}"
    for name in ("cookie_initiator", "cookie_responder"):
        expected, got = (str(getattr(end.ike, name)).lower() for end in (other, one))
        title = name.replace("_", " ")
        if expected and got:
            yield Disagreement(f"{title}, {between}", expected, got, None, "RFC 2408 2.5.3")
    for mine, attribute, theirs, crossed, requirement in _CROSSED:
        expected = _shown(getattr(other.child, crossed))
        got = _shown(getattr(one.child, attribute))
        yield Disagreement(f"{mine} = {theirs}, {between}", expected, got, None, requirement)


def _shown(value: int | str) -> str:
    """An SPI in hexadecimal; a selector in its normal spelling, a bare address being a /32."""
    return f"{value:#010x}" if isinstance(value, int) else str(ip_network(value, strict=False))
