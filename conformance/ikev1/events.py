"""What happened, for whoever runs the endpoint: frozen, complete, in the past tense.

Keys are fields, because kernel, data plane and packet decoder need them, but no repr shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.crypto.group import GroupParameters
    from conformance.ikev1.constants import ExchangeType, NotifyType, Protocol
    from conformance.ikev1.errors import Divergence
    from conformance.ikev1.payloads import Identification, Notification

Setting = str | int | tuple[str, ...] | tuple[int, ...]
"""The value of a Mode Config attribute."""


class Role(Enum):
    """Who sent the first message of an exchange."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


@dataclass(frozen=True, slots=True)
class IsakmpEstablished:
    """Phase 1 has ended well: the ISAKMP SA stands and protects what follows."""

    role: Role
    cookie_i: bytes
    cookie_r: bytes
    cipher: str
    hash: str
    group: str
    auth: str
    lifetime_seconds: int
    """The shorter of what was agreed on the wire and what is configured (RFC 2407 4.5.4)."""
    negotiated_lifetime_seconds: int | None
    """What the chosen transform says; None where it says nothing."""
    peer_id: Identification
    vendor_ids: tuple[bytes, ...]
    """Every VID that the peer sent."""
    encryption_key: bytes = field(repr=False)
    """The key of the negotiated cipher (RFC 2409 Appendix B), as Wireshark wants it."""


@dataclass(frozen=True, slots=True)
class Protection:
    """One protocol of a pair of SAs, in both directions; what does not apply is "none" or empty."""

    protocol: str
    """ah, esp or ipcomp."""
    spi_in: int
    """Chosen by us; packets to us carry it. The CPI of IPComp."""
    spi_out: int
    """Chosen by the peer; packets to it carry it."""
    cipher: str = "none"
    integrity: str = "none"
    compression: str = "none"
    encryption_key_in: bytes = field(default=b"", repr=False)
    """With the salt behind it, where the transform has one (RFC 4106 8.1)."""
    integrity_key_in: bytes = field(default=b"", repr=False)
    encryption_key_out: bytes = field(default=b"", repr=False)
    integrity_key_out: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class PeerAuthenticated:
    """An Authentication Only exchange has ended well; no SA comes of it (RFC 2408 4.6)."""

    role: Role
    cookie_i: bytes
    cookie_r: bytes
    hash: str
    auth: str
    peer_id: Identification


@dataclass(frozen=True, slots=True)
class ChildInstalled:
    """Quick Mode has ended well: a pair of one-way SAs, or of bundles, is to be installed.

    The SPIs and keys of its own are those of the outermost protocol.
    """

    role: Role
    cookie_i: bytes
    cookie_r: bytes
    message_id: int
    protocol: str
    """The whole suite: esp, ah, ah+esp, esp+ipcomp ..."""
    mode: str
    """Of a bundle in tunnel mode the innermost protocol makes the one tunnel (RFC 2401 4.5)."""
    cipher: str
    """As agreed for ESP."""
    integrity: str
    """As agreed for ESP, or for AH alone."""
    pfs: str | None
    protections: tuple[Protection, ...]
    """Every protocol of the suite, outermost first: AH, ESP, IPComp."""
    local_selector: Identification
    remote_selector: Identification
    lifetime_seconds: int
    """The shorter of what was agreed on the wire and what is configured (RFC 2407 4.5.4)."""
    negotiated_lifetime_seconds: int | None
    """What the chosen transform says; None where it says nothing."""
    notifications: tuple[Notification, ...]
    """What the peer chained to its Quick Mode messages."""
    lifetime_kilobytes: int | None = None
    """The lower of what was agreed on the wire and what is configured; None without a limit."""
    peer_replay_detection: bool | None = None
    """What the peer says of its replay detection (RFC 2407 4.6.3.2)."""
    replaces: int | None = None
    """The inbound SPI of the pair that this one is to replace."""
    udp_encapsulation: bool = False
    """Whether packets travel in UDP (RFC 3948)."""
    non_ike_marker: bool = False
    """Whether they do so on port 500 behind eight zeros (draft-ietf-ipsec-udp-encaps-01)."""
    original_addresses: tuple[str, ...] = ()
    """NAT-OAi and NAT-OAr as the peer knows them, in transport mode (RFC 3947 5.2)."""
    esn: bool = False
    """Whether sequence numbers have 64 bits (RFC 4304)."""

    @property
    def spi_in(self) -> int:
        """The outermost inbound SPI, which names the pair."""
        return self.protections[0].spi_in

    @property
    def spi_out(self) -> int:
        """The outermost outbound SPI."""
        return self.protections[0].spi_out

    @property
    def encryption_key_in(self) -> bytes:
        """Of the outermost protocol."""
        return self.protections[0].encryption_key_in

    @property
    def integrity_key_in(self) -> bytes:
        """Of the outermost protocol."""
        return self.protections[0].integrity_key_in

    @property
    def encryption_key_out(self) -> bytes:
        """Of the outermost protocol."""
        return self.protections[0].encryption_key_out

    @property
    def integrity_key_out(self) -> bytes:
        """Of the outermost protocol."""
        return self.protections[0].integrity_key_out


@dataclass(frozen=True, slots=True)
class GroupAgreed:
    """New Group Mode has ended well: a group may be used by its private number."""

    role: Role
    number: int
    name: str
    """What configurations call it: private-32768."""
    parameters: GroupParameters


@dataclass(frozen=True, slots=True)
class ChildDeleted:
    """A pair of SAs is to be removed."""

    protocol: str
    spi_in: int
    spi_out: int
    by_peer: bool


@dataclass(frozen=True, slots=True)
class IsakmpDeleted:
    """An ISAKMP SA is gone; the SAs that it negotiated stay until they are deleted themselves."""

    cookie_i: bytes
    cookie_r: bytes
    by_peer: bool


@dataclass(frozen=True, slots=True)
class NotifyReceived:
    """The peer notified us."""

    notify_type: NotifyType
    protocol: Protocol
    spi: bytes
    data: bytes
    exchange: ExchangeType
    message_id: int
    protected: bool
    """Whether a hash authenticates it; in the clear anyone could have sent it."""


@dataclass(frozen=True, slots=True)
class NotifySent:
    """We notified the peer."""

    notify_type: NotifyType
    protocol: Protocol
    spi: bytes
    data: bytes
    exchange: ExchangeType
    message_id: int
    protected: bool


@dataclass(frozen=True, slots=True)
class MessageRejected:
    """A received message was not accepted; its exchange may still go on."""

    notify: NotifyType
    reason: str
    divergence: Divergence | None


@dataclass(frozen=True, slots=True)
class ExchangeFailed:
    """An exchange has ended without its result."""

    exchange: ExchangeType
    message_id: int
    role: Role
    reason: str
    divergence: Divergence | None
    """The first value that differed, where one is known."""


@dataclass(frozen=True, slots=True)
class MessageSent:
    """A message left us."""

    exchange: ExchangeType
    message_id: int
    cookie_i: bytes
    cookie_r: bytes
    encrypted: bool
    payloads: Sequence[str]
    """One line of text for each payload."""
    repeated: bool
    """A retransmission, or the answer to one."""
    plain: bytes = field(repr=False)
    """The payload chain in the clear."""
    datagram: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message of a known exchange reached us, whether or not it is accepted."""

    exchange: ExchangeType
    message_id: int
    cookie_i: bytes
    cookie_r: bytes
    encrypted: bool
    payloads: Sequence[str]
    """One line of text for each payload; empty where decryption gave no payloads."""
    repeated: bool
    """Identical to one received before."""
    plain: bytes = field(repr=False)
    """The payload chain in the clear; empty where decryption gave no payloads."""
    datagram: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeerDead:
    """The peer left every R-U-THERE unanswered; what we hold with it is deleted (RFC 3706 5.4)."""

    cookie_i: bytes
    cookie_r: bytes
    tries: int

    def __str__(self) -> str:
        cookies = f"{self.cookie_i.hex()} {self.cookie_r.hex()}"
        return f"the peer is dead: {self.tries} R-U-THERE unanswered under {cookies}"


@dataclass(frozen=True, slots=True)
class PathProbed:
    """The peer's NAT-D payloads have told where NATs are (RFC 3947 3.2)."""

    flavour: str
    """The document that both go by."""
    we_are_behind: bool
    peer_is_behind: bool

    def __str__(self) -> str:
        ends = (("us", self.we_are_behind), ("the peer", self.peer_is_behind))
        behind = " and ".join(name for name, is_behind in ends if is_behind)
        return f"{f'NAT in front of {behind}' if behind else 'no NAT'} ({self.flavour})"


@dataclass(frozen=True, slots=True)
class LifetimeReached:
    """A limit of an SA is reached, in seconds or in kilobytes."""

    spi: bytes
    """Our inbound SPI, or the initiator's cookie of an ISAKMP SA."""
    consequence: str
    """What follows: replace, expire or retire."""

    def __str__(self) -> str:
        return f"lifetime of {self.spi.hex()} reached: {self.consequence}"


@dataclass(frozen=True, slots=True)
class UserAuthenticated:
    """XAUTH has ended."""

    user: str
    """As the user named itself; empty where we are the user."""
    accepted: bool
    messages: tuple[str, ...] = ()
    """What the gateway wanted the user to read."""
    answers: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    """At the gateway: what else the user told it, by attribute name, a new PIN for example."""

    def __str__(self) -> str:
        return f"XAUTH of {self.user or 'ourselves'} {'accepted' if self.accepted else 'refused'}"


@dataclass(frozen=True, slots=True)
class ConfigurationReceived:
    """The gateway told us our configuration."""

    values: tuple[tuple[str, bytes], ...]
    """Attribute names and values as they were sent."""
    settings: tuple[tuple[str, Setting], ...] = ()
    """The same values read: addresses and networks as text, numbers as numbers."""

    def __str__(self) -> str:
        return "configured: " + ", ".join(f"{name} {_shown(one)}" for name, one in self.settings)


def _shown(setting: Setting) -> str:
    return " ".join(map(str, setting)) if isinstance(setting, tuple) else str(setting)


Event = (
    IsakmpEstablished
    | PeerAuthenticated
    | ChildInstalled
    | ChildDeleted
    | IsakmpDeleted
    | NotifyReceived
    | NotifySent
    | MessageRejected
    | ExchangeFailed
    | MessageSent
    | MessageReceived
    | PeerDead
    | UserAuthenticated
    | ConfigurationReceived
    | GroupAgreed
    | LifetimeReached
    | PathProbed
)
"""Whatever Endpoint.next_event() returns."""
