"""Features that an endpoint uses only where it is told to, one policy for each.

RFC 3706 (DPD), RFC 2407 4.5.4 and 4.6.3 (lifetimes and status notifies).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.crypto.group import GroupParameters

from conformance.ikev1.errors import LocalError

_LARGEST_GROUP = 0xFFFF


@dataclass(frozen=True, slots=True)
class DpdPolicy:
    """When to ask a silent peer whether it is there, and when to give it up (RFC 3706 5.4)."""

    idle: float = 30.0
    """The worry metric: seconds without a sign of life."""
    timeout: float = 5.0
    """Seconds to wait for each answer."""
    tries: int = 3
    """Questions in all, after whose last wait the peer counts as dead."""
    on_demand: bool = False
    """Whether to ask only where we sent traffic since the last sign of life (RFC 3706 5.5)."""


@dataclass(frozen=True, slots=True)
class LifetimePolicy:
    """What is done as an SA grows old, in seconds and in kilobytes alike (RFC 2407 4.5)."""

    soft: float = 0.9
    """The part of a lifetime after which the SA is replaced."""
    soft_octets: int | None = None
    """Octets after which it is replaced, too, whatever was agreed on; None for no such limit."""
    overlap: float = 5.0
    """Seconds for which a replaced SA still stands beside its successor."""
    retry: float = 30.0
    """Seconds after which a replacement that did not come about is tried again."""
    rekey: bool = True
    """Whether we replace at all; without, an SA only ends."""


@dataclass(frozen=True, slots=True)
class NatPolicy:
    """How NATs between the peers are dealt with (RFC 3947, RFC 3948)."""

    flavours: tuple[str, ...] = ("rfc", "draft-03", "draft-02n", "draft-02")
    """Which documents we go by, of rfc and draft-00 to draft-08; of both peers' the newest."""
    other_addresses: tuple[str, ...] = ()
    """Addresses that our packets may leave from, beside the one they are sent from."""
    force: bool = False
    """Whether we pretend that there is a NAT in front of us."""
    keepalive: float = 20.0
    """Seconds of silence after which a peer behind a NAT sends a keepalive (RFC 3948 4)."""


_ALONE = ("xauth-next-pin", "xauth-answer")
"""What nothing else may be asked for with (draft-beaulieu-ike-xauth-02 6.2)."""


@dataclass(frozen=True, slots=True)
class XauthRound:
    """One question of the gateway; raises LocalError (draft-beaulieu-ike-xauth-02 5 and 6.2)."""

    asks: tuple[str, ...] = ("xauth-user-name", "xauth-user-password")
    """Attribute names; none may stay unanswered."""
    kind: str = "generic"
    """What is made of the password, of generic, radius-chap, otp and s-key."""
    challenge: bytes = b""
    """A fixed challenge; empty draws one. OTP and S/KEY need one in their own form."""
    message: bytes = b""
    """What the user is to read."""
    expects: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    """Values that answers must have; a password is judged by the users, the others are free."""

    def __post_init__(self) -> None:
        if len(self.asks) > 1 and set(_ALONE) & set(self.asks):
            raise LocalError(f"{' and '.join(_ALONE)} are asked for alone")
        if "xauth-answer" in self.asks and not self.message:
            raise LocalError("xauth-answer is asked for with a message")


@dataclass(frozen=True, slots=True)
class XauthPolicy:
    """Extended authentication, as the user or as the gateway (draft-beaulieu-ike-xauth-02)."""

    user: bytes = b""
    password: bytes = field(default=b"", repr=False)
    answers: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    """User: what else may be asked for, by attribute name: xauth-passcode, xauth-domain ..."""
    users: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    """Gateway: names and passwords."""
    kind: str = "generic"
    """Gateway: what is asked for where there is only one round."""
    challenge: bytes = b""
    """Gateway: its challenge."""
    rounds: tuple[XauthRound, ...] = ()
    """Gateway: questions one after the other; empty for one of name and password."""
    tries: int = 1
    """Gateway: how often a wrong answer may come, in all."""
    trusted: bool = False
    """Gateway: whether phase 1 is enough, so that only the status is told (5.5)."""
    verdict: bytes = b""
    """Gateway: what the user is to read with the status."""
    identifier: int = 0
    """Gateway: of all messages of the transaction; some peers answer with 0 whatever is asked."""

    @property
    def questions(self) -> tuple[XauthRound, ...]:
        """Gateway: every round."""
        return self.rounds or (XauthRound(kind=self.kind, challenge=self.challenge),)


@dataclass(frozen=True, slots=True)
class ModeConfigPolicy:
    """Who configures whom, and who begins (draft-dukes-ike-mode-cfg-02 2)."""

    gateway: bool
    """Whether we tell; else we are told."""
    push: bool
    """Whether the gateway begins; else the host asks."""
    values: tuple[tuple[str, bytes], ...] = ()
    """Names and values that the gateway has, or that the host asks for."""
    use_address: bool = False
    """Whether Quick Mode speaks for the host's new address, in the place of its selector."""
    unity: bool = False
    """Whether Cisco's attributes are announced by their Vendor ID, as peers want it to be."""


@dataclass(frozen=True, slots=True)
class NewGroupPolicy:
    """Which groups of our own we bring along, and whether we take any (RFC 2409 5.6)."""

    groups: tuple[tuple[int, GroupParameters], ...] = ()
    """Initiator: numbers from 32768 and groups to agree on before the first Quick Mode."""
    accept: bool = False
    """Whether we take groups that a peer proposes."""

    def __post_init__(self) -> None:
        for number, _ in self.groups:
            if not 0 < number <= _LARGEST_GROUP:
                raise LocalError(f"group {number} does not fit two octets")


@dataclass(frozen=True, slots=True)
class FragmentationPolicy:
    """How large IKE messages are sent to a peer that can reassemble them ([MS-IKEE])."""

    size: int = 552
    """Octets that a datagram may have, ISAKMP header included."""
    flavour: str = "cisco"
    """Which Vendor ID announces it: "cisco" with flags, "microsoft" without."""
    at_once: bool = True
    """Whether the first transmission is fragmented already, or repetitions only."""
