"""Two whole peers: Main Mode, Quick Mode, traffic both ways, Delete, and what goes wrong."""

from __future__ import annotations

import threading
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ipsec.inspect import inspect, key_only_sa
from conformance.ipsec.ip import Protocol
from conformance.peer.client import ControlClient, ControlError

if TYPE_CHECKING:
    from conftest import End, Pair

COMBINATIONS: dict[str, dict[str, Any]] = {
    "tunnel": {},
    "transport": {"phase2": {"mode": "transport"}},
    "3des-md5-pfs": {
        "phase1": {"cipher": "3des", "hash": "md5", "group": "modp1024"},
        "phase2": {"cipher": "aes256", "integrity": "sha1", "pfs": "modp1024"},
    },
    "aes256-sha1-transport": {
        "phase1": {"cipher": "aes256", "hash": "sha1"},
        "phase2": {"cipher": "aes192", "mode": "transport", "pfs": "ecp256"},
    },
    "ah": {"phase2": {"protocol": "ah", "cipher": "none", "integrity": "sha1"}},
    "ah-transport": {"phase2": {"protocol": "ah", "cipher": "none", "mode": "transport"}},
    "esp+ipcomp": {"phase2": {"protocol": "esp+ipcomp", "cipher": "aes256"}},
    "ah+esp+ipcomp-transport": {"phase2": {"protocol": "ah+esp+ipcomp", "mode": "transport"}},
}
every_combination = pytest.mark.parametrize("combination", COMBINATIONS.values(), ids=COMBINATIONS)


def child(end: End) -> dict[str, Any]:
    """The one pair of SAs that stands."""
    (only,) = end.call("sas", name="c")["children"]
    return dict(only)


@every_combination
def test_both_ends_hold_the_same_sas(combination: dict[str, Any], pair: Pair) -> None:
    pair.establish(**combination)
    alice, bob = child(pair.alice), child(pair.bob)
    assert (alice["spi_in"], alice["spi_out"]) == (bob["spi_out"], bob["spi_in"])
    assert alice["local_selector"] == bob["remote_selector"]
    assert alice["remote_selector"] == bob["local_selector"]
    mode = combination.get("phase2", {}).get("mode", "tunnel")
    expected = {"cipher": "aes128", "integrity": "sha256", "mode": mode, "pfs": None}
    expected |= combination.get("phase2", {})
    assert alice.items() >= expected.items()
    assert bob.items() >= expected.items()
    ike = [end.call("sas", name="c")["ike"] for end in (pair.alice, pair.bob)]
    own = ("role", "peer_id", "vendor_ids")
    assert {name: ike[0][name] for name in ike[0] if name not in own} == {
        name: ike[1][name] for name in ike[1] if name not in own
    }
    assert [sa["role"] for sa in ike] == ["initiator", "responder"]
    assert [sa["peer_id"] for sa in ike] == [
        f"IPV4-ADDR {end.address}" for end in (pair.bob, pair.alice)
    ]
    assert ike[0].items() >= combination.get("phase1", {}).items()


def test_authentication_only_succeeds_without_any_sa(pair: Pair) -> None:
    """RFC 2408 4.6: both ends are proved, and that is all."""
    pair.configure(exchange="authentication-only")
    outcome = pair.alice.call("initiate", name="c", timeout=5.0)
    assert (outcome["established"], outcome["failure"]) == (True, None)
    assert pair.bob.call("await_established", name="c", timeout=5.0)["established"]
    assert pair.alice.call("sas", name="c")["children"] == []


@every_combination
def test_traffic_passes_both_ways_as_esp(combination: dict[str, Any], pair: Pair) -> None:
    """Every packet on the wire opens with the keys that Alice tells, and shows an echo."""
    pair.establish(**combination)
    for end in (pair.alice, pair.bob):
        assert end.call("ping", name="c", count=3, size=100) == {"sent": 3, "received": 3}
    assert (child(pair.alice)["packets_in"], child(pair.alice)["packets_out"]) == (6, 6)
    keys = pair.alice.call("keys", name="c")
    assert keys == pair.bob.call("keys", name="c") | {"esp": keys["esp"]}
    readers = [reader_of(key) for key in keys["esp"]]
    opened = [inspect(readers, packet) for packet in pair.wire.seen]
    assert [seen and seen.inner and seen.inner.protocol for seen in opened] == [1] * 12


def reader_of(key: dict[str, Any]) -> Any:
    ends = {name: IPv4Address(key[name]) for name in ("source", "destination")}
    secrets = {name: bytes.fromhex(key[name]) for name in ("encryption_key", "integrity_key")}
    protocol = Protocol[key["protocol"].upper()]
    compression = "deflate" if protocol is Protocol.IPCOMP else "none"
    return key_only_sa(**key | ends | secrets | {"protocol": protocol, "compression": compression})


def test_delete_removes_the_sas_at_both_ends(pair: Pair) -> None:
    """A pair of IPsec SAs and the ISAKMP SA; the keys stay as evidence."""
    pair.establish()
    assert pair.alice.call("terminate", name="c", timeout=2) == {"deleted": 2}
    nothing = {"ike": None, "children": []}
    assert pair.alice.call("sas", name="c") == nothing
    assert pair.eventually(lambda: pair.bob.call("sas", name="c") == nothing)
    assert len(pair.bob.call("keys", name="c")["esp"]) == 2
    assert pair.alice.call("terminate", name="c", timeout=2) == {"deleted": 0}
    with pytest.raises(ControlError, match="c has no SA"):
        pair.alice.call("ping", name="c")


def test_either_end_initiates_again_after_a_delete(pair: Pair) -> None:
    pair.establish()
    pair.alice.call("terminate", name="c", timeout=2)
    assert pair.eventually(lambda: pair.bob.call("sas", name="c")["ike"] is None)
    assert pair.bob.call("initiate", name="c", timeout=5)["established"]
    assert pair.bob.call("ping", name="c") == {"sent": 1, "received": 1}
    assert len(pair.alice.call("keys", name="c")["esp"]) == 4


def test_a_wrong_secret_is_named(pair: Pair) -> None:
    """Bob cannot decrypt the first encrypted message, says so, and Alice knows what he said."""
    pair.configure(bob={"psk": "another"})
    outcome = pair.alice.call("initiate", name="c", timeout=5)
    assert (outcome["established"], outcome["timed_out"]) == (False, False)
    assert "PAYLOAD-MALFORMED" in outcome["failure"]
    told = pair.bob.call("await_established", name="c", timeout=0)
    assert (told["established"], told["notifies"]) == (False, ["PAYLOAD-MALFORMED"])
    assert "another pre-shared key" in told["divergence"]["explanation"]
    assert pair.psk not in str((outcome, told))


@pytest.mark.parametrize(
    "difference",
    [
        {"phase1": {"hash": "sha1"}},
        {"phase1": {"group": "modp1024"}},
        {"phase2": {"cipher": "aes256"}},
        {"phase2": {"integrity": "sha1"}},
        {"phase2": {"pfs": "ecp256"}},
    ],
    ids=str,
)
def test_no_proposal_chosen(difference: dict[str, Any], pair: Pair) -> None:
    """The responder notifies, both know the notify, and the responder knows what differs."""
    pair.configure(bob=difference)
    outcome = pair.alice.call("initiate", name="c", timeout=3)
    assert (outcome["established"], outcome["timed_out"]) == (False, False)
    assert outcome["notifies"] == ["NO-PROPOSAL-CHOSEN"]
    told = pair.bob.call("await_established", name="c", timeout=1)
    assert told["notifies"] == ["NO-PROPOSAL-CHOSEN"]
    assert told["divergence"].keys() == {"name", "expected", "got", "explanation"}


def test_a_good_attempt_follows_a_failed_one(pair: Pair) -> None:
    pair.configure(bob={"phase1": {"hash": "sha1"}})
    assert not pair.alice.call("initiate", name="c", timeout=3)["established"]
    pair.establish()
    assert pair.bob.call("ping", name="c") == {"sent": 1, "received": 1}


def test_silence_is_a_timeout(pair: Pair) -> None:
    """Alice talks to a port where nobody answers."""
    pair.configure(remote_port=9)
    outcome = pair.alice.call("initiate", name="c", timeout=0.2)
    assert outcome == {
        "established": False,
        "timed_out": True,
        "failure": "no result within 0.2 s",
        "notifies": [],
        "divergence": None,
    }


def test_a_removed_connection_ends_whoever_waits_for_it(pair: Pair) -> None:
    pair.configure()
    errors: list[str] = []

    def wait() -> None:
        with ControlClient(pair.bob.socket) as second, pytest.raises(ControlError) as caught:
            second.call("await_established", name="c", timeout=5)
        errors.append(str(caught.value))

    thread = threading.Thread(target=wait)
    thread.start()
    assert not pair.eventually(lambda: not thread.is_alive(), 0.1)
    pair.bob.call("remove", name="c")
    thread.join(2)
    assert errors == ["c was removed meanwhile"]


def test_one_seed_gives_one_handshake(pair: Pair) -> None:
    """Cookies, SPIs and keys repeat; another seed gives others, and so does the other end."""
    kept = []
    for seed in (1, 1, 2):
        pair.establish(seed=seed)
        kept.append((pair.alice.call("keys", name="c"), pair.alice.call("sas", name="c")))
    assert kept[0] == kept[1]
    cookies = [sas["ike"]["cookie_initiator"] for _, sas in kept]
    assert cookies[0] != cookies[2]
    assert kept[0][1]["ike"]["cookie_initiator"] != kept[0][1]["ike"]["cookie_responder"]


def test_the_transcript_is_a_ladder(pair: Pair) -> None:
    """Six messages of Main Mode and three of Quick Mode, the same at both ends."""
    pair.establish()
    alice = pair.alice.call("transcript", name="c")["messages"]
    bob = pair.bob.call("transcript", name="c")["messages"]
    exchanges = [message["exchange"] for message in alice]
    assert exchanges == ["MAIN-MODE"] * 6 + ["QUICK-MODE"] * 3
    assert [message["direction"] for message in alice] == ["sent", "received"] * 4 + ["sent"]
    assert [message["payloads"] for message in alice] == [message["payloads"] for message in bob]
    assert alice == sorted(alice, key=lambda message: message["time"])


def test_lost_replies_are_counted(pair: Pair) -> None:
    """Every second packet is lost: no reply arrives, and ping ends in time."""
    pair.establish()
    numbers = iter(range(100))
    pair.wire.bend = lambda packet: [packet] * (next(numbers) % 2 == 0)
    assert pair.alice.call("ping", name="c", count=2, timeout=0.3) == {"sent": 1, "received": 0}


def test_replayed_and_forged_packets_are_dropped_with_reasons(pair: Pair) -> None:
    """Each packet arrives twice, then once more with a flipped bit."""
    pair.establish()
    pair.wire.bend = lambda packet: [packet, packet, packet[:-1] + bytes((packet[-1] ^ 1,))]
    assert pair.alice.call("ping", name="c", count=1) == {"sent": 1, "received": 1}
    assert child(pair.bob)["packets_in"] == 1
    drops = pair.bob.call("transcript", name="c")["drops"]
    assert [drop["reason"] for drop in drops] == ["InStateSeqError", "InStateSeqError"]
    assert {drop["spi"] for drop in drops} == {child(pair.bob)["spi_in"]}


def test_what_is_not_for_us_is_not_answered(pair: Pair) -> None:
    """Another host behind Bob, and one outside his selector."""
    pair.establish()
    here = {"name": "c", "count": 1, "timeout": 0.2}
    assert pair.alice.call("ping", **here, target="10.78.12.2")["received"] == 0
    assert child(pair.bob)["packets_in"] == 1
    assert pair.alice.call("ping", **here, target="10.78.99.1")["received"] == 0
    (drop,) = pair.alice.call("transcript", name="c")["drops"]
    assert drop["reason"] == "OutNoStates"


def test_deviations_are_noticed(pair: Pair) -> None:
    """Alice as a mutant: Bob rejects her wrong HASH_I and names it."""
    pair.alice.call("reset")
    pair.configure()
    pair.configure(deviations=["wrong-hash-i"], bob={"deviations": []})
    assert not pair.alice.call("initiate", name="c", timeout=1)["established"]
    told = pair.bob.call("transcript", name="c")
    differing = [fact["divergence"] for fact in told["rejections"] if fact["divergence"]]
    assert [divergence["name"] for divergence in differing][:1] == ["HASH_I"]
