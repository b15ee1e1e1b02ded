"""A connection as the template of a Libreswan peer takes it (ipsec.conf)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.drivers.base import yes_or_no
from conformance.drivers.libreswan_names import (
    ABORTING,
    AUTHBY,
    ESP_CIPHERS,
    GROUPS,
    HASHES,
    UNABLE_TO_BEGIN,
    WITHOUT_WORDS,
)
from conformance.drivers.methods import USER

if TYPE_CHECKING:
    from conformance.drivers.base import Connection, Host

SOFT_PART = 4
"""Pluto replaces SAs that it began after a quarter of the octets that they may carry."""


def template_values(connection: Connection) -> dict[str, object]:
    """What the peer's connection template may use."""
    levels = connection.combination
    protocol, _, compression = levels["protocol"].partition("+")
    return {
        "name": connection.name,
        "role": connection.role,
        "local": connection.local,
        "remote": connection.remote,
        "identities": [_identity(host) for host in (connection.local, connection.remote)],
        "subnets": [connection.selector(host) for host in (connection.local, connection.remote)],
        "tunnel": connection.tunnel,
        "mode": levels["mode"],
        "aggressive": yes_or_no(levels["exchange"] == "aggressive"),
        "ike": f"{levels['cipher']}-{HASHES[levels['hash']]}-{_group(levels['group'])}",
        "phase2": protocol,
        "phase2_algorithms": _phase_2(connection),
        "compress": yes_or_no(bool(compression)),
        "authby": AUTHBY[connection.method.key or "psk"],
        "certificate": connection.credentials and connection.credentials.name,
        "chain": bool(connection.credentials and connection.credentials.chain),
        "pfs": yes_or_no(bool(connection.pfs)),
        "ike_lifetime": connection.ike_lifetime,
        "child_lifetime": connection.child_lifetime,
        "rekey_after": connection.rekey_after,
        "hard_octets": connection.rekey_octets and SOFT_PART * connection.rekey_octets,
        "is_user": connection.is_user,
        "asks_user": connection.asks_user,
        "user": USER,
        "mode_config": levels["mode_config"],
        "fragmentation": {"no": "no", "yes": "force"}[levels["fragmentation"]],
        "encapsulation": {"none": "no", "initiator": "auto"}[levels["nat"]],
        "dpd": levels["event"] == "dpd",
    }


def refusal(peer: str, connection: Connection) -> str | None:
    """Why the pluto of ``peer`` is not asked for what the connection is to be; None where it is."""
    of_peer = ABORTING | (UNABLE_TO_BEGIN if connection.role == "initiator" else {})
    levels = connection.combination.items()
    asked = (WITHOUT_WORDS.get(level) or of_peer.get((peer, *level)) for level in levels)
    return next((why for why in asked if why), None)


def _identity(host: Host) -> str:
    """As ipsec.conf writes it: ``@[...]`` is an ID_KEY_ID."""
    return f"@[{host.key_id}]" if host.key_id is not None else host.identity


def _phase_2(connection: Connection) -> str:
    levels = connection.combination
    algorithms = [HASHES[levels["esp_integrity"]]]
    cipher = levels["esp_cipher"]
    if cipher != "none":
        algorithms.insert(0, ESP_CIPHERS.get(cipher, cipher))
    if connection.pfs not in (None, levels["group"]):
        algorithms.append(_group(str(connection.pfs)))
    return "-".join(algorithms)


def _group(level: str) -> str:
    return GROUPS.get(level, level)
