"""Two endpoints complete Main Mode and Quick Mode for every combination and agree on it."""

from __future__ import annotations

from dataclasses import fields
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.ciphers import CIPHERS
from conformance.crypto.random import seeded_random
from conformance.crypto.transforms import ESP_INTEGRITY
from conformance.ikev1.config import Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.context import Context
from conformance.ikev1.deviations import Seams
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    ExchangeFailed,
    IsakmpDeleted,
    IsakmpEstablished,
    MessageReceived,
    MessageRejected,
    MessageSent,
    NotifyReceived,
    Role,
)
from conformance.ikev1.main_mode import MainMode
from conformance.ikev1.phase_1 import Phase1
from conformance.ikev1.state_table import State

if TYPE_CHECKING:
    from collections.abc import Callable

PHASE2 = Phase2Proposal("aes128", "sha256", "tunnel", None)
PHASE1 = Phase1Proposal("aes128", "sha256", "ecp256")


def assert_agreement(pair: Any) -> None:
    """Both ends installed one child whose keys, SPIs and selectors cross."""
    (mine,), (yours,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    crossed = ("spi", "encryption_key", "integrity_key")
    for name in crossed:
        assert getattr(mine, f"{name}_in") == getattr(yours, f"{name}_out")
        assert getattr(mine, f"{name}_out") == getattr(yours, f"{name}_in")
    assert mine.local_selector == yours.remote_selector
    assert mine.remote_selector == yours.local_selector
    assert mine.encryption_key_in != mine.encryption_key_out
    assert len(mine.encryption_key_in) == CIPHERS[mine.cipher].key_size
    assert len(mine.integrity_key_in) == ESP_INTEGRITY[mine.integrity].key_size
    for cls in (MessageRejected, ExchangeFailed):
        assert not pair.of_initiator(cls) + pair.of_responder(cls)


CIPHER_SAMPLE = ("aes128", "aes192", "aes256", "3des")
HASH_SAMPLE = ("md5", "sha1", "sha256")
GROUP_SAMPLE = ("modp1024", "modp1536", "modp2048", "ecp256")
MAC_SAMPLE = ("md5", "sha1", "sha256")
"""What is tried in all combinations; test_every_transform.py tries every row once."""


@pytest.mark.covers("cipher:{cipher}", "hash:{hash_name}", "group:{group}", "auth:psk", by="self")
@pytest.mark.parametrize(
    ("cipher", "hash_name", "group"), [*product(CIPHER_SAMPLE, HASH_SAMPLE, GROUP_SAMPLE)]
)
def test_every_phase_1_combination(
    make_pair: Callable[..., Any], cipher: str, hash_name: str, group: str
) -> None:
    """Cipher x hash x group, Quick Mode without PFS."""
    pair = make_pair(Phase1Proposal(cipher, hash_name, group))
    pair.handshake()
    (mine,), (yours,) = pair.of_initiator(IsakmpEstablished), pair.of_responder(IsakmpEstablished)
    assert mine.encryption_key == yours.encryption_key
    assert len(mine.encryption_key) == CIPHERS[cipher].key_size
    assert (mine.cipher, mine.hash, mine.group, mine.auth) == (cipher, hash_name, group, "psk")
    assert_agreement(pair)


@pytest.mark.covers(
    "esp:{cipher}",
    "integ:{integrity}",
    "encap:{mode}",
    "group:{pfs}",
    "attr2:4",
    "attr2:5",
    "attr2:6",
    by="self",
)
@pytest.mark.parametrize(
    ("cipher", "integrity", "mode", "pfs"),
    [*product(CIPHER_SAMPLE, MAC_SAMPLE, ("tunnel", "transport"), (None, *GROUP_SAMPLE))],
)
def test_every_phase_2_combination(
    make_pair: Callable[..., Any], cipher: str, integrity: str, mode: str, pfs: str | None
) -> None:
    """ESP cipher x integrity x mode x PFS group."""
    pair = make_pair(phase2=Phase2Proposal(cipher, integrity, mode, pfs))
    pair.handshake()
    assert_agreement(pair)
    (child,) = pair.of_initiator(ChildInstalled)
    assert (child.cipher, child.integrity, child.mode, child.pfs) == (cipher, integrity, mode, pfs)


@pytest.mark.covers(
    "exchange:2",
    "exchange:32",
    "payload:SA",
    "payload:P",
    "payload:T",
    "payload:KE",
    "payload:ID",
    "payload:HASH",
    "payload:NONCE",
    by="self",
)
@pytest.mark.covers(
    "protocol:ISAKMP", "protocol:ESP", "protocol:key-ike", "feature:client-ids", by="self"
)
def test_messages_are_those_of_the_rfc(make_pair: Callable[..., Any]) -> None:
    """Six messages of Main Mode, the last two encrypted, then three of Quick Mode."""
    pair = make_pair()
    pair.handshake()
    sent = [
        (event.exchange, event.encrypted, [line.split(maxsplit=1)[0] for line in event.payloads])
        for events in zip(
            pair.of_initiator(MessageSent), [*pair.of_responder(MessageSent), None], strict=True
        )
        for event in events
        if event
    ]
    main, quick = ExchangeType.MAIN_MODE, ExchangeType.QUICK_MODE
    ids = ["HASH", "SA", "NONCE", "ID", "ID"]
    assert sent == [
        (main, False, ["SA"]),
        (main, False, ["SA"]),
        (main, False, ["KE", "NONCE"]),
        (main, False, ["KE", "NONCE"]),
        (main, True, ["ID", "HASH"]),
        (main, True, ["ID", "HASH"]),
        (quick, True, ids),
        (quick, True, ids),
        (quick, True, ["HASH"]),
    ]


def test_received_transcript_equals_the_sent_one(make_pair: Callable[..., Any]) -> None:
    """What one end decrypted is what the other encrypted."""
    pair = make_pair()
    pair.handshake()
    for sent, received in (
        (pair.of_initiator(MessageSent), pair.of_responder(MessageReceived)),
        (pair.of_responder(MessageSent), pair.of_initiator(MessageReceived)),
    ):
        assert [(m.plain, m.datagram, m.payloads) for m in sent] == [
            (m.plain, m.datagram, m.payloads) for m in received
        ]


@pytest.mark.covers("exchange:5", "payload:D", "feature:delete", by="self")
def test_terminate_deletes_child_and_isakmp_sa(make_pair: Callable[..., Any]) -> None:
    pair = make_pair()
    pair.handshake()
    pair.initiator.terminate(1.0)
    pair.deliver()
    for events, by_peer in ((pair.of_initiator, False), (pair.of_responder, True)):
        assert [event.by_peer for event in events(ChildDeleted)] == [by_peer]
        assert [event.by_peer for event in events(IsakmpDeleted)] == [by_peer]
        assert not events(MessageRejected)
    with pytest.raises(LocalError):
        pair.initiator.start_quick_mode(2.0)


@pytest.mark.covers("feature:delete", by="self")
def test_responder_can_terminate_too(make_pair: Callable[..., Any]) -> None:
    pair = make_pair()
    pair.handshake()
    pair.responder.terminate(1.0)
    pair.deliver()
    assert [event.by_peer for event in pair.of_initiator(ChildDeleted)] == [True]
    assert [event.by_peer for event in pair.of_initiator(IsakmpDeleted)] == [True]


def test_terminate_gives_up_a_main_mode_under_way(make_pair: Callable[..., Any]) -> None:
    pair = make_pair()
    pair.initiator.initiate(0.0)
    pair.initiator.terminate(0.0)
    pair.deliver()
    (failure,) = pair.of_initiator(ExchangeFailed)
    assert failure.reason == "terminated"


@pytest.mark.parametrize("who", ["initiator", "responder"])
def test_further_quick_modes_run_under_one_isakmp_sa(
    make_pair: Callable[..., Any], who: str
) -> None:
    """Either end may start them, at the same moment too; each gives other keys."""
    pair = make_pair()
    pair.handshake()
    getattr(pair, who).start_quick_mode(1.0)
    pair.initiator.start_quick_mode(1.0)
    pair.deliver()
    children = pair.of_initiator(ChildInstalled)
    assert len(children) == 3
    assert len({child.encryption_key_in for child in children}) == 3
    assert not pair.of_responder(MessageRejected)
    pair.initiator.terminate(2.0)
    pair.deliver()
    assert len(pair.of_responder(ChildDeleted)) == 3


@pytest.mark.covers("feature:simultaneous", by="self")
def test_both_ends_initiate_at_once(make_pair: Callable[..., Any]) -> None:
    """Two ISAKMP SAs and two children stand; nothing is rejected."""
    pair = make_pair()
    pair.responder.initiate(0.0)
    pair.handshake()
    for events in (pair.of_initiator, pair.of_responder):
        assert len(events(IsakmpEstablished)) == 2
        assert len(events(ChildInstalled)) == 2
        assert not events(MessageRejected)


def test_the_same_seed_gives_the_same_octets(make_pair: Callable[..., Any]) -> None:
    first, second = make_pair(), make_pair()
    first.handshake()
    second.handshake()
    assert first.sent == second.sent


def test_no_repr_shows_nonces() -> None:
    """Public key encryption keeps them secret: whoever reads them can answer (RFC 2409 5.2)."""
    shown = {one.name for one in fields(Phase1) if one.repr}
    assert not shown & {"nonce_i", "nonce_r", "skeyid", "skeyid_d", "skeyid_a"}


def test_no_secret_in_any_repr(make_pair: Callable[..., Any]) -> None:
    """Neither the PSK nor any key shows in the text of events or configuration."""
    pair = make_pair()
    pair.handshake()
    (phase1,), (child,) = pair.of_initiator(IsakmpEstablished), pair.of_initiator(ChildInstalled)
    secrets = [
        b"secret",
        phase1.encryption_key,
        child.encryption_key_in,
        child.integrity_key_in,
        child.encryption_key_out,
        child.integrity_key_out,
    ]
    text = repr(pair.initiator_events) + repr(pair.initiator.config) + repr(vars(pair.initiator))
    for secret in secrets:
        assert repr(secret)[2:-1] not in text
        assert secret.hex() not in text


@pytest.mark.covers("feature:lifetimes", by="self")
def test_shorter_configured_lifetime_counts(make_pair: Callable[..., Any]) -> None:
    """The offer is accepted as it is; each side keeps its own limit (RFC 2407 4.5.4)."""
    short = (Phase2Proposal("aes128", "sha256", "tunnel", None, lifetime_seconds=100),)
    pair = make_pair(responder={"phase2": short})
    pair.handshake()
    (child,) = pair.of_responder(ChildInstalled)
    assert (child.lifetime_seconds, child.negotiated_lifetime_seconds) == (100, 3600)


@pytest.mark.covers("attr1:11", "attr1:12", "attr2:1", "attr2:2", "feature:lifetimes", by="self")
@pytest.mark.parametrize("lifetime", [60, 65535, 65536, 86400])
def test_lifetimes_of_two_and_four_octets(make_pair: Callable[..., Any], lifetime: int) -> None:
    """TV below 65536, TLV above; both are read back."""
    pair = make_pair(
        Phase1Proposal("aes128", "sha256", "ecp256", lifetime_seconds=lifetime),
        Phase2Proposal("aes128", "sha256", "tunnel", None, lifetime_seconds=lifetime),
    )
    pair.handshake()
    assert pair.of_responder(IsakmpEstablished)[0].negotiated_lifetime_seconds == lifetime
    assert pair.of_responder(ChildInstalled)[0].lifetime_seconds == lifetime


@pytest.mark.covers("feature:alternatives", by="self")
def test_responder_takes_the_initiators_first_acceptable_transform(
    make_pair: Callable[..., Any],
) -> None:
    """The order of the offer counts, not that of the responder's configuration."""
    offered = tuple(Phase1Proposal(cipher, "sha1", "ecp256") for cipher in CIPHER_SAMPLE)
    known = (offered[3], offered[2])
    pair = make_pair(initiator={"phase1": offered}, responder={"phase1": known})
    pair.handshake()
    assert pair.of_initiator(IsakmpEstablished)[0].cipher == "aes256"
    assert_agreement(pair)


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "cipher": ({"phase1": (Phase1Proposal("3des", "sha256", "ecp256"),)}, "encryption algorithm"),
    "key-length": ({"phase1": (Phase1Proposal("aes256", "sha256", "ecp256"),)}, "key length"),
    "hash": ({"phase1": (Phase1Proposal("aes128", "md5", "ecp256"),)}, "hash algorithm"),
    "group": ({"phase1": (Phase1Proposal("aes128", "sha256", "modp1024"),)}, "group description"),
    "esp-cipher": ({"phase2": (Phase2Proposal("3des", "sha256", "tunnel", None),)}, "transform"),
    "esp-key-length": (
        {"phase2": (Phase2Proposal("aes192", "sha256", "tunnel", None),)},
        "key length",
    ),
    "integrity": (
        {"phase2": (Phase2Proposal("aes128", "sha1", "tunnel", None),)},
        "authentication algorithm",
    ),
    "mode": (
        {"phase2": (Phase2Proposal("aes128", "sha256", "transport", None),)},
        "encapsulation mode",
    ),
    "pfs": (
        {"phase2": (Phase2Proposal("aes128", "sha256", "tunnel", "ecp256"),)},
        "group description",
    ),
}


@pytest.mark.covers("notify:14", "payload:N", by="self")
@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_configured_is_refused(make_pair: Callable[..., Any], name: str) -> None:
    """NO-PROPOSAL-CHOSEN, and both ends can say why."""
    overrides, value = REFUSALS[name]
    pair = make_pair(responder=overrides)
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.notify is NotifyType.NO_PROPOSAL_CHOSEN
    assert rejected.divergence is not None
    assert rejected.divergence.name == value
    assert rejected.divergence.expected != rejected.divergence.got
    (notify,) = pair.of_initiator(NotifyReceived)
    assert notify.notify_type is NotifyType.NO_PROPOSAL_CHOSEN
    assert notify.exchange is ExchangeType.INFORMATIONAL
    assert notify.protected == ("phase2" in overrides)
    (failure,) = pair.of_initiator(ExchangeFailed)
    assert "NO-PROPOSAL-CHOSEN" in failure.reason
    assert pair.of_responder(ExchangeFailed)
    assert not pair.of_responder(ChildInstalled)


def test_unexpected_pfs_is_refused_as_initiator_and_responder(
    make_pair: Callable[..., Any],
) -> None:
    """An offer with a group is no offer without one."""
    pair = make_pair(
        phase2=Phase2Proposal("aes128", "sha256", "tunnel", "ecp256"),
        responder={"phase2": (PHASE2,)},
    )
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.divergence is not None
    assert (rejected.divergence.name, rejected.divergence.expected) == (
        "group description",
        "absent",
    )


@pytest.mark.covers("notify:18", by="self")
@pytest.mark.parametrize(
    ("selector", "name"), [("remote_selector", "IDci"), ("local_selector", "IDcr")]
)
def test_other_selectors_are_refused(
    make_pair: Callable[..., Any], selector: str, name: str
) -> None:
    pair = make_pair(responder={selector: Identification.selector("10.9.0.0/16")})
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.notify is NotifyType.INVALID_ID_INFORMATION
    assert rejected.divergence is not None
    assert (rejected.divergence.name, rejected.divergence.expected) == (
        name,
        "IPV4-ADDR-SUBNET 10.9.0.0/16",
    )
    assert pair.of_initiator(ExchangeFailed)


@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_unexpected_identity_is_refused(make_pair: Callable[..., Any], role: str) -> None:
    pair = make_pair(**{role: {"remote_id": Identification.fqdn("other.example")}})
    pair.handshake()
    events = pair.of_initiator if role == "initiator" else pair.of_responder
    (rejected,) = events(MessageRejected)
    assert rejected.notify is NotifyType.INVALID_ID_INFORMATION
    assert rejected.divergence is not None
    assert "FQDN other.example" in str(rejected.divergence)


@pytest.mark.parametrize("port", [(0, 0), (17, 500), (17, 0)])
def test_any_identity_that_has_the_key(
    make_pair: Callable[..., Any], port: tuple[int, int]
) -> None:
    """remote_id None takes any identity; protocol and port are UDP 500 or nothing."""
    anyone = Identification(2, b"someone.example", *port)
    pair = make_pair(initiator={"local_id": anyone}, responder={"remote_id": None})
    pair.handshake()
    assert pair.of_responder(IsakmpEstablished)[0].peer_id == anyone
    assert_agreement(pair)


def test_identity_with_another_port_is_refused(make_pair: Callable[..., Any]) -> None:
    wrong = Identification(2, b"someone.example", 6, 80)
    pair = make_pair(initiator={"local_id": wrong}, responder={"remote_id": None})
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.divergence is not None
    assert "RFC 2407 4.6.2" in rejected.divergence.explanation


def test_another_pre_shared_key_is_named_as_the_likely_cause(
    make_pair: Callable[..., Any],
) -> None:
    pair = make_pair(responder={"psk": b"other"})
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.divergence is not None
    assert rejected.divergence.explanation == "most likely another pre-shared key"
    assert not pair.of_initiator(IsakmpEstablished)


def test_errors_in_the_clear_need_not_be_believed(make_pair: Callable[..., Any]) -> None:
    """Without trust the initiator waits for a good answer until its patience ends."""
    pair = make_pair(
        initiator={"trust_unprotected_errors": False},
        responder={"phase1": (Phase1Proposal("3des", "sha256", "ecp256"),)},
    )
    pair.handshake()
    assert pair.of_initiator(NotifyReceived)
    assert not pair.of_initiator(ExchangeFailed)
    pair.pass_time()
    (failure,) = pair.of_initiator(ExchangeFailed)
    assert "no valid answer after 5 transmissions" in failure.reason


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (lambda: Phase1Proposal("rot13", "sha1", "modp1024"), "cipher"),
        (lambda: Phase1Proposal("3des", "crc", "modp1024"), "hash"),
        (lambda: Phase1Proposal("3des", "sha1", "modp1"), "group"),
        (lambda: Phase1Proposal("3des", "sha1", "modp1024", "pigeon"), "method"),
        (lambda: Phase2Proposal("rot13", "sha1", "tunnel", None), "cipher"),
        (lambda: Phase2Proposal("3des", "crc", "tunnel", None), "integrity"),
        (lambda: Phase2Proposal("3des", "sha1", "bridge", None), "mode"),
        (lambda: Phase2Proposal("3des", "sha1", "tunnel", "modp1"), "group"),
        (lambda: Phase2Proposal("3des", "sha1", "tunnel", None, "gre"), "protocol"),
    ],
)
def test_unknown_names_are_refused_at_once(build: Callable[[], object], word: str) -> None:
    with pytest.raises(LocalError, match=word):
        build()


def test_proposals_that_contradict_each_other_are_refused(
    make_pair: Callable[..., Any],
) -> None:
    groups = (PHASE2, Phase2Proposal("aes128", "sha1", "tunnel", "ecp256"))
    with pytest.raises(LocalError, match="same PFS group"):
        make_pair(initiator={"phase2": groups})
    with pytest.raises(LocalError, match="at least one"):
        make_pair(initiator={"phase1": ()})


def hosts(**overrides: Any) -> dict[str, dict[str, Any]]:
    """Both ends protect traffic between themselves; overrides are the initiator's."""
    mine, yours = (Identification.ipv4_addr(f"10.0.0.{number}") for number in (1, 2))
    return {
        "initiator": {"local_selector": mine, "remote_selector": yours, **overrides},
        "responder": {"local_selector": yours, "remote_selector": mine},
    }


@pytest.mark.covers("feature:no-client-ids", by="self")
def test_quick_mode_without_client_identities(make_pair: Callable[..., Any]) -> None:
    """Then the peers themselves are meant, and none are returned (RFC 2409 5.5)."""
    pair = make_pair(**hosts(send_client_ids=False))
    pair.handshake()
    assert_agreement(pair)
    quick = [m for m in pair.of_responder(MessageSent) if m.exchange is ExchangeType.QUICK_MODE]
    assert not any(line.startswith("ID") for line in quick[0].payloads)


def test_implied_identities_must_be_the_configured_ones(make_pair: Callable[..., Any]) -> None:
    """A responder that protects a subnet refuses a peer that speaks for itself alone."""
    pair = make_pair(initiator={"send_client_ids": False})
    pair.handshake()
    (rejected,) = pair.of_responder(MessageRejected)
    assert rejected.divergence is not None
    assert (rejected.divergence.name, rejected.divergence.got) == (
        "implied IDci",
        "IPV4-ADDR 10.0.0.1",
    )


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (lambda mm: mm.proposal, "not been negotiated"),
        (lambda mm: mm.derive_keys(b""), "not been drawn"),
        (lambda mm: mm.established(Identification.fqdn("a")), "not been negotiated"),
        (lambda mm: mm.result(), "not complete"),
    ],
)
def test_main_mode_refuses_what_comes_too_early(
    build: Callable[[MainMode], object], word: str
) -> None:
    """A mistake of ours is a LocalError, never a wrong key."""
    context = Context(None, seeded_random(1), lambda: 256, Seams())  # type: ignore[arg-type]
    exchange = MainMode(
        context=context,
        rules=(),
        role=Role.INITIATOR,
        address=("10.0.0.2", 500),
        state=State.EXPECT_SA,
        cookie_i=bytes(8),
        cookie_r=bytes(8),
    )
    with pytest.raises(LocalError, match=word):
        build(exchange)
