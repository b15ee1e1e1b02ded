"""What KE and NONCE payloads must be in either phase (RFC 2409 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.crypto.dh import InvalidPublicValueError
from conformance.ikev1.constants import NotifyType
from conformance.ikev1.errors import Divergence, PeerError
from conformance.ikev1.payloads import Nonce

if TYPE_CHECKING:
    from conformance.crypto.dh import KeyPair
    from conformance.ikev1.message import Message

_SHORTEST_NONCE, _LONGEST_NONCE = 8, 256


def peer_nonce(message: Message) -> bytes:
    """The nonce of a message; raises PeerError outside of 8 to 256 octets."""
    return check_nonce(message.one(Nonce).data)


def check_nonce(nonce: bytes) -> bytes:
    """The nonce itself; raises PeerError outside of 8 to 256 octets."""
    if not _SHORTEST_NONCE <= len(nonce) <= _LONGEST_NONCE:
        raise PeerError(
            NotifyType.PAYLOAD_MALFORMED,
            f"the nonce has {len(nonce)} octets",
            Divergence("nonce length", "8 to 256 octets", f"{len(nonce)} octets"),
            fatal=True,
        )
    return nonce


def shared_secret(pair: KeyPair, peer_public: bytes) -> bytes:
    """g^xy; raises PeerError for a public value that the group refuses."""
    try:
        return pair.exchange(peer_public)
    except InvalidPublicValueError as error:
        raise PeerError(
            NotifyType.INVALID_KEY_INFORMATION,
            str(error),
            Divergence("public value", f"{len(pair.public)} octets of the group", str(error)),
            fatal=True,
        ) from error
