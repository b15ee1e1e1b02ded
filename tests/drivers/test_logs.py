"""What the drivers read from the daemons' own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.drivers import libreswan, strongswan
from conformance.drivers.strongswan import logged_keys

if TYPE_CHECKING:
    from conftest import MakeConnection

    from conformance.drivers.base import Role

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


RSA = "13[IKE] <c1|7> authentication of '10.0.0.1' with RSA_EMSA_PKCS1_NULL successful"
ECDSA = "13[IKE] <c1|7> authentication of '10.0.0.1' with ECDSA_WITH_NULL successful"
OWN = "13[IKE] <c1|7> authentication of '10.0.0.1' (myself) successful"
ASKED = "13[IKE] <c1|7> XAuth authentication of 'road' successful"
ANSWERED = "13[IKE] <c1|7> XAuth authentication of 'road' (myself) successful"


@pytest.mark.parametrize(
    ("lines", "role", "asked", "told"),
    [
        ([], "initiator", "psk", "psk"),
        ([], "responder", "rsa-sig", "psk"),
        ([RSA], "initiator", "psk", "rsa-sig"),
        ([ECDSA], "responder", "ecdsa-521", "ecdsa-521"),
        ([ECDSA], "initiator", "rsa-sig", "ecdsa-256"),
        ([RSA.replace("RSA_EMSA_PKCS1_NULL", "BLISS")], "initiator", "rsa-sig", "BLISS, user None"),
        ([OWN], "initiator", "rsa-sig", "psk"),
        ([OWN, RSA], "initiator", "rsa-sig", "rsa-sig"),
        ([ANSWERED], "initiator", "xauth-init-psk", "xauth-init-psk"),
        ([ASKED], "responder", "xauth-init-psk", "xauth-init-psk"),
        ([ASKED], "initiator", "xauth-resp-psk", "xauth-resp-psk"),
        ([ANSWERED], "responder", "xauth-resp-psk", "xauth-resp-psk"),
        ([ASKED], "responder", "psk", "xauth-init-psk"),
        ([], "responder", "xauth-init-psk", "psk"),
        ([RSA, ANSWERED], "initiator", "hybrid-init-rsa-sig", "hybrid-init-rsa-sig"),
        ([OWN, ASKED], "responder", "hybrid-init-rsa-sig", "hybrid-init-rsa-sig"),
        ([OWN, RSA, ASKED], "responder", "hybrid-init-rsa-sig", "xauth-init-rsa-sig"),
    ],
)
def test_charon_tells_how_both_ends_proved_themselves(
    make_connection: MakeConnection, lines: list[str], role: Role, asked: str, told: str
) -> None:
    """What was asked for is believed only where the log can mean it."""
    connection = make_connection(role, auth=asked)
    assert strongswan.logged_auth("\n".join(lines), connection) == told


PLUTO = (
    '"c1" #1: IKE SA established {auth=%s cipher=AES_CBC_128 integ=HMAC_SHA2_256 group=MODP2048}'
)
ANSWERED_PLUTO = '"c1" #1: XAUTH: Successfully Authenticated'
ASKED_PLUTO = '"c1" #1: XAUTH: User road: Authentication Successful'


@pytest.mark.parametrize(
    ("lines", "role", "asked", "told"),
    [
        ([], "initiator", "psk", ""),
        ([ASKED_PLUTO], "responder", "xauth-init-psk", ""),
        ([PLUTO % "PRESHARED_KEY"], "initiator", "psk", "psk"),
        ([PLUTO % "PRESHARED_KEY"], "responder", "rsa-sig", "psk"),
        ([PLUTO % "RSA_SIG"], "responder", "rsa-sig", "rsa-sig"),
        ([PLUTO % "RSA_SIG", PLUTO % "PRESHARED_KEY"], "responder", "psk", "psk"),
        ([PLUTO % "PRESHARED_KEY", ANSWERED_PLUTO], "initiator", "xauth-init-psk",
         "xauth-init-psk"),
        ([PLUTO % "PRESHARED_KEY", ASKED_PLUTO], "responder", "xauth-init-psk", "xauth-init-psk"),
        ([PLUTO % "PRESHARED_KEY", ASKED_PLUTO], "initiator", "xauth-resp-psk", "xauth-resp-psk"),
        ([PLUTO % "RSA_SIG", ANSWERED_PLUTO], "responder", "xauth-resp-rsa-sig",
         "xauth-resp-rsa-sig"),
        ([PLUTO % "PRESHARED_KEY"], "responder", "xauth-init-psk", "psk"),
        ([PLUTO % "ECDSA"], "initiator", "psk", "ECDSA, user None"),
    ],
)  # fmt: skip
def test_pluto_tells_how_both_ends_proved_themselves(
    make_connection: MakeConnection, lines: list[str], role: Role, asked: str, told: str
) -> None:
    """Nothing before its ISAKMP SA stands; then the method, with XAUTH where that succeeded."""
    connection = make_connection(role, auth=asked)
    assert libreswan.logged_auth("\n".join(lines), connection) == told
