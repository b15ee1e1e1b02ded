"""What every exchange shares: receive by the state table, answer, repeat, give up (RFC 2408 5.1).

The handlers of an exchange return a Step; only this file sends, and only _set_state writes state.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import ExchangeType, NotifyType, PayloadType
from conformance.ikev1.describe import Lines
from conformance.ikev1.deviation import Position
from conformance.ikev1.errors import DecodeError, PeerError
from conformance.ikev1.events import (
    ExchangeFailed,
    MessageReceived,
    MessageSent,
    NotifyReceived,
    NotifySent,
    Role,
)
from conformance.ikev1.fragments import split
from conformance.ikev1.message import (
    NO_COOKIE,
    NON_ESP_MARKER,
    Header,
    parse_message,
    write_chain,
    write_datagram,
)
from conformance.ikev1.payloads import Hash, Notification
from conformance.ikev1.retransmission import Retransmission
from conformance.ikev1.state_table import ENDED, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.ikev1.context import Address, Context
    from conformance.ikev1.errors import Divergence
    from conformance.ikev1.events import Event
    from conformance.ikev1.message import CipherState, Message
    from conformance.ikev1.payloads import Payload
    from conformance.ikev1.state_table import Rule, Step

_LAST_FRAGMENT_ID = 0xFFFF
_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One exchange in progress, identified by cookies and message ID."""

    exchange_type: ClassVar[ExchangeType]

    context: Context
    rules: tuple[Rule, ...]
    role: Role
    address: Address
    """Where messages go."""
    state: State
    cookie_i: bytes
    cookie_r: bytes
    message_id: int = 0
    cipher_state: CipherState | None = None
    """The IV chain as it will be used next; None while messages go in the clear."""
    rejection: PeerError | None = None
    """Why the last message that was not accepted was not; None once one was."""
    _number: int = 0
    _answers: dict[bytes, tuple[MessageSent, ...]] = field(default_factory=dict, repr=False)
    """By the accepted datagram; an exchange accepts no more of them than its table has rows."""
    _last_received: bytes = field(default=b"", repr=False)
    _last_sent: MessageSent | None = field(default=None, repr=False)
    _retransmission: Retransmission | None = None

    @property
    def auth(self) -> str | None:
        """The negotiated authentication method; None before there is one."""
        return None

    @property
    def label(self) -> str:
        """The exchange for people."""
        return self.exchange_type.label.replace("-", " ").title()

    def along(self, step: Step) -> tuple[Payload, ...]:
        """What goes along with the payloads of a step."""
        del step
        return ()

    def take_along(self, message: Message) -> None:
        """Read what came along with an accepted message; raises PeerError."""

    @property
    def header_flags(self) -> int:
        """Flags of our messages beside the one for encryption."""
        return 0

    def adopt_answer(self, sent: MessageSent) -> None:
        """A message of another exchange belongs to our last answer, and is repeated with it."""
        self._answers[self._last_received] += (sent,)

    def receive(self, header: Header, data: bytes, now: float) -> None:
        """Take a datagram of this exchange; raises PeerError and stays as it was."""
        if data in self._answers:
            self._receive_again(header, data)
            return
        before, number = self.cipher_state, self._number
        try:
            message = self._decode(header, data)
            rule = self._rule(message)
            self._number += 1
            step = rule.handler(self, message)
            self.take_along(message)
        except PeerError as error:
            self.cipher_state, self._number, self.rejection = before, number, error
            raise
        self._retransmission, self.rejection = None, None
        self.note_notifications(message)
        self._set_state(step.next_state or rule.next_state)
        sent = (self.send(step, now),) if step.answers else ()
        self._answers[data], self._last_received = sent, data
        if step.repeats_last:
            self._retransmission = Retransmission.started(self.context.config.retransmit, now)
        self.context.events.extend(step.events)

    def send(self, step: Step, now: float) -> MessageSent:
        """Write, hash, encrypt and transmit; unless the exchange has ended, wait for an answer."""
        self._number += 1
        position, seams = Position(self.exchange_type, self._number), self.context.seams
        payloads = seams.payloads(position, (*step.payloads, *self.along(step)))
        chain = write_chain(payloads)
        if step.hash_over is not None:
            first = Hash(step.hash_over(chain))
            chain = write_chain((first,), _first_type(payloads)) + chain
            payloads = (first, *payloads)
        chain, header = seams.plain(position, chain), self._header(payloads)
        datagram, state = write_datagram(
            header, chain, self.cipher_state if step.protected else None
        )
        self.cipher_state = state or self.cipher_state
        self._last_sent = MessageSent(
            self.exchange_type,
            self.message_id,
            self.cookie_i,
            self.cookie_r,
            step.protected,
            Lines(payloads),
            repeated=False,
            plain=chain,
            datagram=seams.wire(position, datagram),
        )
        self._transmit(self._last_sent)
        self.context.events.extend(self._notifies_sent(payloads, protected=step.protected))
        if self.state not in ENDED:
            self._retransmission = Retransmission.started(self.context.config.retransmit, now)
        return self._last_sent

    def get_timer(self) -> float | None:
        """When handle_timer wants to be called; None for never."""
        return self._retransmission.deadline if self._retransmission else None

    def handle_timer(self, now: float) -> None:
        """Repeat the unanswered message, or give up after the last try."""
        waiting = self._retransmission
        if waiting is None or now < waiting.deadline or self._last_sent is None:
            return
        if waiting.exhausted:
            reason, cause = f"no valid answer after {waiting.sent} transmissions", self.rejection
            why = f"the last message was rejected: {cause.reason}" if cause else self._silence()
            text = f"{reason}; {why}" if why else reason
            self.fail(text, cause.divergence if cause else None)
            return
        waiting.repeat(now)
        self._transmit(replace(self._last_sent, repeated=True))

    def finish(self, *events: Event) -> None:
        """End well by what came outside of this exchange."""
        self._retransmission = None
        self._set_state(State.DONE)
        self.context.events.extend(events)

    def fail(self, reason: str, divergence: Divergence | None = None) -> None:
        """End without a result; an exchange that has ended stays as it is."""
        self._retransmission = None
        if self.state in ENDED:
            return
        self._set_state(State.FAILED)
        self.context.events.append(
            ExchangeFailed(self.exchange_type, self.message_id, self.role, reason, divergence)
        )

    def _set_state(self, state: State) -> None:
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s: %s -> %s", self.label, self.state.name, state.name)
        self.state = state

    def _receive_again(self, header: Header, data: bytes) -> None:
        self.note_received(header, None, data, repeated=True)
        for answer in self._answers[data] if data == self._last_received else ():
            self._transmit(replace(answer, repeated=True))

    def _decode(self, header: Header, data: bytes) -> Message:
        try:
            message, state = parse_message(header, data, self.cipher_state)
        except DecodeError as error:
            self.note_received(header, None, data, repeated=False)
            divergence = self._explain_garbage(header)
            raise PeerError(error.notify, error.reason, divergence) from error
        self.note_received(header, message, data, repeated=False)
        self._check_header(header)
        self.cipher_state = state
        return message

    def _check_header(self, header: Header) -> None:
        first_answer = self.role is Role.INITIATOR and self.cookie_r == NO_COOKIE
        if header.cookie_r == NO_COOKIE if first_answer else header.cookie_r != self.cookie_r:
            raise PeerError(NotifyType.INVALID_COOKIE, "the responder's cookie is another one")
        if header.exchange != self.exchange_type:
            raise PeerError(
                NotifyType.INVALID_EXCHANGE_TYPE,
                f"{header.exchange.label} in the middle of {self.label}",
            )
        if header.message_id != self.message_id:
            raise PeerError(
                NotifyType.INVALID_MESSAGE_ID,
                f"message ID {header.message_id:#010x} in {self.label}",
            )

    def _rule(self, message: Message) -> Rule:
        rule = next((r for r in self.rules if r.applies(self.role, self.auth, self.state)), None)
        if rule is None:
            raise PeerError(
                NotifyType.INVALID_EXCHANGE_TYPE,
                f"{self.label} expects {self.state.value}",
                self._explain_surplus(message.header),
            )
        try:
            rule.check(message)
        except PeerError as error:
            error.divergence = error.divergence or self._explain_garbage(message.header)
            raise
        return rule

    def _silence(self) -> str:
        """What would explain that nothing came back; empty where nothing is known to."""
        return ""

    def _explain_surplus(self, header: Header) -> Divergence | None:
        """What would explain a message that is not expected; None where nothing is known to."""
        del header
        return None

    def _explain_garbage(self, header: Header) -> Divergence | None:
        """What would explain a message that makes no sense; None where nothing is known to."""
        del header
        return None

    def _header(self, payloads: Sequence[Payload]) -> Header:
        return Header(
            self.cookie_i,
            self.cookie_r,
            self.exchange_type,
            self.message_id,
            self.header_flags,
            next_payload=_first_type(payloads),
        )

    def _transmit(self, message: MessageSent) -> None:
        self.context.isakmp_lives.count(self.cookie_i, len(message.datagram))
        marker = NON_ESP_MARKER if self.address in self.context.marked else b""
        for datagram in self._parts(message):
            self.context.datagrams.append((marker + datagram, self.address))
        self.context.events.append(message)

    def _parts(self, message: MessageSent) -> list[bytes]:
        """The datagram, in fragments where it is large and the peer can reassemble them."""
        policy = self.context.config.fragmentation
        identifier = self.context.fragment_to.get(self.cookie_i)
        if policy is None or identifier is None or not (policy.at_once or message.repeated):
            return [message.datagram]
        self.context.fragment_to[self.cookie_i] = identifier % _LAST_FRAGMENT_ID + 1
        parts = split(message.datagram, identifier, policy)
        if len(parts) == 1:
            return parts
        return self.context.seams.parts(Position(self.exchange_type, self._number), parts)

    def note_received(
        self, header: Header, message: Message | None, data: bytes, *, repeated: bool
    ) -> None:
        """Put a datagram into the transcript; message is None where it could not be decoded."""
        payloads = message.payloads if message else ()
        self.context.events.append(
            MessageReceived(
                header.exchange,
                header.message_id,
                header.cookie_i,
                header.cookie_r,
                header.encrypted,
                Lines(payloads),
                repeated=repeated,
                plain=message.chain if message else b"",
                datagram=data,
            )
        )

    def note_notifications(self, message: Message) -> None:
        """Report what the peer notified, chained to whatever message."""
        for one in message.all(Notification):
            self.context.events.append(
                NotifyReceived(
                    one.notify_type,
                    one.protocol,
                    one.spi,
                    one.data,
                    message.header.exchange,
                    message.header.message_id,
                    protected=message.header.encrypted,
                )
            )

    def _notifies_sent(self, payloads: Sequence[Payload], *, protected: bool) -> list[NotifySent]:
        return [
            NotifySent(
                one.notify_type,
                one.protocol,
                one.spi,
                one.data,
                self.exchange_type,
                self.message_id,
                protected=protected,
            )
            for one in payloads
            if isinstance(one, Notification)
        ]


def _first_type(payloads: Sequence[Payload]) -> PayloadType:
    return payloads[0].payload_type if payloads else PayloadType.NONE
