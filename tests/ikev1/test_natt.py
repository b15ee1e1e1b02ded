"""NAT traversal through NATs in memory that map ports and addresses, or map nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.random import seeded_random
from conformance.ikev1.buffer import Reader
from conformance.ikev1.config import (
    Config,
    Identification,
    NatPolicy,
    Phase1Proposal,
    Phase2Proposal,
)
from conformance.ikev1.constants import NotifyType, PayloadType
from conformance.ikev1.deviation import flip
from conformance.ikev1.endpoint import Address, Endpoint
from conformance.ikev1.errors import DecodeError, LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    Event,
    ExchangeFailed,
    IsakmpEstablished,
    MessageRejected,
    MessageSent,
)
from conformance.ikev1.message import NON_ESP_MARKER, parse_header, parse_message
from conformance.ikev1.natt import FLAVOURS, KEEPALIVE, NATT_PORT, nat_d
from conformance.ikev1.payloads import parse_payload
from conformance.ikev1.payloads.base import OpaquePayload

if TYPE_CHECKING:
    from collections.abc import Callable

INSIDE, PUBLIC, SERVER = "192.168.1.5", "203.0.113.9", "198.51.100.2"
HIDDEN_SERVER = "10.9.9.9"
PHASE1 = Phase1Proposal("aes128", "sha256", "ecp256")
PHASE2 = Phase2Proposal("aes128", "sha256", "tunnel", None)


def source_port(data: bytes) -> int:
    """The local port that a datagram leaves from: the marker's, or 500."""
    return NATT_PORT if data.startswith(NON_ESP_MARKER) or data == KEEPALIVE else 500


@dataclass
class Network:
    """An initiator, a responder, and up to two NATs between them."""

    initiator: Endpoint
    responder: Endpoint
    hide_initiator: bool = True
    hide_responder: bool = False
    now: float = 0.0
    wire: list[tuple[str, Address, Address, bytes]] = field(default_factory=list)
    """Who sent it, source and destination in between, and the datagram."""
    events: dict[str, list[Event]] = field(default_factory=lambda: {"i": [], "r": []})

    def deliver(self) -> None:
        """Carry datagrams to and fro until nobody has anything to say."""
        quiet = False
        while not quiet:
            quiet = not self._carry_to_responder() + self._carry_to_initiator()
        for name, end in (("i", self.initiator), ("r", self.responder)):
            while (event := end.next_event()) is not None:
                self.events[name].append(event)

    def _carry_to_responder(self) -> int:
        datagrams = self.initiator.datagrams_to_send(self.now)
        for data, to in datagrams:
            port = source_port(data)
            source = (PUBLIC, 30000 + port) if self.hide_initiator else (INSIDE, port)
            assert to[1] == port, "both ports change together"
            self.wire.append(("i", source, to, data))
            self.responder.receive_datagram(data, source, self.now)
        return len(datagrams)

    def _carry_to_initiator(self) -> int:
        datagrams = self.responder.datagrams_to_send(self.now)
        for data, to in datagrams:
            port = source_port(data)
            expected = 30000 + port if self.hide_initiator else port
            self.wire.append(("r", (SERVER, port), to, data))
            if to[1] == expected:  # the NAT has no other mapping
                self.initiator.receive_datagram(data, (SERVER, port), self.now)
        return len(datagrams)

    def of(self, end: str, cls: type[Any]) -> list[Any]:
        """The events of a class at one end."""
        return [event for event in self.events[end] if isinstance(event, cls)]


def network(
    policies: tuple[NatPolicy | None, NatPolicy | None] = (NatPolicy(), NatPolicy()),
    *,
    hide_initiator: bool = True,
    hide_responder: bool = False,
    **changes: Any,
) -> Network:
    """Two ends that agree, with the policies and changes to both Configs, and then to each."""
    ids = [Identification.fqdn("i.example"), Identification.fqdn("r.example")]
    nets = [Identification.selector(net) for net in ("10.1.0.0/24", "10.2.0.0/24")]
    phase2 = (changes.pop("phase2", PHASE2),)
    each = changes.pop("each", ({}, {}))
    configs = [
        replace(
            Config(b"secret", ids[m], ids[1 - m], (PHASE1,), phase2, nets[m], nets[1 - m]),
            nat_traversal=policies[m],
            **{**changes, **each[m]},
        )
        for m in range(2)
    ]
    seen = PUBLIC if hide_initiator else INSIDE
    local = HIDDEN_SERVER if hide_responder else SERVER
    return Network(
        Endpoint(configs[0], (SERVER, 500), random=seeded_random("i"), local=(INSIDE, 500)),
        Endpoint(configs[1], (seen, 500), random=seeded_random("r"), local=(local, 500)),
        hide_initiator,
        hide_responder,
    )


# (initiator behind a NAT, responder behind a NAT)
PLACES = [(True, False), (False, True), (True, True)]


@pytest.mark.covers("natt:{flavour}", "natt:float", "encap:{flavour}-tunnel", by="self")
@pytest.mark.parametrize(("hide_initiator", "hide_responder"), PLACES)
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
@pytest.mark.parametrize("flavour", [flavour.name for flavour in FLAVOURS])
def test_handshake_through_nats(
    flavour: str, exchange: str, *, hide_initiator: bool, hide_responder: bool
) -> None:
    """Both ends float to port 4500 and install a pair in UDP; the oldest drafts stay on 500."""
    policy = NatPolicy(flavours=(flavour,))
    floats = flavour not in {"draft-00", "draft-01"}
    places = {"hide_initiator": hide_initiator, "hide_responder": hide_responder}
    net = network((policy, policy), exchange=exchange, **places)
    net.initiator.initiate(0.0)
    net.deliver()
    for end in ("i", "r"):
        (child,) = net.of(end, ChildInstalled)
        assert child.udp_encapsulation
        assert child.original_addresses == ()
        assert child.non_ike_marker is not floats
        assert not net.of(end, MessageRejected)
    before = {"main": 4, "aggressive": 2}[exchange]
    first = before if floats else len(net.wire)
    ports = [to[1] for name, _, to, _ in net.wire if name == "i"]
    assert [source_port(data) for *_, data in net.wire] == [500] * first + [4500] * (
        len(net.wire) - first
    )
    assert set(ports[before // 2 :]) == {4500 if floats else 500}
    mode = next(f.modes["tunnel"] for f in FLAVOURS if f.name == flavour)
    quick = [m for m in net.of("i", MessageSent) if m.exchange == 32]
    assert (0x80040000 | mode).to_bytes(4) in quick[0].plain


@pytest.mark.covers("payload:NAT-D", "natt:nat-d", by="self")
def test_nat_d_payloads_are_as_the_rfc_says() -> None:
    """RFC 3947 3.2: the destination's hash first, then the source's, recomputed by hashlib."""
    net = network()
    net.initiator.initiate(0.0)
    net.deliver()
    data = net.wire[2][3]
    message, _ = parse_message(parse_header(data), data)
    sent = [one.data for one in message.all(OpaquePayload)]
    cookies = message.header.cookie_i + message.header.cookie_r
    expected = [
        sha256(cookies + bytes([198, 51, 100, 2]) + b"\x01\xf4").digest(),
        sha256(cookies + bytes([192, 168, 1, 5]) + b"\x01\xf4").digest(),
    ]
    assert sent == expected
    assert nat_d("sha256", cookies[:8], cookies[8:], ("2001:db8::1", 500)) == (
        sha256(cookies + bytes.fromhex("20010db8" + "00" * 11 + "01") + b"\x01\xf4").digest()
    )


PAYLOADS = {"rfc": 20, "draft-08": 15, "draft-04": 15, "draft-03": 130, "draft-00": 130}


@pytest.mark.parametrize("flavour", PAYLOADS)
def test_number_of_nat_d(flavour: str) -> None:
    """RFC 3947 3.2 and the drafts number the payload differently."""
    policy = NatPolicy(flavours=(flavour,))
    net = network((policy, policy))
    net.initiator.initiate(0.0)
    net.deliver()
    data = net.wire[2][3]
    message, _ = parse_message(parse_header(data), data)
    assert [p.payload_type for p in message.payloads[2:]] == [PAYLOADS[flavour]] * 2


def test_more_addresses_than_one() -> None:
    """RFC 3947 3.2: several NAT-D for the source; any that matches means there is no NAT."""
    many = NatPolicy(other_addresses=("192.0.2.77", "2001:db8::7", INSIDE))
    net = network((many, many), hide_initiator=False)
    net.initiator.initiate(0.0)
    net.deliver()
    data = net.wire[2][3]
    message, _ = parse_message(parse_header(data), data)
    sent = [one.data for one in message.all(OpaquePayload)]
    cookies = message.header.cookie_i, message.header.cookie_r
    froms = (SERVER, INSIDE, "192.0.2.77", "2001:db8::7")
    assert sent == [nat_d("sha256", *cookies, (one, 500)) for one in froms]
    assert not net.of("r", ChildInstalled)[0].udp_encapsulation


def test_another_address_of_the_same_host() -> None:
    """A packet that left from another of our addresses was not translated."""
    policy = NatPolicy(other_addresses=(PUBLIC,))
    initiator = network((policy, NatPolicy()), hide_initiator=False).initiator
    responder = network((policy, NatPolicy())).responder
    initiator.initiate(0.0)
    for _ in range(5):
        for data, _ in initiator.datagrams_to_send(0.0):
            responder.receive_datagram(data, (PUBLIC, 500), 0.0)
        for data, _ in responder.datagrams_to_send(0.0):
            initiator.receive_datagram(data, (SERVER, 500), 0.0)
    net = Network(initiator, responder)
    net.deliver()
    assert [child.udp_encapsulation for child in net.of("r", ChildInstalled)] == [False]


def test_no_nat_no_change() -> None:
    """Without a NAT everything stays on port 500 and outside of UDP."""
    net = network(hide_initiator=False)
    net.initiator.initiate(0.0)
    net.deliver()
    assert {source_port(data) for *_, data in net.wire} == {500}
    (child,) = net.of("i", ChildInstalled)
    assert not child.udp_encapsulation
    assert net.initiator.get_timer() is None


@pytest.mark.covers("natt:force", by="self")
@pytest.mark.parametrize("who", [0, 1])
def test_forced_encapsulation(who: int) -> None:
    """Either end can pretend that there is a NAT, and both encapsulate."""
    policies = [NatPolicy(), NatPolicy()]
    policies[who] = NatPolicy(force=True)
    net = network((policies[0], policies[1]), hide_initiator=False)
    net.initiator.initiate(0.0)
    net.deliver()
    for end in ("i", "r"):
        assert [child.udp_encapsulation for child in net.of(end, ChildInstalled)] == [True]


@pytest.mark.parametrize("policies", [(NatPolicy(), None), (None, NatPolicy())])
def test_only_one_end_can_do_it(policies: tuple[NatPolicy | None, NatPolicy | None]) -> None:
    """No Vendor ID of the other, no NAT-D, no port change."""
    net = network(policies, hide_initiator=False)
    net.initiator.initiate(0.0)
    net.deliver()
    assert {source_port(data) for *_, data in net.wire} == {500}
    assert len(net.of("r", ChildInstalled)) == 1


def test_the_newest_flavour_of_both_wins() -> None:
    mine, yours = NatPolicy(("draft-02", "draft-03", "rfc")), NatPolicy(("draft-02", "draft-03"))
    net = network((mine, yours))
    net.initiator.initiate(0.0)
    net.deliver()
    (established,) = net.of("i", IsakmpEstablished)
    assert [one.hex() for one in established.vendor_ids] == ["7d9419a65310ca6f2c179d9215529d56"]


@pytest.mark.covers("natt:nat-oa", "encap:{flavour}-transport", by="self")
@pytest.mark.parametrize(
    "flavour",
    [
        pytest.param("rfc", marks=pytest.mark.covers("payload:20", "payload:21", by="self")),
        pytest.param("draft-03", marks=pytest.mark.covers("payload:130", "payload:131", by="self")),
        pytest.param("draft-04", marks=pytest.mark.covers("payload:15", "payload:16", by="self")),
        "draft-08",
        "draft-00",
    ],
)
def test_original_addresses_in_transport_mode(flavour: str) -> None:
    """RFC 3947 5.2, example 1: each end says both addresses as it knows them."""
    policy = NatPolicy(flavours=(flavour,))
    net = network((policy, policy), phase2=replace(PHASE2, mode="transport"))
    net.initiator.initiate(0.0)
    net.deliver()
    (at_initiator,), (at_responder,) = net.of("i", ChildInstalled), net.of("r", ChildInstalled)
    assert at_responder.original_addresses == (INSIDE, SERVER)
    assert at_initiator.original_addresses == (PUBLIC, SERVER)


@pytest.mark.covers("payload:21", by="self")
@pytest.mark.parametrize(("hide_initiator", "hide_responder"), PLACES)
def test_both_views_of_the_original_addresses(
    *, hide_initiator: bool, hide_responder: bool
) -> None:
    """RFC 3947 5.2, examples 1 and 2: own address as configured, the other's as perceived."""
    net = network(
        hide_initiator=hide_initiator,
        hide_responder=hide_responder,
        phase2=replace(PHASE2, mode="transport"),
    )
    net.initiator.initiate(0.0)
    net.deliver()
    (at_initiator,), (at_responder,) = net.of("i", ChildInstalled), net.of("r", ChildInstalled)
    seen = PUBLIC if hide_initiator else INSIDE
    assert at_responder.original_addresses == (INSIDE, SERVER)
    assert at_initiator.original_addresses == (seen, HIDDEN_SERVER if hide_responder else SERVER)


def hosts(local: str, remote: str) -> dict[str, Identification]:
    return {
        "local_selector": Identification.selector(local),
        "remote_selector": Identification.selector(remote),
    }


@pytest.mark.parametrize("send_client_ids", [True, False])
@pytest.mark.parametrize(("hide_initiator", "hide_responder"), PLACES)
def test_host_to_host_through_nats(
    *, send_client_ids: bool, hide_initiator: bool, hide_responder: bool
) -> None:
    """Each end selects the other as it sees it; identities name the original addresses."""
    ends = {"hide_initiator": hide_initiator, "hide_responder": hide_responder}
    seen = PUBLIC if hide_initiator else INSIDE
    own = HIDDEN_SERVER if hide_responder else SERVER
    changes = {"phase2": replace(PHASE2, mode="transport"), "send_client_ids": send_client_ids}
    net = network(each=(hosts(INSIDE, SERVER), hosts(own, seen)), **changes, **ends)
    net.initiator.initiate(0.0)
    net.deliver()
    (child,) = net.of("r", ChildInstalled)
    assert (child.local_selector, child.remote_selector) == tuple(hosts(own, seen).values())
    assert not net.of("r", MessageRejected) + net.of("i", MessageRejected)
    named = any(line.startswith("ID ") for m in net.of("i", MessageSent)[3:] for line in m.payloads)
    assert named is send_client_ids


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_another_host_than_the_original_is_refused(mode: str) -> None:
    """An address that is neither configured nor told; in tunnel mode NAT-OA does not count."""
    own = INSIDE if mode == "tunnel" else "192.168.1.6"
    each = (hosts(own, SERVER), hosts(SERVER, PUBLIC))
    net = network(phase2=replace(PHASE2, mode=mode), each=each)
    net.initiator.initiate(0.0)
    net.deliver()
    (rejected,) = net.of("r", MessageRejected)
    assert rejected.notify is NotifyType.INVALID_ID_INFORMATION
    assert not net.of("r", ChildInstalled)


def test_addresses_that_tunnel_mode_ignores() -> None:
    """RFC 3947 5.2: offered for both modes, tunnel chosen; the answer has none, nor the event."""
    both = (replace(PHASE2, mode="transport"), PHASE2)
    net = network(each=({"phase2": both}, {}))
    net.initiator.initiate(0.0)
    net.deliver()
    for end in ("i", "r"):
        (child,) = net.of(end, ChildInstalled)
        assert (child.mode, child.original_addresses) == ("tunnel", ())
    offer, answer = (
        next(m for m in net.of(end, MessageSent) if m.exchange == 32).payloads for end in "ir"
    )
    assert sum(line.startswith("NAT-OA") for line in offer) == 2
    assert not any(line.startswith("NAT-OA") for line in answer)


@pytest.mark.parametrize("protocol", ["ah", "ah+esp"])
def test_ah_cannot_pass_a_nat(protocol: str) -> None:
    """RFC 3715 2.1: it covers the addresses; an offer of nothing else is not even made."""
    cipher = "aes128" if protocol == "ah+esp" else "none"
    bundle = Phase2Proposal(cipher, "sha256", "tunnel", None, protocol)
    net = network(phase2=bundle)
    net.initiator.initiate(0.0)
    net.deliver()
    (failure,) = net.of("i", ExchangeFailed)
    assert "AH cannot pass the NAT" in failure.reason
    net = network(phase2=bundle, phase2_further=((bundle,),), hide_initiator=False)
    net.initiator.initiate(0.0)
    net.deliver()
    assert len(net.of("r", ChildInstalled)) == 2


@pytest.mark.covers("natt:keepalive", by="self")
def test_keepalives_of_who_is_behind() -> None:
    """RFC 3948 4: every twenty seconds of silence from behind the NAT, never from before it."""
    net = network()
    net.initiator.initiate(0.0)
    net.deliver()
    assert net.responder.get_timer() is None
    assert net.initiator.get_timer() == 20.0
    before = len(net.wire)
    for now in (20.0, 40.0):
        net.initiator.handle_timer(now)
        net.deliver()
    assert [data for *_, data in net.wire[before:]] == [KEEPALIVE] * 2
    (child,) = net.of("i", ChildInstalled)
    net.initiator.note_traffic(child.spi_out, 100, 55.0)
    assert net.initiator.get_timer() == 75.0
    assert not net.of("r", MessageRejected)


def test_phase_1_on_the_old_port_is_stale() -> None:
    """RFC 3947 4: once the port has changed, phase 1 on port 500 is discarded."""
    net = network()
    net.initiator.initiate(0.0)
    net.deliver()
    old = net.wire[2]
    net.responder.receive_datagram(old[3], old[1], 1.0)
    net.deliver()
    (rejected,) = net.of("r", MessageRejected)
    assert "port change" in rejected.reason
    net.responder.start_quick_mode(1.0)
    net.deliver()
    assert len(net.of("i", ChildInstalled)) == 2


@pytest.mark.parametrize("authentic", [True, False])
def test_only_the_peer_moves_where_we_answer(authentic: bool) -> None:  # noqa: FBT001
    """RFC 3947 7: a new mapping counts once something authentic has come by it."""
    net = network()
    net.initiator.initiate(0.0)
    net.deliver()
    net.initiator.start_quick_mode(1.0)
    ((data, _),) = net.initiator.datagrams_to_send(1.0)
    moved = (PUBLIC, 39999)
    net.responder.receive_datagram(data if authentic else flip(data, 40), moved, 1.0)
    net.responder.datagrams_to_send(1.0)
    net.responder.start_quick_mode(1.0)
    ((_, to),) = net.responder.datagrams_to_send(1.0)
    assert to == (moved if authentic else (PUBLIC, 34500))
    net.deliver()
    assert bool(net.of("r", MessageRejected)) is not authentic


@pytest.mark.covers("natt:float", by="self")
def test_negotiation_that_begins_on_4500() -> None:
    """RFC 3947 4: a new phase 1 begins where the peer is now reached, from either side."""
    net = network()
    net.initiator.initiate(0.0)
    net.deliver()
    before = len(net.wire)
    net.responder.initiate(5.0)
    net.deliver()
    assert {source_port(data) for *_, data in net.wire[before:]} == {4500}
    assert [child.udp_encapsulation for child in net.of("r", ChildInstalled)] == [True, True]


@pytest.mark.parametrize("number", [2, 3])
def test_every_damaged_nat_d_message(number: int) -> None:
    """Truncated or flipped, the message with NAT-D is rejected or a NAT is seen; no exception."""
    whole = network()
    whole.initiator.initiate(0.0)
    whole.deliver()
    good = whole.wire[number][3]
    for index in range(len(good)):
        flipped = bytes(octet ^ (index == place) for place, octet in enumerate(good))
        for bad in (good[:index], flipped):
            receiver = whole.responder if number == 2 else whole.initiator
            receiver.receive_datagram(bad, ((PUBLIC, 30500), (SERVER, 500))[number - 2], 1.0)
            receiver.datagrams_to_send(1.0)
    whole.deliver()
    assert len(whole.of("r", ChildInstalled)) == 1


# (body of NAT-OA, what is said of it)
BAD_ADDRESSES = [
    ("", "wanted"),
    ("01000000", "wanted"),
    ("01000000c0a801", "wanted"),
    ("01000100c0a80105", "reserved"),
    ("02000000c0a80105", "FQDN"),
    ("05000000c0a80105", "wanted"),
]


@pytest.mark.parametrize(("body", "reason"), BAD_ADDRESSES)
def test_malformed_original_address(body: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        parse_payload(PayloadType.NAT_OA, Reader(bytes.fromhex(body)))


def test_our_address_must_be_known(make_pair: Callable[..., Any]) -> None:
    with pytest.raises(LocalError, match="own address"):
        make_pair(initiator={"nat_traversal": NatPolicy()})
