"""What each level of ``auth`` asks of the two ends, for drivers to translate.

RFC 2409 5, draft-beaulieu-ike-xauth-02 7.2, draft-ietf-ipsec-isakmp-hybrid-auth-05 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

Proof = Literal["psk", "key", "none"]
"""What an end proves itself with in phase 1: a shared secret, a private key, or XAUTH alone."""


class Method(NamedTuple):
    """How both ends prove themselves, and who is asked for name and password afterwards."""

    initiator: Proof
    responder: Proof
    key: str | None = None
    """The signature method that a private key is for; None where no end has one."""
    user: Literal["initiator", "responder"] | None = None
    """Who is the user of XAUTH; None without XAUTH."""

    def proof(self, role: str) -> Proof:
        """What the end in this role proves itself with in phase 1."""
        return self.initiator if role == "initiator" else self.responder


METHODS: dict[str, Method] = {
    "psk": Method("psk", "psk"),
    **{
        name: Method("key", "key", name)
        for name in ("rsa-sig", "ecdsa-256", "ecdsa-384", "ecdsa-521")
    },
    "xauth-init-psk": Method("psk", "psk", None, "initiator"),
    "xauth-resp-psk": Method("psk", "psk", None, "responder"),
    "xauth-init-rsa-sig": Method("key", "key", "rsa-sig", "initiator"),
    "xauth-resp-rsa-sig": Method("key", "key", "rsa-sig", "responder"),
    "hybrid-init-rsa-sig": Method("none", "key", "rsa-sig", "initiator"),
}
"""By level of the factor ``auth``."""


def level_told(asked: str, role: str, proofs: Collection[str], user: str | None) -> str:
    """The level of ``auth`` for what the end in this role tells: the asked one, where it fits.

    ``proofs`` are the signature methods, ``psk`` or ``none`` that the other end's proof may have
    been, ``user`` is the role of whom XAUTH asked.
    """
    other = OTHER[role]

    def fits(method: Method) -> bool:
        proof = method.proof(other)
        return (method.key if proof == "key" else proof) in proofs and method.user == user

    fitting = (level for level in (asked, *METHODS) if fits(METHODS[level]))
    return next(fitting, f"{' or '.join(proofs)}, user {user}")


OTHER = {"initiator": "responder", "responder": "initiator"}
"""The role at the other end."""

USER, PASSWORD = "road", "ipsec-conformance-xauth"
"""The one user of XAUTH in a lab without secrets."""
