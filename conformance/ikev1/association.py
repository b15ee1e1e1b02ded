"""One ISAKMP SA, in the making or standing: finds the exchange of a message by its message ID.

RFC 2409 5.5 and 5.7, RFC 2408 3.14 and 3.15.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1 import rules
from conformance.ikev1.aggressive_mode import AggressiveMode
from conformance.ikev1.capabilities import Capabilities
from conformance.ikev1.config import PROTOCOLS, XAUTH_USERS
from conformance.ikev1.constants import ExchangeType, NotifyType, Protocol
from conformance.ikev1.dpd import DeadPeerDetection
from conformance.ikev1.errors import DecodeError, LocalError, PeerError
from conformance.ikev1.events import (
    IsakmpDeleted,
    MessageRejected,
    PeerDead,
    Role,
)
from conformance.ikev1.formalities import Formalities
from conformance.ikev1.fragments import Reassembly, is_fragment
from conformance.ikev1.informational import Informational
from conformance.ikev1.main_mode import MainMode
from conformance.ikev1.message import NO_COOKIE, parse_header, parse_message
from conformance.ikev1.natt import KEEPALIVE, NatTraversal
from conformance.ikev1.payloads import Delete, Notification
from conformance.ikev1.quick_mode import QuickMode
from conformance.ikev1.state_table import ENDED, State
from conformance.ikev1.status import Lifetimes
from conformance.ikev1.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.context import Address, Child, Context
    from conformance.ikev1.exchange import Exchange
    from conformance.ikev1.isakmp_sa import IsakmpSa
    from conformance.ikev1.message import Header
    from conformance.ikev1.payloads import Payload
    from conformance.ikev1.state_table import Rule

_REMEMBERED = 64
"""Ended exchanges of phase 2 that are kept to answer duplicates."""
_PHASE_1: dict[str, tuple[type[MainMode | AggressiveMode], tuple[Rule, ...]]] = {
    "main": (MainMode, rules.MAIN_MODE),
    "aggressive": (AggressiveMode, rules.AGGRESSIVE),
}
"""The exchange of phase 1 and its state table, by configured name."""
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}


class Association:
    """A Main or Aggressive Mode and all phase 2 exchanges under the ISAKMP SA that it makes."""

    def __init__(self, context: Context, role: Role, address: Address, cookie_i: bytes) -> None:
        self.address = address
        """Where the peer's last message came from."""
        self.isakmp_sa: IsakmpSa | None = None
        """None until Main Mode has ended well."""
        self.deleted = False
        """Whether either side has deleted it."""
        self.replaces: bytes | None = None
        """The initiator's cookie of the ISAKMP SA that this one is to replace."""
        self.rekeys: int | None = None
        """The inbound SPI of the pair that its first Quick Mode is to replace."""
        self.quick_mode_wanted = role is Role.INITIATOR
        nat = context.config.nat_traversal
        traversal = NatTraversal(nat, context.local) if nat and context.local else None
        self.capabilities = Capabilities(context.config, nat=traversal)
        """What both ends said by Vendor IDs."""
        self._reassembly = Reassembly()
        self.formalities: Formalities | None = None
        """None until the ISAKMP SA stands."""
        self.dpd: DeadPeerDetection | None = None
        """None until the ISAKMP SA stands."""
        self._context = context
        build, table = _PHASE_1[context.config.exchange]
        self._phase_1 = build(
            context=context,
            rules=table,
            role=role,
            address=address,
            state=State.EXPECT_SA,
            cookie_i=cookie_i,
            cookie_r=NO_COOKIE,
            capabilities=self.capabilities,
        )
        self._phase_2: OrderedDict[int, QuickMode | Informational] = OrderedDict()

    @property
    def finished(self) -> bool:
        """Whether the endpoint may forget it; a responder that accepted nothing yet is nothing."""
        main = self._phase_1
        nothing_yet = main.role is Role.RESPONDER and main.state is State.EXPECT_SA
        return self.deleted or nothing_yet or main.state is State.FAILED

    @property
    def peer_id(self) -> bytes:
        """The body of the ID payload that the peer proved."""
        return self._phase_1.peer_identity

    @property
    def cookies(self) -> bytes:
        """The cookie pair: the SPI of the ISAKMP SA (RFC 2408 2.4)."""
        return self._phase_1.cookie_i + self._phase_1.cookie_r

    def start(self, now: float) -> None:
        """Send the first message of phase 1."""
        self._phase_1.start(now)

    def receive(self, header: Header, data: bytes, address: Address, now: float) -> None:
        """Take a datagram with our initiator cookie; whatever it holds, nothing is raised."""
        if is_fragment(header) and self._context.config.fragmentation:
            self._receive_fragment(header, data, address, now)
            return
        if self._is_stale(header, address):
            self._reject(PeerError(NotifyType.INVALID_FLAGS, "on port 500 after the port change"))
            return
        self.address = self._phase_1.address = address
        receiver = self._RECEIVERS.get(header.exchange, Association._refuse)
        receiver(self, header, data, now)

    def _receive_fragment(self, header: Header, data: bytes, address: Address, now: float) -> None:
        """Take the whole message once all its parts are there; it is no fragment itself."""
        try:
            whole = self._reassembly.take(header, data)
            inner = parse_header(whole) if whole else None
        except DecodeError as error:
            self._reject(PeerError(error.notify, error.reason))
            return
        except PeerError as error:
            self._reject(error)
            return
        if whole is None or inner is None:
            return
        if is_fragment(inner) or inner.cookie_i != header.cookie_i:
            reason = "the fragments make no message of this ISAKMP SA"
            self._reject(PeerError(NotifyType.PAYLOAD_MALFORMED, reason))
            return
        self.receive(inner, whole, address, now)

    def _is_stale(self, header: Header, address: Address) -> bool:
        """Whether phase 1 goes on at port 500 after it had left for 4500 (RFC 3947 4)."""
        marked = self._context.marked
        return not header.message_id and self.address in marked and address not in marked

    # -- the exchanges --------------------------------------------------------------------------

    def _receive_phase_1(self, header: Header, data: bytes, now: float) -> None:
        self._deliver(self._phase_1, header, data, now)
        self.address = self._phase_1.address
        if self.isakmp_sa is None and self._phase_1.state is State.DONE:
            self.isakmp_sa = self._phase_1.result()
            self.dpd = self._new_dpd(now)
            self._begin_life(now)
            if self.capabilities.nat is not None:
                self.capabilities.nat.note_sent(now)
            for notification in self.capabilities.afterwards(self._phase_1):
                self._inform(notification, now)
            user = XAUTH_USERS.get(self.isakmp_sa.proposal.auth)
            own = self._phase_1.role.value
            self.formalities = Formalities(self._context, None if user is None else user == own)
            self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Whatever comes next on the way to the first Quick Mode."""
        formalities = self.formalities
        if formalities is None or self.deleted:
            return
        if formalities.failed:
            self.terminate(now)
        elif question := formalities.next_question():
            message_id = int.from_bytes(self._context.random_nonzero(4))
            self._new_transaction(Role.INITIATOR, message_id).ask(question, now)
        elif formalities.done and self.quick_mode_wanted:
            self.quick_mode_wanted = False
            self.start_quick_mode(now, self.rekeys)

    def _receive_transaction(self, header: Header, data: bytes, now: float) -> None:
        config = self._context.config
        if self.isakmp_sa is None or (config.xauth is None and config.mode_config is None):
            self._refuse(header, data, now)
            return
        exchange = self._phase_2.get(header.message_id)
        if exchange is None:
            exchange = self._new_transaction(Role.RESPONDER, header.message_id)
        before = exchange.state
        self._deliver(exchange, header, data, now)
        done = exchange.state is State.DONE is not before
        if not done or not isinstance(exchange, Transaction) or self.formalities is None:
            return
        if exchange.role is Role.INITIATOR and exchange.asked and exchange.answered:
            self.formalities.take(exchange.asked, exchange.answered)
        self._go_on(now)

    def _begin_life(self, now: float) -> None:
        agreement, cookie_i = self._phase_1.agreement, self._phase_1.cookie_i
        if agreement is None:
            raise LocalError("phase 1 has not been negotiated yet")
        agreed = Lifetimes(agreement.lifetime_seconds, agreement.lifetime_kilobytes)
        limits = agreed.shorter(self.capabilities.lifetimes)
        self._context.isakmp_lives.begin(
            cookie_i,
            (cookie_i,),
            limits,
            now,
            is_answer=self._phase_1.role is Role.RESPONDER,
            replaces=self.replaces,
        )

    def _receive_quick_mode(self, header: Header, data: bytes, now: float) -> None:
        if self.isakmp_sa is None:
            self._refuse(header, data, now)
            return
        if self.formalities is not None and not self.formalities.done:
            reason = "Quick Mode before XAUTH and Mode Config are done"
            self._reject(PeerError(NotifyType.INVALID_EXCHANGE_TYPE, reason))
            return
        exchange = self._phase_2.get(header.message_id)
        if exchange is None:
            exchange = self._new_quick_mode(Role.RESPONDER, header.message_id)
        exchange.address = self.address
        self._deliver(exchange, header, data, now)

    def _receive_informational(self, header: Header, data: bytes, now: float) -> None:
        if not header.encrypted:
            self._receive_in_the_clear(header, data)
            return
        if self.isakmp_sa is None:
            self._refuse(header, data, now)
            return
        exchange = self._phase_2.get(header.message_id)
        waits = isinstance(exchange, QuickMode) and exchange.peer_commits
        negotiation = exchange if isinstance(exchange, QuickMode) and waits else None
        if exchange is None or negotiation is not None:
            exchange = self._new_informational(
                Role.RESPONDER, header.message_id, remember=negotiation is None
            )
        before = exchange.state
        self._deliver(exchange, header, data, now)
        if isinstance(exchange, Informational) and before is not exchange.state:
            self._act_upon(exchange, now)
            if negotiation and negotiation.take_connected(exchange.notifications):
                self._install(negotiation, now)

    def _receive_in_the_clear(self, header: Header, data: bytes) -> None:
        """A notify before the ISAKMP SA stands; afterwards nobody may speak in the clear."""
        try:
            message, _ = parse_message(header, data)
        except DecodeError as error:
            self._reject(PeerError(error.notify, error.reason))
            return
        self._phase_1.note_received(header, message, data, repeated=False)
        self._phase_1.note_notifications(message)
        if self.isakmp_sa is not None:
            reason = "Informational in the clear although the ISAKMP SA stands"
            self._reject(PeerError(NotifyType.INVALID_FLAGS, reason))
            return
        for notification in message.all(Notification):
            self._phase_1.receive_unprotected_notify(notification)

    def _refuse(self, header: Header, data: bytes, now: float) -> None:
        del data, now
        reason = f"{header.exchange.label} is not expected"
        if self.isakmp_sa is None and header.exchange in self._RECEIVERS:
            reason += " before the ISAKMP SA stands"
        self._reject(PeerError(NotifyType.INVALID_EXCHANGE_TYPE, reason))

    def _deliver(self, exchange: Exchange, header: Header, data: bytes, now: float) -> None:
        before = exchange.state
        try:
            exchange.receive(header, data, now)
        except PeerError as error:
            self._reject(error)
            self._notify(exchange, error, now)
            if error.fatal:
                exchange.fail(error.reason, error.divergence)
        refused = exchange.state is State.EXPECT_HASH_1  # its first message was not accepted
        if refused and self._phase_2.get(exchange.message_id) is exchange:
            del self._phase_2[exchange.message_id]
        if exchange.state is State.DONE is not before and isinstance(exchange, QuickMode):
            self._install(exchange, now)

    def _install(self, exchange: QuickMode, now: float) -> None:
        """A new pair of SAs stands; say so where the commit bit promised it."""
        child = exchange.child
        self._context.children[exchange.spi_in] = child
        self._context.child_lives.begin(
            child.spi_in,
            (child.spi_in, child.spi_out),
            exchange.limits,
            now,
            is_answer=exchange.role is Role.RESPONDER,
            replaces=exchange.replaces,
        )
        if exchange.role is Role.RESPONDER and self._context.config.commit == "informational":
            answer = self._new_informational(
                Role.INITIATOR, exchange.message_id, remember=False
            ).start(exchange.connected, now)
            exchange.adopt_answer(answer)

    def _reject(self, error: PeerError) -> None:
        self._context.events.append(MessageRejected(error.notify, error.reason, error.divergence))

    # -- speaking -------------------------------------------------------------------------------

    def start_quick_mode(self, now: float, replaces: int | None = None) -> None:
        """Negotiate a further pair of SAs, to replace one where its inbound SPI is given."""
        message_id = int.from_bytes(self._context.random_nonzero(4))
        exchange = self._new_quick_mode(Role.INITIATOR, message_id)
        exchange.replaces = replaces
        exchange.start(now)

    def delete_child(self, child: Child, now: float) -> None:
        """Tell the peer that a pair of SAs is gone, and forget it."""
        protocol = Protocol(PROTOCOLS[child.protocol])
        self._inform(Delete(protocol, (child.spi_in.to_bytes(4),)), now)
        self._context.forget_child(child, by_peer=False)

    def terminate(self, now: float) -> None:
        """Tell the peer that the ISAKMP SA is gone; a Main Mode under way is given up."""
        self._abandon("terminated")
        if self.isakmp_sa is not None and not self.deleted:
            self._inform(Delete(Protocol.ISAKMP, (self.cookies,)), now)
            self._forget_isakmp(by_peer=False)

    def _inform(self, payload: Payload, now: float) -> None:
        message_id = int.from_bytes(self._context.random_nonzero(4))
        self._new_informational(Role.INITIATOR, message_id).start(payload, now)

    def _notify(self, exchange: Exchange, error: PeerError, now: float) -> None:
        """Answer an error; an Informational is never answered with one (RFC 2408 5.15)."""
        if isinstance(exchange, Informational):
            return
        if isinstance(exchange, QuickMode):
            notification = Notification(error.notify, Protocol.ESP, exchange.peer_spi)
        else:
            notification = Notification(error.notify, Protocol.ISAKMP, self.cookies)
        self._inform(notification, now)

    def note_traffic(self, now: float, *, received: bool) -> None:
        """The data plane heard from the peer, or spoke to it."""
        if self.capabilities.nat is not None and not received:
            self.capabilities.nat.note_sent(now)
        if self.dpd is None:
            return
        if received:
            self.dpd.note_heard(now)
        else:
            self.dpd.note_sent()

    # -- time -----------------------------------------------------------------------------------

    def get_timer(self) -> float | None:
        """The earliest deadline of its exchanges; None for never."""
        timers = [exchange.get_timer() for exchange in (self._phase_1, *self._phase_2.values())]
        timers.append(self.dpd.get_timer() if self.dpd else None)
        timers.append(self.capabilities.nat.keepalive_at if self.capabilities.nat else None)
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Let every exchange repeat what is due."""
        for exchange in (self._phase_1, *self._phase_2.values()):
            exchange.handle_timer(now)
        self._watch_the_peer(now)
        self._keep_the_mapping(now)

    def _keep_the_mapping(self, now: float) -> None:
        """Send a keepalive where a NAT in front of us might forget us (RFC 3948 4)."""
        nat = self.capabilities.nat
        if nat is not None and not self.deleted and nat.keepalive_due(now):
            self._context.datagrams.append((KEEPALIVE, self.address))
            nat.note_sent(now)

    def _new_dpd(self, now: float) -> DeadPeerDetection:
        policy = self._context.config.dpd
        first = int.from_bytes(self._context.random(4)) >> 1 if policy else 0
        capable = "DPD" in self.capabilities.peer
        return DeadPeerDetection(policy, self.cookies, first, now, capable)

    def _watch_the_peer(self, now: float) -> None:
        """Ask whether the peer is there, or remove all that we hold with a dead one."""
        if self.dpd is None or self.isakmp_sa is None or self.deleted:
            return
        if self.dpd.is_dead(now):
            sa = self.isakmp_sa
            self._context.events.append(PeerDead(sa.cookie_i, sa.cookie_r, self.dpd.asked))
            for child in list(self._context.children.values()):
                self._context.forget_child(child, by_peer=False)
            self._forget_isakmp(by_peer=False)
        elif question := self.dpd.question(now):
            self._inform(question, now)

    # -- phase 2 --------------------------------------------------------------------------------

    def _new_quick_mode(self, role: Role, message_id: int) -> QuickMode:
        initiator = role is Role.INITIATOR
        isakmp_sa = self._standing
        exchange = QuickMode(
            context=self._context,
            rules=rules.QUICK_MODE,
            role=role,
            address=self.address,
            state=State.EXPECT_HASH_2 if initiator else State.EXPECT_HASH_1,
            cookie_i=isakmp_sa.cookie_i,
            cookie_r=isakmp_sa.cookie_r,
            message_id=message_id,
            cipher_state=isakmp_sa.cipher_state(message_id),
            isakmp_sa=isakmp_sa,
            nat=nat if (nat := self.capabilities.nat) and nat.detected else None,
            spi_in=self._context.allocate_spi(),
        )
        self._remember(message_id, exchange)
        return exchange

    def _new_informational(
        self, role: Role, message_id: int, *, remember: bool = True
    ) -> Informational:
        sa = self.isakmp_sa
        exchange = Informational(
            context=self._context,
            rules=rules.INFORMATIONAL,
            role=role,
            address=self.address,
            state=State.DONE if role is Role.INITIATOR else State.EXPECT_HASH_1,
            cookie_i=self._phase_1.cookie_i,
            cookie_r=self._phase_1.cookie_r,
            message_id=message_id,
            cipher_state=sa.cipher_state(message_id) if sa else None,
            isakmp_sa=sa,
        )
        if remember:
            self._remember(message_id, exchange)
        return exchange

    def _new_transaction(self, role: Role, message_id: int) -> Transaction:
        sa, formalities = self._standing, self.formalities
        exchange = Transaction(
            context=self._context,
            rules=rules.TRANSACTION,
            role=role,
            address=self.address,
            state=State.EXPECT_HASH_2 if role is Role.INITIATOR else State.EXPECT_HASH_1,
            cookie_i=sa.cookie_i,
            cookie_r=sa.cookie_r,
            message_id=message_id,
            cipher_state=sa.cipher_state(message_id),
            isakmp_sa=sa,
            answerer=formalities.answer if formalities else None,
        )
        self._remember(message_id, exchange)
        return exchange

    def _remember(self, message_id: int, exchange: QuickMode | Informational) -> None:
        self._phase_2[message_id] = exchange
        ended = [number for number, one in self._phase_2.items() if one.state in ENDED]
        for number in ended[: max(0, len(self._phase_2) - _REMEMBERED)]:
            del self._phase_2[number]

    @property
    def _standing(self) -> IsakmpSa:
        if self.isakmp_sa is None:
            raise LocalError("no ISAKMP SA stands")
        return self.isakmp_sa

    # -- what the peer said in an Informational -------------------------------------------------

    def _act_upon(self, exchange: Informational, now: float) -> None:
        for delete in exchange.deletes:
            for spi in delete.spis:
                self._deleted_by_peer(delete.protocol, spi)
        for notification in exchange.notifications:
            try:
                self.capabilities.take_status([notification])
                self._act_upon_notification(notification, now)
            except PeerError as error:
                self._reject(error)

    def forget(self, reason: str) -> None:
        """Remove the ISAKMP SA and its children without a word to the peer."""
        self._abandon(reason)
        for child in list(self._context.children.values()):
            if child.cookie_i == self._phase_1.cookie_i:
                self._context.forget_child(child, by_peer=False)
        if self.isakmp_sa is not None and not self.deleted:
            self._forget_isakmp(by_peer=False)

    def _act_upon_notification(self, notification: Notification, now: float) -> None:
        if self.dpd and notification.notify_type is NotifyType.R_U_THERE:
            self._inform(self.dpd.answer(notification, now), now)
        elif self.dpd and notification.notify_type is NotifyType.R_U_THERE_ACK:
            self.dpd.take_answer(notification, now)
        elif notification.notify_type.is_error:
            self._peer_refused(notification)

    def _deleted_by_peer(self, protocol: Protocol, spi: bytes) -> None:
        if protocol is Protocol.ISAKMP:
            if spi == self.cookies and not self.deleted:
                self._forget_isakmp(by_peer=True)
            return
        name, number = _PROTOCOL_NAMES.get(protocol), int.from_bytes(spi)
        for child in list(self._context.children.values()):
            if (child.protocol, child.spi_out) == (name, number):
                self._context.forget_child(child, by_peer=True)

    def _peer_refused(self, notification: Notification) -> None:
        """Fail the Quick Mode that an error speaks of: by SPI, else the only one under way."""
        pending = [
            exchange
            for exchange in self._phase_2.values()
            if isinstance(exchange, QuickMode) and exchange.state not in ENDED
        ]
        named = [one for one in pending if one.is_about(notification.spi)]
        for exchange in named or (pending if len(pending) == 1 else []):
            exchange.fail(f"the peer answered {notification.notify_type.label}")

    def _forget_isakmp(self, *, by_peer: bool) -> None:
        self.deleted = True
        self._abandon("the ISAKMP SA was deleted")
        sa = self._standing
        self._context.isakmp_lives.end(sa.cookie_i)
        self._context.events.append(IsakmpDeleted(sa.cookie_i, sa.cookie_r, by_peer))

    def _abandon(self, reason: str) -> None:
        for exchange in (self._phase_1, *self._phase_2.values()):
            exchange.fail(reason)

    _RECEIVERS: ClassVar[dict[int, Callable[[Association, Header, bytes, float], None]]] = {
        ExchangeType.MAIN_MODE: _receive_phase_1,
        ExchangeType.AGGRESSIVE: _receive_phase_1,
        ExchangeType.QUICK_MODE: _receive_quick_mode,
        ExchangeType.TRANSACTION: _receive_transaction,
        ExchangeType.INFORMATIONAL: _receive_informational,
    }
