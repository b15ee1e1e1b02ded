"""Name the first value that diverges, and the mistake that would explain it (RFC 2409 5)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from conformance.ikev1 import keys
from conformance.ikev1.buffer import Reader
from conformance.ikev1.constants import NotifyType, PayloadType
from conformance.ikev1.errors import DecodeError, Divergence, PeerError
from conformance.ikev1.payloads import Identification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Variant = tuple[str, bytes]
"""A mistake, as the end of "it would match if ...", and the hash that it gives."""

NO_PROOF_ANSWERED = (
    "a peer with another pre-shared key cannot read our identity and hash, and may stay silent"
)
"""What explains that message 5 of Main Mode is not answered."""

_UDP_500 = b"\x11\x01\xf4"


def undecryptable(cause: str) -> Divergence:
    """A message of phase 1 that decrypts to no payloads: SKEYID_e differs, most likely by cause."""
    return Divergence(
        "SKEYID_e",
        "a key that decrypts to payloads",
        "octets that are no payloads",
        cause,
    )


def check_hash(name: str, expected: bytes, got: bytes, variants: Iterable[Variant]) -> None:
    """Raise a fatal PeerError with the mistake found, unless the hashes are equal."""
    if hmac.compare_digest(expected, got):
        return
    mistake = next((text for text, value in variants if value == got), None)
    explanation = f"it would match if {mistake}" if mistake else "no known mistake explains it"
    raise PeerError(
        NotifyType.INVALID_HASH_INFORMATION,
        f"{name} differs",
        Divergence(name, expected.hex(), got.hex(), explanation),
        fatal=True,
    )


@dataclass(frozen=True, slots=True)
class Phase1Inputs:
    """What HASH_I and HASH_R are made of, in the order of the sender's formula."""

    hash_name: str
    skeyid: bytes = field(repr=False)
    g_own: bytes
    g_other: bytes
    cookie_own: bytes
    cookie_other: bytes
    sa_i: bytes
    identity: bytes
    """The body of the sender's ID payload."""

    def hash(self) -> bytes:
        """The hash over these values; the two formulas differ in whose values come first."""
        return keys.hash_i(
            self.hash_name,
            self.skeyid,
            self.g_own,
            self.g_other,
            self.cookie_own,
            self.cookie_other,
            self.sa_i,
            self.identity,
        )


def phase_1_variants(inputs: Phase1Inputs, sa_r: bytes) -> Iterator[Variant]:
    """Mistakes in HASH_I and HASH_R that explain a difference; sa_r is the answer's SA body."""
    identity, sa_i = inputs.identity, inputs.sa_i
    swapped_keys = {"g_own": inputs.g_other, "g_other": inputs.g_own}
    swapped_cookies = {"cookie_own": inputs.cookie_other, "cookie_other": inputs.cookie_own}
    stripped = {
        "g_own": inputs.g_own.lstrip(b"\0"),
        "g_other": inputs.g_other.lstrip(b"\0"),
    }
    mistakes: list[tuple[str, dict[str, bytes]]] = [
        ("the ID payload's port were 0", {"identity": identity[:2] + b"\0\0" + identity[4:]}),
        (
            "the ID payload's protocol and port were 0",
            {"identity": identity[:1] + bytes(3) + identity[4:]},
        ),
        (
            "the ID payload's protocol and port were UDP 500",
            {"identity": identity[:1] + _UDP_500 + identity[4:]},
        ),
        ("only the ID payload's data were covered", {"identity": identity[4:]}),
        ("the ID payload were left out", {"identity": b""}),
        ("the SA payload were left out", {"sa_i": b""}),
        ("SAr_b stood in the place of SAi_b", {"sa_i": sa_r}),
        ("the cookies were swapped", swapped_cookies),
        ("the public values were swapped", swapped_keys),
        ("it were the hash of the other role", {**swapped_keys, **swapped_cookies}),
        ("the public values had no leading zeros", stripped),
    ]
    headers = (PayloadType.NONE, PayloadType.VID, PayloadType.HASH)
    mistakes += [
        ("the SA's generic header were covered", {"sa_i": _generic(one, sa_i)}) for one in headers
    ]
    mistakes += [
        ("the ID's generic header were covered", {"identity": _generic(one, identity)})
        for one in headers
    ]
    for text, changes in mistakes:
        yield text, replace(inputs, **changes).hash()  # type: ignore[arg-type]


def _generic(following: PayloadType, body: bytes) -> bytes:
    return bytes([following, 0]) + (len(body) + 4).to_bytes(2) + body


def phase_2_variants(
    compute: Callable[[bytes, bytes, bytes], bytes],
    message_id: bytes,
    nonce: bytes,
    message: bytes,
    padding: bytes,
) -> Iterator[Variant]:
    """Mistakes in HASH(1) and HASH(2); compute takes M-ID, nonce and what follows the HASH."""
    yield "the padding were covered", compute(message_id, nonce, message + padding)
    yield "the message ID were 0", compute(bytes(4), nonce, message)
    yield "the message ID were little-endian", compute(message_id[::-1], nonce, message)
    yield "the message ID were left out", compute(b"", nonce, message)
    yield "Ni_b were left out", compute(message_id, b"", message)
    with_header = _generic(PayloadType.NONE, nonce)
    yield "Ni had its generic header", compute(message_id, with_header, message)


def read_identity(body: bytes) -> Identification:
    """The identity in the body of an ID payload; raises PeerError where it is none."""
    try:
        return Identification.parse(Reader(body))
    except DecodeError as error:
        raise PeerError(error.notify, f"the identity is malformed: {error.reason}") from error


def check_identity(name: str, expected: Identification | None, got: Identification) -> None:
    """Raise a fatal PeerError unless the phase 1 identity is the expected one (None: any).

    Protocol and port are 0 and 0, or UDP and 500 (RFC 2407 4.6.2).
    """
    explanation = ""
    if (got.protocol, got.port) not in {(0, 0), (17, 0), (17, 500)}:
        explanation = "protocol and port must be 0 and 0, or UDP and 500 (RFC 2407 4.6.2)"
    elif got.members is None:
        explanation = "the list of identities is malformed (RFC 3554 3)"
    elif expected is None or expected.is_same(got):
        return
    elif expected.type != got.type:
        explanation = "the type is another one"
    raise_identity(name, expected, got, explanation)


def check_selector(name: str, expected: Identification, got: Identification) -> None:
    """Raise a fatal PeerError unless both select the same traffic."""
    if expected.covers_same(got):
        return
    same_addresses = expected.addresses is not None and expected.addresses == got.addresses
    explanation = "addresses agree, protocol or port do not" if same_addresses else ""
    raise_identity(name, expected, got, explanation)


def raise_identity(
    name: str, expected: Identification | None, got: Identification | None, explanation: str
) -> None:
    """Raise the fatal PeerError of an identity that is not acceptable."""
    want = "any" if expected is None else str(expected)
    raise PeerError(
        NotifyType.INVALID_ID_INFORMATION,
        f"{name} is not acceptable",
        Divergence(name, want, "absent" if got is None else str(got), explanation),
        fatal=True,
    )
