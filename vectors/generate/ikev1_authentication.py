# ruff: noqa: INP001 (a script, not a package)
"""Write vectors/ikev1/authentication.json: phase 1 by exchange and authentication method.

Each is followed by XAUTH where the method asks for it and by a Quick Mode, and is replayable from
its seeds and the keys in the file, which are made once and kept. Run from the project's root:
python vectors/generate/ikev1_authentication.py
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from handshakes import ADDRESSES, PSK, SELECTORS, carry, outcome

from conformance.crypto.asymmetric import PrivateKey
from conformance.crypto.certificates import Certificate
from conformance.crypto.random import seeded_random
from conformance.ikev1.config import (
    ENCRYPTION_METHODS,
    Config,
    Identification,
    Phase1Proposal,
    Phase2Proposal,
)
from conformance.ikev1.credentials import Credentials
from conformance.ikev1.endpoint import Endpoint
from conformance.ikev1.methods import METHOD_ROWS
from conformance.ikev1.policies import XauthPolicy

TARGET = Path(__file__).parents[1] / "ikev1" / "authentication.json"
NAMES = {"initiator": "left.example.net", "responder": "right.example.net"}
NOW = datetime(2026, 6, 1, tzinfo=UTC)
"""When the certificates of the file are judged."""
_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Handshake:
    """The factors of one vector."""

    exchange: str
    auth: str
    cipher: str
    hash: str
    group: str
    protected: bool = False
    """Whether the third message of Aggressive Mode is encrypted."""


CASES = (
    Handshake("aggressive", "psk", "aes128", "sha256", "modp2048"),
    Handshake("aggressive", "psk", "3des", "md5", "modp1024", protected=True),
    Handshake("main", "rsa-sig", "aes128", "sha256", "modp2048"),
    Handshake("aggressive", "rsa-sig", "aes256", "sha1", "modp1536", protected=True),
    Handshake("main", "dss-sig", "3des", "md5", "modp1024"),
    Handshake("aggressive", "dss-sig", "aes128", "sha256", "ecp256"),
    Handshake("main", "ecdsa-256", "aes128", "sha1", "ecp256"),
    Handshake("aggressive", "ecdsa-256", "aes128", "sha256", "ecp256", protected=True),
    Handshake("main", "ecdsa-384", "aes256", "sha256", "ecp256"),
    Handshake("aggressive", "ecdsa-384", "aes256", "sha256", "ecp256"),
    Handshake("main", "ecdsa-521", "aes256", "sha256", "ecp256"),
    Handshake("aggressive", "ecdsa-521", "aes256", "sha256", "ecp256", protected=True),
    Handshake("main", "rsa-enc", "aes128", "sha256", "modp2048"),
    Handshake("aggressive", "rsa-enc", "3des", "sha1", "ecp256", protected=True),
    Handshake("main", "rsa-rev", "aes256", "sha1", "modp1536"),
    # Protected, for without KE in the clear tshark cannot know the IV that the last message leaves.
    Handshake("aggressive", "rsa-rev", "3des", "md5", "modp1024", protected=True),
    *(
        Handshake(exchange, row.name, "aes128", "sha256", "ecp256", protected=True)
        for row in METHOD_ROWS.values()
        for exchange in ("main", "aggressive")
        if row.user
    ),
)
USER, PASSWORD = b"joe", b"a password for vectors"
KEYS: dict[str, Any] = {
    "rsa-sig": lambda: rsa.generate_private_key(65537, 2048),
    "dss-sig": lambda: dsa.generate_private_key(1024),  # noqa: S505 (the DSS of 1998: q of 160 bits)
    "ecdsa-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-521": lambda: ec.generate_private_key(ec.SECP521R1()),
}


def distinguished(name: str) -> x509.Name:
    """CN=name, O=Example."""
    common = x509.NameAttribute(x509.NameOID.COMMON_NAME, name)
    return x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Example"), common])


def issue(  # noqa: PLR0917 (what a certificate says)
    issuer_name: str,
    issuer_key: Any,
    name: str,
    key: Any,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...],
    years: tuple[int, int] = (-1, 9),
) -> bytes:
    """A certificate in DER with (extension, critical) pairs, valid in years around NOW."""
    builder = (
        x509.CertificateBuilder()
        .issuer_name(distinguished(issuer_name))
        .subject_name(distinguished(name))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(name.encode()[:16]))
        .not_valid_before(NOW + years[0] * _YEAR)
        .not_valid_after(NOW + years[1] * _YEAR)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def authority(key: Any, name: str = "Example CA") -> bytes:
    """A self-signed authority."""
    return issue(name, key, name, key, ((x509.BasicConstraints(ca=True, path_length=None), True),))


def host(issuer_key: Any, name: str, key: Any, *more: tuple[x509.ExtensionType, bool]) -> bytes:
    """A host's certificate with its name as dNSName, from the authority above."""
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    return issue("Example CA", issuer_key, name, key, ((names, False), *more))


def pem(key: Any) -> str:
    """PKCS #8 without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def make_credentials() -> dict[str, Any]:
    """Fresh keys and certificates for every signature method and both roles."""
    ca_key = rsa.generate_private_key(65537, 2048)
    made: dict[str, Any] = {
        "authority": {"key": pem(ca_key), "certificate": authority(ca_key).hex()}
    }
    for auth, generate in KEYS.items():
        made[auth] = {}
        for role, name in NAMES.items():
            key = generate()
            certificate = host(ca_key, name, key).hex()
            made[auth][role] = {"key": pem(key), "certificate": certificate}
    return made


def credentials(made: dict[str, Any], auth: str, role: str) -> Credentials | None:
    """What one endpoint is given; None for a method without keys."""
    method = METHOD_ROWS[auth]
    kind = "rsa-sig" if method.name in ENCRYPTION_METHODS else method.base
    if kind not in made:
        return None
    trust: dict[str, Any] = {
        "authorities": (Certificate.parse(bytes.fromhex(made["authority"]["certificate"])),),
        "clock": NOW.timestamp,
    }
    if method.user == role and not method.user_proves:
        return Credentials(**trust)
    own, other = made[kind][role], next(made[kind][name] for name in NAMES if name != role)
    told_beforehand = method.base == "rsa-enc" or (method.base == "rsa-rev" and role == "initiator")
    peer = Certificate.parse(bytes.fromhex(other["certificate"])) if told_beforehand else None
    return Credentials(
        PrivateKey.load(own["key"].encode()),
        (Certificate.parse(bytes.fromhex(own["certificate"])),),
        peer_certificate=peer,
        **trust,
    )


def xauth(auth: str, role: str) -> XauthPolicy | None:
    """The part of one endpoint in XAUTH; None for a method without."""
    user = METHOD_ROWS[auth].user
    policies = {True: {"user": USER, "password": PASSWORD}, False: {"users": ((USER, PASSWORD),)}}
    return XauthPolicy(**policies[user == role]) if user else None


def endpoint(case: Handshake, role: str, made: dict[str, Any]) -> Endpoint:
    """The initiator or responder of a case, its randomness drawn from its role's name."""
    other = next(name for name in ADDRESSES if name != role)
    config = Config(
        PSK.encode(),
        Identification.fqdn(NAMES[role]),
        Identification.fqdn(NAMES[other]),
        (Phase1Proposal(case.cipher, case.hash, case.group, case.auth),),
        (Phase2Proposal("aes128", "sha256", "tunnel", None),),
        Identification.selector(SELECTORS[role]),
        Identification.selector(SELECTORS[other]),
        exchange=case.exchange,
        protect_aggressive_proof=case.protected,
        credentials=credentials(made, case.auth, role),
        xauth=xauth(case.auth, role),
    )
    return Endpoint(config, (ADDRESSES[other], 500), random=seeded_random(role))


def vector(case: Handshake, made: dict[str, Any]) -> dict[str, Any]:
    """One case with its messages and keys."""
    ends = {role: endpoint(case, role, made) for role in ADDRESSES}
    return {"factors": asdict(case), "messages": carry(ends), **outcome(ends["initiator"])}


def build(made: dict[str, Any]) -> dict[str, Any]:
    """The whole file around given keys and certificates."""
    return {
        "source": {
            "document": "RFC 2409, RFC 4754, draft-beaulieu-ike-xauth-02, "
            "draft-ietf-ipsec-isakmp-hybrid-auth-05",
            "section": "5.1 to 5.5; 7.2; 3.2",
            "title": "Phase 1 by exchange and authentication method, XAUTH, Quick Mode",
            "method": "generated",
            "generator": "vectors/generate/ikev1_authentication.py",
            "verified_by": "tshark's decryption, tests/ikev1/test_lab_tshark_authentication.py",
        },
        "psk": PSK,
        "xauth": {"user": USER.decode(), "password": PASSWORD.decode()},
        "addresses": ADDRESSES,
        "names": NAMES,
        "selectors": SELECTORS,
        "credentials": made,
        "cases": [vector(case, made) for case in CASES],
    }


if __name__ == "__main__":
    kept = json.loads(TARGET.read_text())["credentials"] if TARGET.exists() else {}
    TARGET.write_text(json.dumps(build(kept or make_credentials()), indent=2) + "\n")
