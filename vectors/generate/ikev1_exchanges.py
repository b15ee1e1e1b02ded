# ruff: noqa: INP001 (a script, not a package)
"""Write vectors/ikev1/exchanges.json: Base, Authentication Only, New Group Mode, Acknowledged.

Replayable from seeds, with the keys and certificates of authentication.json. Run from the
project's root: python vectors/generate/ikev1_exchanges.py
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ikev1_authentication import ADDRESSES, NAMES, PSK, SELECTORS, TARGET, credentials

from conformance.crypto.dh import GROUPS
from conformance.crypto.random import seeded_random
from conformance.ikev1.config import Config, Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.endpoint import Endpoint
from conformance.ikev1.events import ChildInstalled, IsakmpEstablished
from conformance.ikev1.policies import NewGroupPolicy

FILE = TARGET.parent / "exchanges.json"
NUMBER = 32768
AT_ONCE = tuple(ADDRESSES)


@dataclass(frozen=True)
class Case:
    """The factors of one vector."""

    exchange: str
    auth: str = "psk"
    group: str = "modp1024"
    new_group: str = ""
    """The group whose parameters New Group Mode gives a private number, used for PFS."""
    acknowledged: bool = False
    """Whether the initiator deletes all in the end, and wants answers to that."""


CASES = (
    Case("base"),
    Case("base", "rsa-sig"),
    Case("base", "dss-sig", "ecp256"),
    Case("base", "ecdsa-256", "ecp256"),
    Case("authentication-only"),
    Case("authentication-only", "rsa-sig"),
    Case("authentication-only", "ecdsa-384", "ecp256"),
    Case("main", new_group="modp1536"),
    Case("main", new_group="ecp256"),
    Case("main", new_group="ec2n155"),
    Case("main", acknowledged=True),
)


def endpoint(case: Case, role: str, made: dict[str, Any]) -> Endpoint:
    """The initiator or responder of a case, its randomness drawn from its role's name."""
    other = next(name for name in ADDRESSES if name != role)
    groups = ((NUMBER, GROUPS[case.new_group].parameters),) if case.new_group else ()
    pfs = f"private-{NUMBER}" if case.new_group else None
    config = Config(
        PSK.encode(),
        Identification.fqdn(NAMES[role]),
        Identification.fqdn(NAMES[other]),
        (Phase1Proposal("aes128", "sha1", case.group, case.auth),),
        (Phase2Proposal("aes128", "sha1", "tunnel", pfs),),
        Identification.selector(SELECTORS[role]),
        Identification.selector(SELECTORS[other]),
        exchange=case.exchange,
        credentials=credentials(made, case.auth, role),
        new_groups=NewGroupPolicy(groups, accept=True) if groups else None,
        acknowledged_deletes=case.acknowledged,
    )
    return Endpoint(config, (ADDRESSES[other], 500), random=seeded_random(role))


def carry(ends: dict[str, Endpoint], messages: list[dict[str, str]]) -> None:
    """All datagrams to and fro until nobody has anything to say."""
    while ways := [(role, data) for role in AT_ONCE for data, _ in ends[role].datagrams_to_send(0)]:
        for sender, data in ways:
            messages.append({"sender": sender, "datagram": data.hex()})
            receiver = next(role for role in ADDRESSES if role != sender)
            ends[receiver].receive_datagram(data, (ADDRESSES[sender], 500), 0.0)


def run(case: Case, made: dict[str, Any]) -> tuple[list[dict[str, str]], list[Any]]:
    """All datagrams in order, and the initiator's events."""
    ends = {role: endpoint(case, role, made) for role in ADDRESSES}
    messages: list[dict[str, str]] = []
    ends["initiator"].initiate(0.0)
    carry(ends, messages)
    if case.acknowledged:
        ends["initiator"].terminate(0.0)
        carry(ends, messages)
    events = []
    while event := ends["initiator"].next_event():
        events.append(event)
    return messages, events


def vector(case: Case, made: dict[str, Any]) -> dict[str, Any]:
    """One case with its messages and, where there are any, its keys."""
    messages, events = run(case, made)
    keys: dict[str, str] = {}
    for event in events:
        if isinstance(event, IsakmpEstablished):
            keys["cookie_i"] = event.cookie_i.hex()
            keys["encryption_key"] = event.encryption_key.hex()
        elif isinstance(event, ChildInstalled):
            keys["initiator_spi_in"] = f"{event.spi_in:08x}"
            keys["initiator_spi_out"] = f"{event.spi_out:08x}"
            keys["encryption_key_in"] = event.encryption_key_in.hex()
            keys["encryption_key_out"] = event.encryption_key_out.hex()
    return {"factors": asdict(case), "messages": messages, **keys}


def build(made: dict[str, Any]) -> dict[str, Any]:
    """The whole file around given keys and certificates."""
    return {
        "source": {
            "document": "RFC 2408, RFC 2409, draft-ietf-ipsec-ike-01",
            "section": "RFC 2408 4.4 and 4.6, RFC 2409 5.6, draft-ietf-ipsec-ike-01 5.7",
            "title": "The exchanges beside Main, Aggressive and Quick Mode",
            "method": "generated",
            "generator": "vectors/generate/ikev1_exchanges.py",
            "verified_by": "tshark's decryption, tests/ikev1/test_lab_tshark_exchanges.py",
        },
        "psk": PSK,
        "addresses": ADDRESSES,
        "names": NAMES,
        "selectors": SELECTORS,
        "cases": [vector(case, made) for case in CASES],
    }


def recorded_credentials() -> dict[str, Any]:
    """The keys and certificates of authentication.json."""
    made: dict[str, Any] = json.loads(Path(TARGET).read_text())["credentials"]
    return made


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(recorded_credentials()), indent=2) + "\n")
