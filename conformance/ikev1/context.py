"""What the exchanges of one endpoint share: configuration, randomness, and where results go."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.crypto.dh import GROUPS
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.errors import LocalError, PeerError
from conformance.ikev1.events import ChildDeleted
from conformance.ikev1.lifetimes import Lives

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.crypto.group import GroupRow
    from conformance.crypto.random import RandomSource
    from conformance.ikev1.config import Config
    from conformance.ikev1.constants import Protocol
    from conformance.ikev1.deviations import Seams
    from conformance.ikev1.events import Event

Address = tuple[str, int]
"""IP address and UDP port."""


@dataclass(frozen=True, slots=True)
class Child:
    """A pair of SAs that stands, as Delete payloads name it."""

    protocol: str
    """The whole suite: esp, ah+esp ..."""
    spi_in: int
    """Of the outermost protocol, as spi_out."""
    spi_out: int
    cookie_i: bytes = b""
    """Of the ISAKMP SA that negotiated it."""
    spis: tuple[tuple[Protocol, int, int], ...] = ()
    """Protocol, inbound and outbound SPI of every protocol of a suite, outermost first."""
    place: int = 0
    """Which SA payload of its Quick Mode made it, as Config.phase2_offers counts them."""

    def is_about(self, protocol: Protocol, spi_out: int) -> bool:
        """Whether the peer's SPI is one of this pair; a suite stands and falls as a unit."""
        return any((protocol, spi_out) == (one, theirs) for one, _, theirs in self.spis)


@dataclass(slots=True)
class Context:
    """Shared by all exchanges of an endpoint; only Exchange and Association write to it."""

    config: Config
    random: RandomSource = field(repr=False)
    allocate_spi: Callable[[], int]
    seams: Seams
    events: deque[Event] = field(default_factory=deque)
    datagrams: deque[tuple[bytes, Address]] = field(default_factory=deque)
    children: dict[int, Child] = field(default_factory=dict)
    """By inbound SPI; a child outlives the ISAKMP SA that negotiated it."""
    child_lives: Lives[int] = field(default_factory=Lives)
    """By inbound SPI."""
    local: Address | None = None
    """Where we send from; needed for NAT traversal alone."""
    fragment_to: dict[bytes, int] = field(default_factory=dict)
    """Next fragment ID for peers that can reassemble, by the initiator's cookie."""
    marked: set[Address] = field(default_factory=set)
    """Peers spoken to from port 4500, with the non-ESP marker (RFC 3947 4)."""
    isakmp_lives: Lives[bytes] = field(default_factory=Lives)
    """By the initiator's cookie."""
    private_groups: dict[str, GroupRow] = field(default_factory=dict)
    """What New Group Mode agreed on, by name (RFC 2409 5.6)."""

    def group(self, name: str) -> GroupRow:
        """A group by its name; raises PeerError for a private one that was not agreed on."""
        row = GROUPS.get(name) or self.private_groups.get(name)
        if row is None:
            reason = f"group {name} was not agreed on"
            raise PeerError(NotifyType.NO_PROPOSAL_CHOSEN, reason, fatal=True)
        return row

    def knows_group(self, name: str) -> bool:
        """Whether a group can be used."""
        return name in GROUPS or name in self.private_groups

    def require_group(self, name: str | None) -> None:
        """Raise LocalError for a private group that was not agreed on; None needs none."""
        if name is not None and not self.knows_group(name):
            raise LocalError(f"group {name} was not agreed on")

    def forget_child(self, child: Child, *, by_peer: bool) -> None:
        """A pair of SAs is gone."""
        del self.children[child.spi_in]
        self.child_lives.end(child.spi_in)
        self.events.append(ChildDeleted(child.protocol, child.spi_in, child.spi_out, by_peer))

    def random_nonzero(self, size: int) -> bytes:
        """A cookie, SPI or message ID: random octets that are not all zero."""
        while not any(octets := self.random(size)):
            pass
        return octets
