"""A connection as vici (and swanctl.conf) spells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.drivers.base import yes_or_no
from conformance.drivers.methods import PASSWORD, USER

if TYPE_CHECKING:
    from conformance.drivers.base import Connection, Host

DPD_DELAY, DPD_TIMEOUT = 1, 10
"""Seconds, where dead peer detection is wanted."""
ANY = "0.0.0.0"  # noqa: S104 - vici's word for an address that the other end shall choose


def connection_section(connection: Connection) -> dict[str, Any]:
    """The connection: what ``load_conn`` takes under its name."""
    levels = connection.combination
    local, remote = connection.local, connection.remote
    return {
        "version": "1",
        "local_addrs": [local.address],
        "remote_addrs": [remote.address],
        "proposals": [f"{levels['cipher']}-{levels['hash']}-{levels['group']}"],
        "aggressive": yes_or_no(levels["exchange"] == "aggressive"),
        "mobike": "no",
        "fragmentation": {"no": "no", "yes": "force"}[levels["fragmentation"]],
        "send_cert": "always",
        "dpd_delay": f"{DPD_DELAY if levels['event'] == 'dpd' else 0}s",
        "dpd_timeout": f"{DPD_TIMEOUT}s",
        "keyingtries": "1",
        "unique": "never",
        "reauth_time": str(connection.ike_lifetime),
        **_mode_config(connection),
        **_rounds(connection),
        "children": {connection.name: _child_section(connection)},
    }


def _child_section(connection: Connection) -> dict[str, Any]:
    levels = connection.combination
    local_ts, remote_ts = _selectors(connection)
    return {
        "local_ts": [local_ts],
        "remote_ts": [remote_ts],
        "mode": levels["mode"],
        f"{levels['protocol'].partition('+')[0]}_proposals": [_proposal(connection)],
        "ipcomp": yes_or_no(levels["protocol"].endswith("+ipcomp")),
        "rekey_time": f"{connection.rekey_after or 0}s",
        "life_time": str(connection.child_lifetime),
        "rand_time": "0s",
        **_octets(connection),
        "start_action": "none",
        "close_action": "none",
    }


def _octets(connection: Connection) -> dict[str, str]:
    """The limits in octets; a kilobyte of strongSwan has 1000 of them."""
    life, rekey = 1000 * (connection.child_kilobytes or 0), connection.rekey_octets or 0
    if not (life or rekey):
        return {}
    return {"life_bytes": str(life), "rekey_bytes": str(rekey), "rand_bytes": "0"}


def _proposal(connection: Connection) -> str:
    """Of ESP or AH; in proposals strongSwan's keywords are our levels."""
    levels = connection.combination
    algorithms = (levels["esp_cipher"], levels["esp_integrity"], connection.pfs or "none")
    named = [name for name in algorithms if name != "none"]
    return "-".join([*named, *(["esn"] if levels["esn"] == "yes" else [])])


def _selectors(connection: Connection) -> tuple[str, str]:
    """Local and remote; ``dynamic`` is the address itself, or the one that Mode Config gives."""

    def spell(host: object, selector: str) -> str:
        given = connection.configured and host is connection.initiator
        return selector if connection.tunnel and not given else "dynamic"

    ends = connection.local, connection.remote
    local_ts, remote_ts = (spell(host, connection.selector(host)) for host in ends)
    return local_ts, remote_ts


def _mode_config(connection: Connection) -> dict[str, Any]:
    """The initiator asks for an address, or waits for one; the responder has a pool of one."""
    way = connection.combination["mode_config"]
    if way == "none":
        return {}
    ours = {"vips": [ANY]} if connection.role == "initiator" else {"pools": [connection.name]}
    return {"pull": yes_or_no(way == "pull"), **ours}


def address_pool(connection: Connection) -> dict[str, Any] | None:
    """The pool that Mode Config draws from; None where this end gives no addresses."""
    if not connection.configured or connection.role == "initiator":
        return None
    return {"addrs": connection.initiator.inner_address}


def _identity(host: Host) -> str:
    """As swanctl writes it: ``@#`` begins an ID_KEY_ID in hex."""
    return f"@#{host.key_id.encode().hex()}" if host.key_id is not None else host.identity


def shared_secrets(connection: Connection) -> list[dict[str, Any]]:
    """What ``load_shared`` takes: the pre-shared key, and the password of XAUTH."""
    ends = connection.local, connection.remote
    owners = sorted({name for host in ends for name in (host.address, _identity(host))})
    secrets = [("IKE", connection.name, connection.psk, owners)]
    if connection.method.user:
        secrets.append(("XAUTH", f"{connection.name}-xauth", PASSWORD, [USER]))
    return [
        {"type": kind, "id": name, "data": data, "owners": names}
        for kind, name, data, names in secrets
    ]


def further_certificates(connection: Connection) -> list[dict[str, Any]]:
    """What ``load_cert`` takes: authorities between ours and the trusted one, and revocations."""
    own = connection.credentials
    chain = own.chain if own else ()
    loaded: list[dict[str, Any]] = [{"type": "X509", "flag": "CA", "data": one} for one in chain]
    if connection.crl:
        loaded.append({"type": "X509_CRL", "flag": "NONE", "data": connection.crl})
    return loaded


def _rounds(connection: Connection) -> dict[str, Any]:
    """What this end shows and what it asks of the other, in phase 1 and then in XAUTH."""
    method, local, remote = connection.method, connection.local, connection.remote
    other = "responder" if connection.role == "initiator" else "initiator"
    own = connection.credentials
    proofs: dict[str, dict[str, Any]] = {
        "psk": {"auth": "psk"},
        "key": {"auth": "pubkey"},
        "none": {},
    }
    shown = {"certs": [own.certificate]} if own and method.proof(connection.role) == "key" else {}
    trusted = {"cacerts": [own.authority]} if own and method.proof(other) == "key" else {}
    strict = {"revocation": "strict"} if connection.crl and trusted else {}
    rounds = {
        "local": {**proofs[method.proof(connection.role)], **shown},
        "local-xauth": {"auth": "xauth", "xauth_id": USER} if connection.is_user else {},
        "remote": {**proofs[method.proof(other)], **trusted, **strict},
        "remote-xauth": {"auth": "xauth"} if connection.asks_user else {},
    }
    for side, identity in (("local", _identity(local)), ("remote", _identity(remote))):
        first = side if rounds[side] else f"{side}-xauth"
        rounds[first]["id"] = identity
    return {name: section for name, section in rounds.items() if section}
