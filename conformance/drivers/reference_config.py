"""A connection as the reference peer's control socket takes it."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from conformance.drivers.methods import PASSWORD, USER

if TYPE_CHECKING:
    from conformance.crypto.issuing import Credentials
    from conformance.drivers.base import Connection, Host

OVERLAP = 1
"""Seconds for which a pair of SAs and its successor stand side by side."""
FRAGMENT = 552
"""Octets of an IKE message beyond which it is sent in parts."""


def configuration(connection: Connection) -> dict[str, Any]:
    """The fields of the command ``configure``."""
    levels = connection.combination
    own = connection.credentials
    return {
        "name": connection.name,
        "local": connection.local.address,
        "inner": connection.local.inner_address,
        "remote": connection.remote.address,
        "local_id": _identity(connection.local),
        "remote_id": _identity(connection.remote),
        "psk": connection.psk,
        "exchange": levels["exchange"],
        "credentials": own and _certified(own, connection.crl),
        "phase1": {
            "cipher": levels["cipher"],
            "hash": levels["hash"],
            "group": levels["group"],
            "auth": levels["auth"],
            "lifetime_seconds": connection.ike_lifetime,
        },
        "phase2": {
            "protocol": levels["protocol"],
            "cipher": levels["esp_cipher"],
            "integrity": levels["esp_integrity"],
            "esn": levels["esn"] == "yes",
            "mode": levels["mode"],
            "pfs": connection.pfs,
            "lifetime_seconds": connection.child_lifetime,
            "lifetime_kilobytes": connection.child_kilobytes,
        },
        "local_selector": connection.selector(connection.local),
        "remote_selector": connection.selector(connection.remote),
        "seed": connection.seed,
        "retransmit": {"timeout": 1.0, "factor": 1.8, "tries": 3},
        **_features(connection),
    }


def _identity(host: Host) -> str:
    if host.key_id is not None:
        return f"key-id:{host.key_id.encode().hex()}"
    return f"ipv{ip_address(host.identity).version}:{host.identity}"


def _features(connection: Connection) -> dict[str, Any]:
    """What goes beyond an exchange of keys; left out where the combination does not ask for it."""
    levels = connection.combination
    wanted: dict[str, Any] = {
        "xauth": _xauth(connection),
        "mode_config": _mode_config(connection),
        "fragmentation": {"size": FRAGMENT} if levels["fragmentation"] == "yes" else None,
        "nat_traversal": {} if levels["nat"] != "none" else None,
        "dpd": {"idle": 1.0, "timeout": 1.0, "tries": 5} if levels["event"] == "dpd" else None,
        "lifetimes": _lifetimes(connection),
    }
    return {name: fields for name, fields in wanted.items() if fields is not None}


def _xauth(connection: Connection) -> dict[str, Any] | None:
    if connection.is_user:
        return {"user": USER, "password": PASSWORD}
    return {"users": {USER: PASSWORD}} if connection.asks_user else None


def _mode_config(connection: Connection) -> dict[str, Any] | None:
    """The initiator is the host: it asks for an address, or waits for one."""
    way = connection.combination["mode_config"]
    if way == "none":
        return None
    gateway = connection.role == "responder"
    address = connection.initiator.inner_address if gateway else ""
    values = [] if way == "push" and not gateway else [("ip4-address", address)]
    return {
        "gateway": gateway,
        "push": way == "push",
        "values": values,
        "use_address": not gateway,
    }


def _lifetimes(connection: Connection) -> dict[str, Any] | None:
    if connection.rekey_after is not None:
        return {"soft": connection.rekey_after / connection.child_lifetime, "overlap": OVERLAP}
    if connection.rekey_octets is not None:
        return {"soft_octets": connection.rekey_octets, "overlap": OVERLAP}
    return None


def _certified(credentials: Credentials, crl: bytes | None) -> dict[str, Any]:
    return {
        "private_key": _base64(credentials.private_key),
        "certificate": _base64(credentials.certificate),
        "authority": _base64(credentials.authority),
        "chain": [_base64(one) for one in credentials.chain],
        "crls": [_base64(crl)] if crl else [],
        "require_crl": bool(crl),
    }


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
