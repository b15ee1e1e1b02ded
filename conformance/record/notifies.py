"""Which notify message types refuse a proposal, and which report an error (RFC 2408 3.14.1)."""

from __future__ import annotations

REFUSALS = frozenset(
    {
        "NO-PROPOSAL-CHOSEN",
        "ATTRIBUTES-NOT-SUPPORTED",
        "DOI-NOT-SUPPORTED",
        "INVALID-PROTOCOL-ID",
        "INVALID-TRANSFORM-ID",
        "SITUATION-NOT-SUPPORTED",
        "UNSUPPORTED-EXCHANGE-TYPE",
    }
)
"""The types that say: I understood what you ask for, and do not do it."""

ERRORS = REFUSALS | {
    "INVALID-PAYLOAD-TYPE",
    "INVALID-COOKIE",
    "INVALID-MAJOR-VERSION",
    "INVALID-MINOR-VERSION",
    "INVALID-EXCHANGE-TYPE",
    "INVALID-FLAGS",
    "INVALID-MESSAGE-ID",
    "INVALID-SPI",
    "BAD-PROPOSAL-SYNTAX",
    "PAYLOAD-MALFORMED",
    "INVALID-KEY-INFORMATION",
    "INVALID-ID-INFORMATION",
    "INVALID-CERT-ENCODING",
    "INVALID-CERTIFICATE",
    "CERT-TYPE-UNSUPPORTED",
    "INVALID-CERT-AUTHORITY",
    "INVALID-HASH-INFORMATION",
    "AUTHENTICATION-FAILED",
    "INVALID-SIGNATURE",
    "ADDRESS-NOTIFICATION",
    "CERTIFICATE-UNAVAILABLE",
    "UNEQUAL-PAYLOAD-LENGTHS",
}
"""The error types; NOTIFY-SA-LIFETIME has a number among them and reports none."""


def notify_name(name: str) -> str:
    """The RFC's spelling of a name that a daemon may write with underscores or in small letters."""
    return name.strip().upper().replace("_", "-")
