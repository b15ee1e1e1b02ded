"""The IKEv1 endpoint towards one remote peer: datagrams and time in, datagrams and events out.

RFC 2408 5, RFC 2409 5. It reads no clock, opens no socket and raises nothing upon received octets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.crypto.random import system_random
from conformance.ikev1.association import Association
from conformance.ikev1.config import EXCHANGES
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.context import Address, Context
from conformance.ikev1.deviations import Seams
from conformance.ikev1.errors import DecodeError, LocalError
from conformance.ikev1.events import LifetimeReached, MessageRejected, Role
from conformance.ikev1.lifetimes import Due, Lives
from conformance.ikev1.message import COOKIE_SIZE, NO_COOKIE, NON_ESP_MARKER, Header, parse_header
from conformance.ikev1.private_groups import private_name

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable

    from conformance.crypto.dh import GroupParameters
    from conformance.crypto.random import RandomSource
    from conformance.ikev1.config import Config
    from conformance.ikev1.events import Event

__all__ = ["Address", "Endpoint"]

_NAT_KEEPALIVE = b"\xff"
_MOST_HALF_OPEN = 64
"""Phase 1 exchanges under way that a flood of first messages can cause at most."""
_FIRST_FREE_SPI = 256


class Endpoint:
    """Initiator and responder at once; finds the ISAKMP SA of a datagram by its cookies.

    After every call drain datagrams_to_send() and next_event(), and re-arm to get_timer().
    """

    def __init__(
        self,
        config: Config,
        remote: Address,
        *,
        random: RandomSource = system_random,
        local: Address | None = None,
        spi_allocator: Callable[[], int] | None = None,
        deviations: Iterable[str] = (),
    ) -> None:
        self.config = config
        if config.nat_traversal and local is None:
            raise LocalError("NAT traversal needs to know our own address")
        self.remote = remote
        """Where initiate() sends; datagrams from another IP address are rejected."""
        allocate = spi_allocator or self._random_spi
        self._context = Context(
            config,
            random,
            allocate,
            Seams(tuple(deviations)),
            local=local,
            child_lives=Lives(config.lifetimes),
            isakmp_lives=Lives(config.lifetimes),
        )
        self._associations: dict[bytes, Association] = {}

    # -- verbs ----------------------------------------------------------------------------------

    def initiate(self, now: float) -> None:
        """Begin phase 1 by the configured exchange, and Quick Mode once it has ended well.

        Raises LocalError where either needs a private group that will not be agreed on before.
        """
        policy, pfs = self.config.new_groups, self.config.phase2[0].pfs
        brought = {private_name(number) for number, _ in policy.groups} if policy else set()
        if pfs not in brought:
            self._context.require_group(pfs)
        self._begin_phase_1(now)

    def _begin_phase_1(
        self, now: float, *, replaces: bytes | None = None, rekeys: int | None = None
    ) -> None:
        cookie_i = self._context.random_nonzero(COOKIE_SIZE)
        known = [one.address for one in self._associations.values() if one.stands]
        floated = [address for address in known if address in self._context.marked]
        remote = floated[-1] if floated else self.remote  # RFC 3947 4: begin where it is now
        proposals, knows = self.config.phase1, self._context.knows_group
        if not any(one.group_parameters or knows(one.group) for one in proposals):
            self._context.require_group(proposals[0].group)
        association = Association(self._context, Role.INITIATOR, remote, cookie_i)
        self._associations[cookie_i] = association
        association.replaces, association.rekeys = replaces, rekeys
        association.quick_mode_wanted = replaces is None
        standing = any(one.stands for one in self._associations.values())
        association.capabilities.first_contact = self.config.initial_contact and not standing
        association.start(now)

    def start_quick_mode(self, now: float) -> None:
        """Negotiate a further pair of SAs under the youngest ISAKMP SA; LocalError without one."""
        self._youngest().start_quick_mode(now)

    def propose_group(self, number: int, parameters: GroupParameters, now: float) -> None:
        """Agree on a group under a private number, from 32768 on; LocalError without an SA."""
        self._youngest().propose_group(number, parameters, now)

    def authenticate_user(self, now: float) -> None:
        """Ask the user of XAUTH anew under the youngest ISAKMP SA; LocalError without a user."""
        self._youngest().authenticate_user(now)

    def terminate(self, now: float) -> None:
        """Delete every child, then every ISAKMP SA; give up whatever is under way."""
        if any(one.stands for one in self._associations.values()):
            youngest = self._youngest()
            for child in list(self._context.children.values()):
                youngest.delete_child(child, now)
        for association in self._associations.values():
            association.terminate(now)
        self._forget_finished()

    def receive_datagram(self, data: bytes, address: Address, now: float) -> None:
        """Take a datagram; what is wrong with it becomes an event.

        On port 4500 it begins with the non-ESP marker, as do those to be sent from there.
        """
        if data == _NAT_KEEPALIVE:
            return
        if address[0] != self.remote[0]:
            self._reject(NotifyType.INVALID_COOKIE, f"datagram from {address[0]}")
            return
        if self.config.nat_traversal and data.startswith(NON_ESP_MARKER):
            data = data.removeprefix(NON_ESP_MARKER)
            self._context.marked.add(address)
        try:
            header = parse_header(data)
        except DecodeError as error:
            self._reject(error.notify, error.reason)
            return
        association = self._associations.get(header.cookie_i) or self._respond(header, address)
        if association is None:
            self._reject(NotifyType.INVALID_COOKIE, "no ISAKMP SA has these cookies")
            return
        association.receive(header, data, address, now)
        if association.isakmp_sa and association.capabilities.peer_first_contact:
            self._forget_older(association)
        if association.authenticated_only:
            self._forget_earlier(association)
        self._forget_finished()

    def note_traffic(self, spi: int, octets: int, now: float) -> None:
        """Account for packets of an SA that the data plane sent or received.

        What comes in on one of our SPIs is a sign of life (RFC 3706 5.4); kilobytes of the two
        directions count together (RFC 2407 4.5), those of a bundle by its outermost SPIs.
        """
        children = self._context.children.values()
        received = any(spi == own for child in children for _, own, _ in child.spis)
        for child in children:
            if spi == (child.spi_in if received else child.spi_out):
                self._context.child_lives.count(child.spi_in, octets)
        for association in self._associations.values():
            association.note_traffic(now, received=received)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """Everything to be sent by now, in order; each datagram is returned once."""
        del now  # nothing is ever held back
        return _drain(self._context.datagrams)

    def next_event(self) -> Event | None:
        """The oldest event not yet taken; None when there is none."""
        return self._context.events.popleft() if self._context.events else None

    def get_timer(self) -> float | None:
        """When handle_timer() wants to be called, on the caller's clock; None for never."""
        timers = [association.get_timer() for association in self._associations.values()]
        timers += [self._context.child_lives.get_timer(), self._context.isakmp_lives.get_timer()]
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Send again what waits too long for its answer, and give up what waited too often."""
        for association in self._associations.values():
            association.handle_timer(now)
        self._forget_finished()
        for spi, due in self._context.child_lives.due(now):
            self._age_child(spi, due, now)
        for cookie_i, due in self._context.isakmp_lives.due(now):
            self._age_isakmp(cookie_i, due, now)
        self._forget_finished()

    # -- inner ----------------------------------------------------------------------------------

    def _respond(self, header: Header, address: Address) -> Association | None:
        """A new association for a first message; None where it is none."""
        answered = EXCHANGES[self.config.exchange]
        first = header.exchange is answered and header.cookie_r == NO_COOKIE
        half_open = sum(one.half_open for one in self._associations.values())
        if not first or header.cookie_i == NO_COOKIE or half_open >= _MOST_HALF_OPEN:
            return None
        association = Association(self._context, Role.RESPONDER, address, header.cookie_i)
        self._associations[header.cookie_i] = association
        return association

    def _forget_older(self, association: Association) -> None:
        """The peer holds nothing else with us, so neither do we (RFC 2407 4.6.3.3)."""
        association.capabilities.peer_first_contact = False
        for one in list(self._associations.values()):
            if one is not association and one.stands and one.peer_id == association.peer_id:
                one.forget("the peer began anew")

    def _forget_earlier(self, association: Association) -> None:
        """What a peer proved before, without any keys, is of no use any more."""
        for one in self._associations.values():
            if one.authenticated_only and one is not association:
                one.deleted |= one.peer_id == association.peer_id

    def _age_child(self, spi: int, due: Due, now: float) -> None:
        """Replace or delete a pair of SAs."""
        self._context.events.append(LifetimeReached(spi.to_bytes(4), due.value))
        standing = [one for one in self._associations.values() if one.stands]
        child = self._context.children[spi]
        if due is not Due.REPLACE and standing:
            standing[-1].delete_child(child, now)
        elif due is not Due.REPLACE:
            self._context.forget_child(child, by_peer=False)
        elif standing:
            standing[-1].start_quick_mode(now, replaces=spi)
        else:
            self._begin_phase_1(now, rekeys=spi)

    def _age_isakmp(self, cookie_i: bytes, due: Due, now: float) -> None:
        """Authenticate anew or delete an ISAKMP SA; IKEv1 has no other way to replace one."""
        self._context.events.append(LifetimeReached(cookie_i, due.value))
        if due is Due.REPLACE:
            self._begin_phase_1(now, replaces=cookie_i)
        else:
            self._associations[cookie_i].terminate(now)

    def _youngest(self) -> Association:
        standing = [one for one in self._associations.values() if one.stands]
        if not standing:
            raise LocalError("no ISAKMP SA stands")
        return standing[-1]

    def _forget_finished(self) -> None:
        for cookie_i, association in list(self._associations.items()):
            if association.finished:
                del self._associations[cookie_i]
                self._context.fragment_to.pop(cookie_i, None)

    def _reject(self, notify: NotifyType, reason: str) -> None:
        self._context.events.append(MessageRejected(notify, reason, None))

    def _random_spi(self) -> int:
        while (spi := int.from_bytes(self._context.random(4))) < _FIRST_FREE_SPI:
            pass
        return spi


def _drain(queue: deque[tuple[bytes, Address]]) -> list[tuple[bytes, Address]]:
    items = list(queue)
    queue.clear()
    return items
