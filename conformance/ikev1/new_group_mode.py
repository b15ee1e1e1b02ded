"""New Group Mode: a Diffie-Hellman group of one's own under a private number (RFC 2409 5.6).

```
HDR*, HASH(1), SA  -->
                   <--  HDR*, HASH(2), SA
```
Both hashes are prf(SKEYID_a, M-ID | SA). The SA holds one proposal for ISAKMP, whose transforms
spell groups out; the answer is one of them. The group may then be used by its number in phase 1
and Quick Mode, also after the ISAKMP SA has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.crypto.dh import GroupParameters, GroupRow, InvalidGroupError
from conformance.ikev1.constants import KEY_IKE, ExchangeType, NotifyType, Protocol
from conformance.ikev1.errors import Divergence, PeerError
from conformance.ikev1.events import GroupAgreed
from conformance.ikev1.hashed import Hashed
from conformance.ikev1.payloads import Proposal, SecurityAssociation, Transform
from conformance.ikev1.private_groups import group_attributes, read_group
from conformance.ikev1.state_table import Step

if TYPE_CHECKING:
    from conformance.ikev1.message import Message

_MOST_GROUPS = 64
"""Groups of a peer's own that an endpoint keeps; they outlive their ISAKMP SA."""


@dataclass(slots=True, kw_only=True)
class NewGroupMode(Hashed):
    """One New Group Mode; its last message brings GroupAgreed."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.NEW_GROUP_MODE
    offered: SecurityAssociation | None = None

    def propose(self, number: int, parameters: GroupParameters, now: float) -> None:
        """Send the first message."""
        transform = Transform(1, KEY_IKE, group_attributes(number, parameters))
        self.offered = _sa_of(transform)
        self.send(Step((self.offered,), self.hash_1, protected=True), now)

    def is_about(self, spi: bytes) -> bool:
        """Whether a notify with this SPI, that of the ISAKMP SA, can speak of our offer."""
        return spi == self.cookie_i + self.cookie_r

    def agree(self, row: GroupRow) -> GroupAgreed:
        """Let the endpoint use a group; gives the event of success."""
        self.context.private_groups[row.name] = row
        parameters = row.parameters
        return GroupAgreed(self.role, row.ike_id, row.name, parameters)


def _sa_of(transform: Transform) -> SecurityAssociation:
    return SecurityAssociation((Proposal(1, Protocol.ISAKMP, b"", (transform,)),))


def _refusal(reason: str) -> PeerError:
    """RFC 2409 5.6: a group that is not acceptable MUST be answered so."""
    divergence = Divergence("group", "one that can be accepted", reason)
    notify = NotifyType.ATTRIBUTES_NOT_SUPPORTED
    return PeerError(notify, f"the group is refused: {reason}", divergence, fatal=True)


def _acceptable(exchange: NewGroupMode, transform: Transform) -> GroupRow:
    """The group of a transform; raises InvalidGroupError."""
    row = read_group(transform.attributes)
    groups = exchange.context.private_groups
    known = groups.get(row.name)
    if known is None and len(groups) >= _MOST_GROUPS:
        raise InvalidGroupError(f"{len(groups)} groups are agreed on already")
    if known is not None and known.parameters != row.parameters:
        raise InvalidGroupError(f"{row.name} is another group already")
    return row


def answer(exchange: NewGroupMode, message: Message) -> Step:
    """Responder: verify HASH(1), check the groups, return the first that can be accepted."""
    exchange.verify_hash(message)
    policy = exchange.context.config.new_groups
    if policy is None or not policy.accept:
        raise _refusal("none is wanted")
    reason = "none is offered"
    for proposal in message.one(SecurityAssociation).proposals:
        for transform in proposal.transforms if proposal.protocol is Protocol.ISAKMP else ():
            try:
                row = _acceptable(exchange, transform)
            except InvalidGroupError as error:
                reason = str(error)
                continue
            event = exchange.agree(row)
            sa = _sa_of(transform)
            return Step((sa,), exchange.hash_1, events=(event,), protected=True)
    raise _refusal(reason)


def confirm(exchange: NewGroupMode, message: Message) -> Step:
    """Initiator: verify HASH(2), and that the answer is what we offered."""
    exchange.verify_hash(message, "HASH(2)")
    if exchange.offered is None or message.one(SecurityAssociation) != exchange.offered:
        reason = "the group in the answer is none that we offered"
        raise PeerError(NotifyType.BAD_PROPOSAL_SYNTAX, reason, fatal=True)
    attributes = exchange.offered.proposals[0].transforms[0].attributes
    return Step(events=(exchange.agree(read_group(attributes)),))
