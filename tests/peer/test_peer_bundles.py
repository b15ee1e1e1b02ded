"""Whole peers that protect by AH, ESP and IPComp together, and by every transform of ESP and AH."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.ciphers import USUAL_CIPHERS
from conformance.crypto.transforms import AH_TRANSFORMS, ESP_ALONE, ESP_TRANSFORMS
from conformance.ikev1.config import SUITES
from conformance.ipsec.ip import Ipv4Packet

if TYPE_CHECKING:
    from conftest import End, Pair

USUAL = [name for name in USUAL_CIPHERS if name in ESP_TRANSFORMS]
NUMBERS = {"ah": 51, "esp": 50, "ipcomp": 108}


def child(end: End) -> dict[str, Any]:
    """The one pair of bundles that stands."""
    (only,) = end.call("sas", name="c")["children"]
    return dict(only)


def offer(suite: str, **more: Any) -> dict[str, Any]:
    """Phase 2 by a suite; without ESP there is no cipher."""
    return {"protocol": suite, "cipher": "aes128" if "esp" in suite else "none"} | more


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.covers("feature:bundles", by="self")
def test_every_suite_carries_traffic(suite: str, mode: str, pair: Pair) -> None:
    """Echo data compress well, so that IPComp shows; the outermost protocol leads the packet."""
    pair.establish(phase2=offer(suite, mode=mode))
    for end in (pair.alice, pair.bob):
        told = end.call("ping", name="c", count=2, size=1000)
        assert told == {"sent": 2, "received": 2}
    alice, bob = child(pair.alice), child(pair.bob)
    assert alice["protocol"] == suite
    names = [one["protocol"] for one in alice["protections"]]
    assert names == list(SUITES[suite])
    assert [(one["spi_in"], one["spi_out"]) for one in alice["protections"]] == [
        (one["spi_out"], one["spi_in"]) for one in bob["protections"]
    ]
    first = NUMBERS[names[0]]
    assert {Ipv4Packet.parse(seen).protocol for seen in pair.wire.seen} == {first}
    keys = pair.alice.call("keys", name="c")["esp"]
    assert [key["protocol"] for key in keys] == names * 2


def test_a_bundle_goes_as_a_whole(pair: Pair) -> None:
    pair.establish(phase2=offer("ah+esp+ipcomp"))
    assert pair.alice.call("terminate", name="c", timeout=2) == {"deleted": 2}
    nothing = {"ike": None, "children": []}
    assert pair.eventually(lambda: pair.bob.call("sas", name="c") == nothing)
    pair.establish(phase2=offer("ah+esp+ipcomp"))
    assert pair.bob.call("ping", name="c") == {"sent": 1, "received": 1}


def test_incompressible_data_travel_without_ipcomp(pair: Pair) -> None:
    """Small packets are not worth it (RFC 3173 2.2)."""
    pair.establish(phase2=offer("esp+ipcomp"))
    assert pair.alice.call("ping", name="c", size=8) == {"sent": 1, "received": 1}


@pytest.mark.parametrize("cipher", [*USUAL, *ESP_ALONE])
def test_every_cipher_of_esp_carries_traffic(cipher: str, pair: Pair) -> None:
    integrity = "none" if ESP_TRANSFORMS[cipher].authenticates else "sha256"
    pair.establish(phase2={"cipher": cipher, "integrity": integrity})
    assert pair.alice.call("ping", name="c") == {"sent": 1, "received": 1}
    assert child(pair.alice)["cipher"] == cipher


@pytest.mark.parametrize("integrity", AH_TRANSFORMS)
def test_every_integrity_of_ah_carries_traffic(integrity: str, pair: Pair) -> None:
    pair.establish(phase2=offer("ah", integrity=integrity))
    assert pair.alice.call("ping", name="c") == {"sent": 1, "received": 1}


def test_two_integrities_in_one_bundle(pair: Pair) -> None:
    pair.establish(phase2=offer("ah+esp", ah_integrity="md5", integrity="sha1"))
    assert pair.alice.call("ping", name="c") == {"sent": 1, "received": 1}
    told = [one["integrity"] for one in child(pair.bob)["protections"]]
    assert told == ["md5", "sha1"]


@pytest.mark.parametrize("suite", ["esp", "ah", "ah+esp"])
def test_extended_sequence_numbers(suite: str, pair: Pair) -> None:
    pair.establish(phase2=offer(suite, esn=True))
    assert pair.alice.call("ping", name="c", count=2) == {"sent": 2, "received": 2}
    assert child(pair.bob)["esn"]
    assert all(key["esn"] for key in pair.alice.call("keys", name="c")["esp"])


def test_esp_without_integrity(pair: Pair) -> None:
    """Then nothing can detect replays either (RFC 4303 3.4.3)."""
    pair.establish(phase2={"integrity": "none"})
    pair.wire.bend = lambda packet: [packet, packet]
    assert pair.alice.call("ping", name="c") == {"sent": 1, "received": 1}
    assert child(pair.bob)["packets_in"] == 2
