"""Whether a capture shows what a combination asks for beyond its SAs, over tables of messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from conformance.ikev1.attributes import PHASE_2, Attribute, encode_lifetimes
from conformance.ikev1.constants import ConfigurationType, ExchangeType, NotifyType, Protocol
from conformance.ikev1.message import FLAG_ENCRYPTION, Header, Message
from conformance.ikev1.mode_config import NUMBERS
from conformance.ikev1.payloads import Configuration, Notification, SecurityAssociation
from conformance.ikev1.payloads.sa import Proposal, Transform
from conformance.matrix.factors import FACTORS, all_levels, plain_combination
from conformance.record.verdicts import RULES
from conformance.runner.dissect import NO_KEY, WireMessage
from conformance.runner.proofs import CHECKS, unproven

A, B = "10.77.0.14", "10.77.0.11"
PLAIN = plain_combination(all_levels())
INFORMATIONAL, TRANSACTION = ExchangeType.INFORMATIONAL, ExchangeType.TRANSACTION
QUICK, ESP = ExchangeType.QUICK_MODE, Protocol.ESP


def wire(source: str, exchange: ExchangeType, *payloads: Any, **fields: Any) -> WireMessage:
    """An opened message, ``number`` being its message ID; what ``fields`` say of the datagrams."""
    header = Header(b"\1" * 8, b"\2" * 8, exchange, fields.pop("number", 7), FLAG_ENCRYPTION)
    return WireMessage(0.0, source, header, Message(header, payloads, (), b""), **fields)


def closed(source: str, exchange: ExchangeType, **fields: Any) -> WireMessage:
    """A message that no key opens."""
    opened = wire(source, exchange)
    return WireMessage(0.0, source, opened.header, None, trouble=NO_KEY, **fields)


def notified(source: str, notify: NotifyType) -> WireMessage:
    return wire(source, INFORMATIONAL, Notification(notify))


def transaction(source: str, *names: str) -> WireMessage:
    attributes = tuple(Attribute(NUMBERS[name], b"", basic=False) for name in names)
    return wire(source, TRANSACTION, Configuration(ConfigurationType.REQUEST, 1, attributes))


def offered(source: str, *limits: int | None) -> WireMessage:
    """A Quick Mode with a transform for each limit in kilobytes."""
    transforms = tuple(
        Transform(number, 12, encode_lifetimes(PHASE_2, 3600, limit))
        for number, limit in enumerate(limits, 1)
    )
    return wire(source, QUICK, SecurityAssociation((Proposal(1, ESP, b"\1" * 4, transforms),)))


ASK_A, ASK_B = (notified(end, NotifyType.R_U_THERE) for end in (A, B))
ACK_A, ACK_B = (notified(end, NotifyType.R_U_THERE_ACK) for end in (A, B))
USER_ASKED = transaction(B, "xauth-type", "xauth-user-name", "xauth-user-password")
ADDRESS_ASKED = transaction(A, "ip4-address")
UNKNOWN_ASKED = transaction(A)
FLOATED = [wire(end, QUICK, floated=True) for end in (A, B)]
SPLIT = [wire(end, ExchangeType.MAIN_MODE, fragments=3) for end in (A, B)]
OF_USERS = (
    *("xauth-init-psk", "xauth-resp-psk", "xauth-init-rsa-sig", "xauth-resp-rsa-sig"),
    "hybrid-init-rsa-sig",
)
NO_DPD = "event=dpd: no R-U-THERE that was answered"
NO_USER = "no Transaction exchange, so no XAUTH"
NO_CONFIG = "no Transaction exchange, so no Mode Config"

CASES: list[tuple[str, dict[str, str], list[WireMessage], list[str]]] = [
    # what, levels, messages, what is missing
    ("nothing was asked for", {}, [], []),
    ("dpd: asked and answered", {"event": "dpd"}, [ASK_A, ACK_B], []),
    ("dpd: the responder asked", {"event": "dpd"}, [ASK_B, ACK_A], []),
    ("dpd: not asked", {"event": "dpd"}, [], [NO_DPD]),
    ("dpd: not answered", {"event": "dpd"}, [ASK_A, ASK_B], [NO_DPD]),
    ("dpd: nobody answers himself", {"event": "dpd"}, [ASK_A, ACK_A], [NO_DPD]),
    ("dpd: answers alone", {"event": "dpd"}, [ACK_A, ACK_B], [NO_DPD]),
    ("dpd: closed to us", {"event": "dpd"}, [closed(A, INFORMATIONAL)], []),
    ("dpd: another exchange is closed", {"event": "dpd"}, [closed(A, QUICK)], [NO_DPD]),
    ("dpd: a repetition shows nothing", {"event": "dpd"},
     [closed(A, INFORMATIONAL, retransmission=True)], [NO_DPD]),
    ("rekey: two Quick Modes", {"event": "rekey"}, [wire(A, QUICK, number=1),
     wire(A, QUICK, number=2)], []),
    ("rekey-bytes: two Quick Modes", {"event": "rekey-bytes"},
     [wire(A, QUICK, number=1), wire(A, QUICK, number=2)], []),
    ("rekey-bytes: one Quick Mode", {"event": "rekey-bytes"}, [wire(A, QUICK, number=1)],
     ["event=rekey-bytes: no second Quick Mode"]),
    ("rekey: closed, yet told apart", {"event": "rekey"},
     [closed(A, QUICK), wire(A, QUICK, number=2)], []),
    ("rekey: one Quick Mode", {"event": "rekey"}, [wire(A, QUICK, number=1),
     wire(B, QUICK, number=1), wire(A, INFORMATIONAL, number=2)],
     ["event=rekey: no second Quick Mode"]),
    ("kilobytes from both", {"lifetime": "kilobytes"},
     [offered(A, 10_000), offered(B, 10_000)], []),
    ("kilobytes in an alternative", {"lifetime": "kilobytes"},
     [offered(A, None, 10_000), offered(B, 10_000)], []),
    ("kilobytes not answered", {"lifetime": "kilobytes"}, [offered(A, 10_000), offered(B, None)],
     [f"lifetime=kilobytes: no limit in kilobytes from {B}"]),
    ("kilobytes not offered", {"lifetime": "kilobytes"}, [offered(A, None), wire(B, QUICK)],
     [f"lifetime=kilobytes: no limit in kilobytes from {A} and {B}"]),
    ("kilobytes closed to us", {"lifetime": "kilobytes"}, [offered(A, 10_000), closed(B, QUICK)],
     []),
    ("fragments from both", {"fragmentation": "yes"}, SPLIT, []),
    ("fragments from one", {"fragmentation": "yes"}, SPLIT[:1] + FLOATED,
     [f"fragmentation=yes: no fragments from {B}"]),
    ("fragments from none", {"fragmentation": "yes"}, FLOATED,
     [f"fragmentation=yes: no fragments from {A} and {B}"]),
    ("a port that both changed", {"nat": "initiator"}, FLOATED, []),
    ("a port that one changed", {"nat": "initiator"}, FLOATED[1:],
     ["nat=initiator: IKE did not go on at port 4500"]),
    ("mode config", {"mode_config": "pull"}, [ADDRESS_ASKED], []),
    ("mode config pushed", {"mode_config": "push"}, [USER_ASKED, ADDRESS_ASKED], []),
    ("no mode config", {"mode_config": "pull"}, [], [f"mode_config=pull: {NO_CONFIG}"]),
    ("xauth is no mode config", {"mode_config": "push"}, [USER_ASKED],
     ["mode_config=push: no Mode Config in the Transaction exchanges"]),
    ("mode config is no xauth", {"auth": "xauth-init-psk"}, [ADDRESS_ASKED],
     ["auth=xauth-init-psk: no XAUTH in the Transaction exchanges"]),
    ("neither by its attributes", {"auth": "xauth-init-psk", "mode_config": "pull"},
     [UNKNOWN_ASKED], ["auth=xauth-init-psk: no XAUTH in the Transaction exchanges",
                       "mode_config=pull: no Mode Config in the Transaction exchanges"]),
    ("transactions that are closed to us", {"auth": "xauth-init-psk", "mode_config": "pull"},
     [closed(A, TRANSACTION)], []),
    *((f"{auth}: no user was asked", {"auth": auth}, [wire(A, QUICK)], [f"auth={auth}: {NO_USER}"])
      for auth in OF_USERS),
    *((f"{auth}: the user was asked", {"auth": auth}, [USER_ASKED], []) for auth in OF_USERS),
    ("all in report order", {"event": "dpd", "auth": "xauth-init-psk", "nat": "initiator"}, [],
     [f"auth=xauth-init-psk: {NO_USER}", "nat=initiator: IKE did not go on at port 4500", NO_DPD]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_what_the_capture_lacks_is_told(
    case: tuple[str, dict[str, str], list[WireMessage], list[str]],
) -> None:
    _, levels, messages, missing = case
    assert unproven(PLAIN | levels, messages, A, B) == tuple(missing)


def test_every_check_is_of_a_level_and_fails_and_passes_in_a_case() -> None:
    known = {(factor.name, level) for factor in FACTORS for level in factor.known}
    assert CHECKS.keys() <= known
    asked = [(set(levels.items()), missing) for _, levels, _, missing in CASES]
    for check in CHECKS:
        told = [missing for levels, missing in asked if check in levels]
        assert any(not missing for missing in told), check
        assert any(missing for missing in told), check


def test_whatever_was_not_shown_rests_on_a_requirement() -> None:
    """Each check has its section in the verdict's table, whichever words it uses."""
    rule = next(rule for rule in RULES if rule.name == "unproven")
    for factor, level in CHECKS:
        (told,) = unproven({factor: level}, [], A, B)
        seen: Any = SimpleNamespace(unproven=(told,))
        finding = rule.find(seen)
        assert finding is not None
        assert finding.requirement, told
