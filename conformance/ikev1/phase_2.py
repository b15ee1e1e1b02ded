"""The exchanges under one ISAKMP SA: made, remembered and found by message ID.

RFC 2409 5.5 to 5.7, draft-dukes-ike-mode-cfg-02 3.1.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from conformance.ikev1 import rules
from conformance.ikev1.acknowledged import Acknowledged
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import Role
from conformance.ikev1.exchange import Exchange
from conformance.ikev1.hashed import Hashed
from conformance.ikev1.informational import Informational
from conformance.ikev1.new_group_mode import NewGroupMode
from conformance.ikev1.quick_mode import QuickMode
from conformance.ikev1.state_table import ENDED, State
from conformance.ikev1.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.ikev1.context import Context
    from conformance.ikev1.isakmp_sa import IsakmpSa
    from conformance.ikev1.phase_1 import Phase1
    from conformance.ikev1.state_table import Rule

_REMEMBERED = 64
"""Ended exchanges that are kept to answer duplicates."""
E = TypeVar("E", bound=Exchange)


class Kind(NamedTuple):
    """How an exchange begins."""

    rules: tuple[Rule, ...]
    answer: State
    """What its initiator expects first; its responder expects HASH(1)."""


_KINDS: dict[type[Exchange], Kind] = {
    QuickMode: Kind(rules.QUICK_MODE, State.EXPECT_HASH_2),
    Transaction: Kind(rules.TRANSACTION, State.EXPECT_HASH_2),
    Informational: Kind(rules.INFORMATIONAL, State.DONE),
    Acknowledged: Kind(rules.ACKNOWLEDGED, State.EXPECT_HASH_2),
    NewGroupMode: Kind(rules.NEW_GROUP_MODE, State.EXPECT_HASH_2),
}
"""The kinds of exchanges by their class."""


_ASKING = _KINDS[Acknowledged]


@dataclass(slots=True)
class Phase2:
    """All exchanges under one ISAKMP SA; before it stands, Informational alone can be made."""

    context: Context
    phase_1: Phase1
    isakmp_sa: IsakmpSa | None = None
    """None until phase 1 has ended well."""
    _exchanges: OrderedDict[int, Exchange] = field(default_factory=OrderedDict)

    @property
    def standing(self) -> IsakmpSa:
        """The ISAKMP SA; raises LocalError while there is none."""
        if self.isakmp_sa is None:
            raise LocalError("no ISAKMP SA stands")
        return self.isakmp_sa

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._exchanges.values())

    def find(self, message_id: int) -> Exchange | None:
        """The exchange with this message ID; None where none is remembered."""
        return self._exchanges.get(message_id)

    def unanswered(self) -> list[Acknowledged]:
        """Our own words that still wait for their answer; they outlive the ISAKMP SA."""
        return [
            one for one in self if isinstance(one, Acknowledged) and one.state is _ASKING.answer
        ]

    def begin(self, kind: type[E]) -> E:
        """An exchange of our own, under a fresh message ID."""
        message_id = int.from_bytes(self.context.random_nonzero(4))
        return self.new(kind, Role.INITIATOR, message_id)

    def new(
        self,
        kind: type[E],
        role: Role,
        message_id: int,
        *,
        remember: bool = True,
        **more: object,
    ) -> E:
        """An exchange in its first state; more are fields of its class."""
        sa, phase_1 = self.isakmp_sa, self.phase_1
        fields: dict[str, Any] = {
            "context": self.context,
            "rules": _KINDS[kind].rules,
            "role": role,
            "address": phase_1.address,
            "state": _KINDS[kind].answer if role is Role.INITIATOR else State.EXPECT_HASH_1,
            "cookie_i": phase_1.cookie_i,
            "cookie_r": phase_1.cookie_r,
            "message_id": message_id,
            "cipher_state": sa.cipher_state(message_id) if sa else None,
            "isakmp_sa": sa,
        }
        exchange = kind(**(fields | more))
        if remember:
            self._remember(exchange)
        return exchange

    def forget_refused(self, exchange: Exchange) -> None:
        """Its first message was not accepted, so there is nothing to remember.

        One that was not even of the peer must not take the message ID away from it.
        """
        answers = exchange.role is Role.RESPONDER
        forged = answers and isinstance(exchange, Hashed) and not exchange.verified
        refused = forged or exchange.state is State.EXPECT_HASH_1
        if refused and self._exchanges.get(exchange.message_id) is exchange:
            del self._exchanges[exchange.message_id]

    def _remember(self, exchange: Exchange) -> None:
        self._exchanges[exchange.message_id] = exchange
        ended = [number for number, one in self._exchanges.items() if one.state in ENDED]
        for number in ended[: max(0, len(self._exchanges) - _REMEMBERED)]:
            del self._exchanges[number]
