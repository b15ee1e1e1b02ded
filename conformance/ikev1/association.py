"""One ISAKMP SA, in the making or standing: what both ends hold under it, say and wait for.

RFC 2409 5, RFC 2408 3.14 and 3.15. What arrives comes through receiving.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ikev1 import liveness, receiving
from conformance.ikev1.acknowledged import Acknowledged
from conformance.ikev1.children import CPI_SIZE, SPI_SIZE
from conformance.ikev1.config import XAUTH_USERS
from conformance.ikev1.constants import Protocol
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import IsakmpDeleted, MessageRejected, Role
from conformance.ikev1.formalities import Formalities
from conformance.ikev1.fragments import Reassembly
from conformance.ikev1.informational import Informational
from conformance.ikev1.new_group_mode import NewGroupMode
from conformance.ikev1.opening import capabilities_of, open_phase_1
from conformance.ikev1.payloads import Delete, Notification
from conformance.ikev1.phase_2 import Phase2
from conformance.ikev1.private_groups import private_name
from conformance.ikev1.quick_mode import QuickMode
from conformance.ikev1.state_table import ENDED, State
from conformance.ikev1.transaction import Transaction

if TYPE_CHECKING:
    from conformance.crypto.dh import GroupParameters
    from conformance.ikev1.context import Address, Child, Context
    from conformance.ikev1.dpd import DeadPeerDetection
    from conformance.ikev1.errors import PeerError
    from conformance.ikev1.exchange import Exchange
    from conformance.ikev1.isakmp_sa import IsakmpSa
    from conformance.ikev1.message import Header
    from conformance.ikev1.payloads import Payload


class Association:
    """An exchange of phase 1 and all of phase 2 under the ISAKMP SA that it makes."""

    def __init__(self, context: Context, role: Role, address: Address, cookie_i: bytes) -> None:
        self.context = context
        self.deleted = False
        """Whether either side has deleted it."""
        self.replaces: bytes | None = None
        """The initiator's cookie of the ISAKMP SA that this one is to replace."""
        self.rekeys: int | None = None
        """The inbound SPI of the pair that its first Quick Mode is to replace."""
        self.quick_mode_wanted = role is Role.INITIATOR
        self.rejected = 0
        """Messages that were not accepted."""
        self._leaving = False
        self.capabilities = capabilities_of(context)
        """What both ends said by Vendor IDs."""
        self.reassembly = Reassembly()
        self.formalities: Formalities | None = None
        """None until the ISAKMP SA stands."""
        self.dpd: DeadPeerDetection | None = None
        """None until the ISAKMP SA stands."""
        self.phase_1 = open_phase_1(context, role, address, cookie_i, self.capabilities)
        self.phase_2 = Phase2(context, self.phase_1)

    @property
    def address(self) -> Address:
        """Where the peer's last message came from."""
        return self.phase_1.address

    @property
    def isakmp_sa(self) -> IsakmpSa | None:
        """None until phase 1 has ended well."""
        return self.phase_2.isakmp_sa

    @property
    def stands(self) -> bool:
        """Whether the ISAKMP SA may be used."""
        return self.isakmp_sa is not None and not self.deleted

    @property
    def half_open(self) -> bool:
        """Whether phase 1 is under way."""
        return self.phase_1.state not in ENDED

    @property
    def authenticated_only(self) -> bool:
        """Whether phase 1 ended well without an ISAKMP SA; it only answers duplicates."""
        return self.phase_1.state is State.DONE and not self.phase_1.makes_keys

    @property
    def finished(self) -> bool:
        """Whether the endpoint may forget it; a responder that accepted nothing yet is nothing."""
        main = self.phase_1
        nothing_yet = main.role is Role.RESPONDER and main.state is State.EXPECT_SA
        gone = self.deleted and not any(self.phase_2.unanswered())
        return gone or nothing_yet or main.state is State.FAILED

    @property
    def peer_id(self) -> bytes:
        """The body of the ID payload that the peer proved."""
        return self.phase_1.peer_identity

    @property
    def cookies(self) -> bytes:
        """The cookie pair: the SPI of the ISAKMP SA (RFC 2408 2.4)."""
        return self.phase_1.cookie_i + self.phase_1.cookie_r

    def start(self, now: float) -> None:
        """Send the first message of phase 1."""
        self.phase_1.start(now)

    def receive(self, header: Header, data: bytes, address: Address, now: float) -> None:
        """Take a datagram with our initiator cookie; whatever it holds, nothing is raised."""
        receiving.receive(self, header, data, address, now)

    # -- on the way to an SA --------------------------------------------------------------------

    def establish(self, now: float) -> None:
        """Phase 1 has ended well: the ISAKMP SA stands."""
        self.phase_2.isakmp_sa = sa = self.phase_1.result()
        self.dpd = liveness.begin(self, now)
        liveness.begin_life(self, now)
        for notification in self.capabilities.afterwards(self.phase_1):
            self.inform(notification, now)
        user, own = XAUTH_USERS.get(sa.proposal.auth), self.phase_1.role.value
        self.formalities = Formalities(self.context, None if user is None else user == own)
        self.go_on(now)

    def go_on(self, now: float) -> None:
        """Whatever comes next on the way to the first Quick Mode."""
        formalities = self.formalities
        if formalities is None or self.deleted:
            return
        if formalities.failed:
            self._delete_children(now)
            self.terminate(now)
        elif question := formalities.next_question():
            self.phase_2.begin(Transaction).ask(question, now)
        elif formalities.done and (wanted := self._next_group()):
            self.propose_group(*wanted, now)
        elif formalities.done and self.quick_mode_wanted:
            self.quick_mode_wanted = False
            self.start_quick_mode(now, self.rekeys)

    def _next_group(self) -> tuple[int, GroupParameters] | None:
        """What we have to propose before Quick Mode; None once it is agreed on."""
        policy, known = self.context.config.new_groups, self.context.private_groups
        groups = policy.groups if policy and self.quick_mode_wanted else ()
        return next((one for one in groups if private_name(one[0]) not in known), None)

    def propose_group(self, number: int, parameters: GroupParameters, now: float) -> None:
        """Agree on a group under a private number (RFC 2409 5.6)."""
        self.phase_2.begin(NewGroupMode).propose(number, parameters, now)

    def start_quick_mode(self, now: float, replaces: int | None = None) -> None:
        """Negotiate a further pair of SAs, to replace one where its inbound SPI is given."""
        self.context.require_group(self.context.config.phase2[0].pfs)
        message_id = int.from_bytes(self.context.random_nonzero(4))
        exchange = self.new_quick_mode(Role.INITIATOR, message_id)
        exchange.replaces = replaces
        exchange.start(now)

    def new_quick_mode(self, role: Role, message_id: int) -> QuickMode:
        """A Quick Mode with an SPI of our own; raises LocalError before the ISAKMP SA stands."""
        nat = self.capabilities.nat
        return self.phase_2.new(
            QuickMode,
            role,
            message_id,
            isakmp_sa=self.phase_2.standing,
            nat=nat if nat and nat.detected else None,
            spi_in=self.context.allocate_spi(),
        )

    def authenticate_user(self, now: float) -> None:
        """Gateway: ask the user of XAUTH anew; raises LocalError where there is none."""
        if self.formalities is None:
            raise LocalError("no ISAKMP SA stands")
        self.formalities.begin_again()
        self.go_on(now)

    def _delete_children(self, now: float) -> None:
        """What a user who failed had negotiated goes too (draft-beaulieu-ike-xauth-02 6)."""
        for child in list(self.context.children.values()):
            if child.cookie_i == self.phase_1.cookie_i:
                self.delete_child(child, now)

    def install(self, exchange: QuickMode, now: float) -> None:
        """Every pair of SAs that the exchange negotiated stands."""
        for child, limits in exchange.pairs:
            self.context.children[child.spi_in] = child
            self.context.child_lives.begin(
                child.spi_in,
                (child.spi_in, child.spi_out),
                limits,
                now,
                is_answer=exchange.role is Role.RESPONDER,
                replaces=exchange.replaces,
            )

    def tell_connected(self, exchange: QuickMode, now: float) -> None:
        """Say CONNECTED where the commit bit promised it, under the Quick Mode's message ID."""
        if exchange.owes_connected:
            exchange.owes_connected = False
            told = self.phase_2.new(
                Informational, Role.INITIATOR, exchange.message_id, remember=False
            )
            exchange.adopt_answer(told.start(exchange.connected, now))

    # -- speaking -------------------------------------------------------------------------------

    def inform(self, payload: Payload, now: float) -> None:
        """Send a Notify or Delete in an exchange of its own."""
        answered = isinstance(payload, Delete) and self.context.config.acknowledged_deletes
        self.phase_2.begin(Acknowledged if answered else Informational).start(payload, now)

    def notify(self, exchange: Exchange, error: PeerError, now: float) -> None:
        """Answer an error; an Informational is never answered with one (RFC 2408 5.15)."""
        if isinstance(exchange, Informational):
            return
        if isinstance(exchange, QuickMode):
            notification = Notification(error.notify, *exchange.peer_offer)
        else:
            notification = Notification(error.notify, Protocol.ISAKMP, self.cookies)
        self.inform(notification, now)

    def reject(self, error: PeerError) -> None:
        """Report a message that was not accepted."""
        self.rejected += 1
        self.context.events.append(MessageRejected(error.notify, error.reason, error.divergence))

    def note_traffic(self, now: float, *, received: bool) -> None:
        """The data plane heard from the peer, or spoke to it."""
        liveness.note_traffic(self, now, received=received)

    # -- the end --------------------------------------------------------------------------------

    def delete_child(self, child: Child, now: float) -> None:
        """Tell the peer that a pair of SAs is gone, one Delete per protocol, and forget it."""
        for protocol, spi_in, _ in child.spis:
            size = CPI_SIZE if protocol is Protocol.IPCOMP else SPI_SIZE
            self.inform(Delete(protocol, (spi_in.to_bytes(size),)), now)
        self.context.forget_child(child, by_peer=False)

    def terminate(self, now: float) -> None:
        """Tell the peer that the ISAKMP SA is gone; a phase 1 under way is given up.

        Deletes that wait for an answer need the ISAKMP SA until they have it.
        """
        self._abandon("terminated")
        self._leaving = any(self.phase_2.unanswered())
        if self._leaving:
            return
        if self.isakmp_sa is None:
            self.deleted = True
        elif not self.deleted:
            self.inform(Delete(Protocol.ISAKMP, (self.cookies,)), now)
            self.forget_isakmp(by_peer=False)

    def leave(self, now: float) -> None:
        """Go on with terminate() once nothing waits for an answer."""
        if self._leaving:
            self.terminate(now)

    def forget(self, reason: str) -> None:
        """Remove the ISAKMP SA and its children without a word to the peer."""
        self._abandon(reason)
        for child in list(self.context.children.values()):
            if child.cookie_i == self.phase_1.cookie_i:
                self.context.forget_child(child, by_peer=False)
        if self.isakmp_sa is not None and not self.deleted:
            self.forget_isakmp(by_peer=False)

    def forget_isakmp(self, *, by_peer: bool) -> None:
        """The ISAKMP SA is gone; its children stay."""
        self.deleted = True
        self._abandon("the ISAKMP SA was deleted")
        sa = self.phase_2.standing
        self.context.isakmp_lives.end(sa.cookie_i)
        self.context.events.append(IsakmpDeleted(sa.cookie_i, sa.cookie_r, by_peer))

    def _abandon(self, reason: str) -> None:
        kept = self.phase_2.unanswered()
        for exchange in (self.phase_1, *self.phase_2):
            if not any(exchange is one for one in kept):
                exchange.fail(reason)

    # -- time -----------------------------------------------------------------------------------

    def get_timer(self) -> float | None:
        """The earliest deadline of its exchanges; None for never."""
        timers = [exchange.get_timer() for exchange in (self.phase_1, *self.phase_2)]
        timers.append(liveness.get_timer(self))
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Let every exchange repeat what is due."""
        for exchange in (self.phase_1, *self.phase_2):
            exchange.handle_timer(now)
        self.leave(now)
        liveness.handle_timer(self, now)
