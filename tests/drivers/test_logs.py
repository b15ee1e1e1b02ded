"""What the drivers read from the daemons' own words."""

from __future__ import annotations

import pytest

from conformance.drivers.strongswan import logged_auth, logged_keys

CHARON = """\
2026-01-02T03:04:05.678 10[IKE] <c0a1b2c3|7> SKEYID_e => 32 bytes @ 0x7f1c2c002d50
2026-01-02T03:04:05.678 10[IKE] <c0a1b2c3|7>    0: 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF
2026-01-02T03:04:05.678 10[IKE] <c0a1b2c3|7>   16: 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF
2026-01-02T03:04:05.679 10[IKE] <c0a1b2c3|7> encryption key Ka => 24 bytes @ 0x7f1c2c002c20
2026-01-02T03:04:05.679 10[IKE] <c0a1b2c3|7>    0: 5F 10 22 33 44 55 66 77 88 99 AA BB CC DD EE FF  _."3DUfw........
2026-01-02T03:04:05.679 10[IKE] <c0a1b2c3|7>   16: 0F 0E 0D 0C 0B 0A 09 08                          ........
2026-01-02T03:04:05.679 10[IKE] <c0a1b2c3|7> initial IV => 16 bytes @ 0x7f1c2c003b00
2026-01-02T03:04:05.679 10[IKE] <c0a1b2c3|7>    0: 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99  ................
"""  # noqa: E501 - as charon writes it


def test_charons_encryption_key_is_read_whole() -> None:
    """Both lines of the dump, without the column of characters and without what follows."""
    assert logged_keys(CHARON) == ["5f102233445566778899aabbccddeeff0f0e0d0c0b0a0908"]


@pytest.mark.parametrize(
    ("line", "asked", "told"),
    [
        ("", "psk", "psk"),
        ("", "rsa-sig", "psk"),
        ("authentication of '10.0.0.1' with RSA_EMSA_PKCS1_NULL successful", "psk", "rsa-sig"),
        ("authentication of '10.0.0.1' with ECDSA_WITH_NULL successful", "ecdsa-521", "ecdsa-521"),
        ("authentication of '10.0.0.1' with ECDSA_WITH_NULL successful", "rsa-sig", "ecdsa-256"),
        ("authentication of '10.0.0.1' with BLISS successful", "rsa-sig", "BLISS"),
        ("authentication of '10.0.0.1' (myself) successful", "rsa-sig", "psk"),
    ],
)
def test_charon_tells_how_the_other_end_proved_itself(line: str, asked: str, told: str) -> None:
    """What was asked for is believed only where the log can mean it."""
    assert logged_auth(line, asked) == told
