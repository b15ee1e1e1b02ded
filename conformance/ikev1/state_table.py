"""Rows of the state tables and what they demand of a message (RFC 2408 5, RFC 2409 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.ikev1.constants import FIRST_PRIVATE_PAYLOAD, NotifyType, PayloadType
from conformance.ikev1.errors import PeerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conformance.ikev1.events import Event, Role
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload


class State(Enum):
    """What an exchange expects next."""

    EXPECT_SA = "SA"
    EXPECT_KE = "KE"
    EXPECT_ID = "ID"
    EXPECT_PROOF = "HASH_I, HASH_R or SIG_I"
    EXPECT_HASH_1 = "HASH(1)"
    EXPECT_HASH_2 = "HASH(2)"
    EXPECT_HASH_3 = "HASH(3)"
    EXPECT_CONNECTED = "CONNECTED"
    DONE = "nothing, it is done"
    FAILED = "nothing, it has failed"


ENDED = (State.DONE, State.FAILED)
"""The states that expect nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a handler wants done: at most one answer, and events after it."""

    payloads: tuple[Payload, ...] = ()
    hash_over: Callable[[bytes], bytes] | None = None
    """Gives the HASH that is put in front, from the other payloads as written (RFC 2409 5.5)."""
    events: tuple[Event, ...] = ()
    protected: bool = False
    """Whether the answer is encrypted."""
    next_state: State | None = None
    """Where it is another than that of the row."""
    repeats_last: bool = False
    """Whether what we sent before is repeated until something comes, though nothing is sent now."""

    @property
    def answers(self) -> bool:
        """Whether there is something to send."""
        return bool(self.payloads or self.hash_over)


REPEATABLE = frozenset(
    {
        PayloadType.VID,
        PayloadType.N,
        PayloadType.D,
        PayloadType.CERT,
        PayloadType.CR,
        PayloadType.NAT_D,
        PayloadType.NAT_OA,
        PayloadType.NAT_D_LATE_DRAFT,
        PayloadType.NAT_OA_LATE_DRAFT,
    }
)
"""Payloads that may come any number of times wherever they may come at all."""


class Rule(NamedTuple):
    """One row: in this role and state such a message is taken, and that comes next."""

    role: Role
    auth: str | None
    """Family of authentication methods; None where it does not matter or is not yet known."""
    state: State
    encrypted: bool | None
    """Whether it must be; None where either is taken."""
    leading: tuple[PayloadType, ...]
    """Required, and in this order before all others."""
    required: tuple[PayloadType, ...]
    optional: tuple[PayloadType, ...]
    """A type stands here as often as it may come."""
    handler: Callable[[Any, Message], Step]
    next_state: State

    def applies(self, role: Role, auth: str | None, state: State) -> bool:
        """Whether this is the row for an exchange."""
        return self.state is state and self.role is role and self.auth in (None, auth)

    def check(self, message: Message) -> None:
        """Raise PeerError where flags or payloads are not those of the row."""
        if self.encrypted not in {None, message.header.encrypted}:
            must = "must" if self.encrypted else "must not"
            raise PeerError(NotifyType.INVALID_FLAGS, f"the message {must} be encrypted")
        types = tuple([payload.payload_type for payload in message.payloads])
        if types == self.leading + self.required:
            return
        if types[: len(self.leading)] != self.leading:
            raise PeerError(
                NotifyType.PAYLOAD_MALFORMED, f"the message must begin with {_list(self.leading)}"
            )
        missing, optional = [*self.leading, *self.required], [*self.optional]
        refused = [one for one in types if not self._takes(one, missing, optional)]
        if missing:
            raise PeerError(NotifyType.PAYLOAD_MALFORMED, f"{_list(missing)} missing")
        if refused:
            raise PeerError(NotifyType.INVALID_PAYLOAD_TYPE, f"{_list(refused)} not allowed here")

    def _takes(
        self, one: PayloadType, missing: list[PayloadType], optional: list[PayloadType]
    ) -> bool:
        """Strike a payload off what may still come; whether it may."""
        for expected in (missing, optional):
            if one in expected:
                expected.remove(one)
                return True
        return self._tolerates(one)

    def _tolerates(self, payload_type: PayloadType) -> bool:
        repeated = payload_type in REPEATABLE and payload_type in self.optional
        return repeated or payload_type >= FIRST_PRIVATE_PAYLOAD


def _list(types: Iterable[PayloadType]) -> str:
    return ", ".join(payload_type.label for payload_type in dict.fromkeys(types))
