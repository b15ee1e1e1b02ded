"""A connection as vpnc's configuration file has it, and what vpnc has no words for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.drivers.methods import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conformance.drivers.base import Connection

GROUPS = {
    "modp768": 1,
    "modp1024": 2,
    "modp1536": 5,
    "modp2048": 14,
    "modp3072": 15,
    "modp4096": 16,
    "modp6144": 17,
    "modp8192": 18,
}
"""Level of ``group`` and ``pfs`` -> number (RFC 2409 6, RFC 3526), as its options name them."""

AUTHMODES = {"psk": "psk", "xauth-init-psk": "psk", "hybrid-init-rsa-sig": "hybrid"}
"""Level of ``auth`` -> ``IKE Authmode``; with ``psk`` it offers that with XAUTH and without."""

CIPHERS = ("aes128", "aes192", "aes256", "3des", "des")
HASHES = ("md5", "sha1")

WORDS: Mapping[str, tuple[str, ...]] = {
    "exchange": ("aggressive",),
    "auth": tuple(AUTHMODES),
    "cipher": CIPHERS,
    "hash": HASHES,
    "group": tuple(GROUPS),
    "pfs": ("none", *GROUPS),
    "protocol": ("esp",),
    "esp_cipher": (*CIPHERS, "null"),
    "esp_integrity": HASHES,
    "esn": ("no",),
    "mode": ("tunnel",),
    "family": ("ipv4",),
    "mode_config": ("pull",),
    "fragmentation": ("no",),
    "lifetime": ("seconds",),
    "event": ("none", "dpd"),
}
"""Factor -> the levels that it can offer; of a factor that is not here it can do all."""

DPD_IDLE = {"none": 0, "dpd": 10}
"""Level of ``event`` -> seconds; 0 turns DPD off, 10 is the least that it takes."""


def refusal(connection: Connection) -> str | None:
    """Why vpnc cannot be asked for what the connection is to be; None where it can."""
    if connection.role == "responder":
        return "vpnc has no responder"
    missing = [
        f"{factor}={level}"
        for factor, level in connection.combination.items()
        if level not in WORDS.get(factor, (level,))
    ]
    return f"vpnc has no option for {missing[0]}" if missing else None


def configuration(connection: Connection, authority: Path, pid: Path) -> str:
    """The configuration file; ``authority`` and ``pid`` are where its other files are.

    vpnc offers all its ciphers and hashes at once and leaves the choice to the gateway.
    """
    levels, protected = connection.combination, connection.selector(connection.remote)
    options = {
        "IPSec gateway": connection.remote.address,
        "IPSec ID": connection.local.key_id,
        "IPSec secret": connection.psk,
        "IPSEC target network": protected,
        "IKE Authmode": AUTHMODES[levels["auth"]],
        "IKE DH Group": _group(levels["group"]),
        "Perfect Forward Secrecy": _group(levels["pfs"]),
        "NAT Traversal Mode": "natt",
        "DPD idle timeout (our side)": DPD_IDLE[levels["event"]],
        "Local Addr": connection.local.address,
        "Local Port": 500,
        "Interface name": connection.name,
        "Script": f"route {protected}",
        "Pidfile": pid,
        "Debug": 3,
        **({"CA-File": authority} if connection.credentials else {}),
        "Xauth username": USER,
        "Xauth password": PASSWORD,
    }
    lines = [f"{name} {value}" for name, value in options.items()]
    return "\n".join([*lines, *FLAGS, ""])


FLAGS = (
    "Noninteractive",
    "No Detach",
    "Enable weak encryption",
    "Enable weak authentication",
    "Enable no encryption",
)
"""Options without a value; the last three let it take all that it offers."""


def _group(level: str) -> str:
    return "nopfs" if level == "none" else f"dh{GROUPS[level]}"
