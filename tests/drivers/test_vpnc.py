"""What vpnc is told, what it has no words for, and what its debug output says of the SAs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.drivers import vpnc_log
from conformance.drivers.vpnc_config import GROUPS, WORDS, configuration, refusal
from conformance.matrix.factors import FACTORS
from conformance.matrix.manifest import load_manifests
from conformance.record.records import ChildSa, IkeSa
from conformance.resources import peers_root

if TYPE_CHECKING:
    from conftest import MakeConnection

    from conformance.drivers.base import Connection
    from conformance.matrix.factors import Factor

MANIFEST = load_manifests(peers_root())["vpnc-0.5.3"]
CLIENT = {
    "exchange": "aggressive",
    "auth": "xauth-init-psk",
    "hash": "sha1",
    "esp_integrity": "sha1",
    "mode_config": "pull",
}
"""What of the plain combination vpnc cannot do, replaced."""


def options(connection: Connection) -> list[str]:
    """The lines of the configuration file."""
    own = replace(connection.local, key_id="c1")
    return configuration(
        replace(connection, local=own), Path("/run/ca.pem"), Path("/run/c1.pid")
    ).splitlines()


def test_the_plain_connection_of_a_client(make_connection: MakeConnection) -> None:
    """One option a line, exactly one space before its value."""
    assert options(make_connection(**CLIENT)) == [
        "IPSec gateway 10.77.0.11",
        "IPSec ID c1",
        "IPSec secret the lab's secret",
        "IPSEC target network 10.78.11.0/24",
        "IKE Authmode psk",
        "IKE DH Group dh14",
        "Perfect Forward Secrecy nopfs",
        "NAT Traversal Mode natt",
        "DPD idle timeout (our side) 0",
        "Local Addr 10.77.0.14",
        "Local Port 500",
        "Interface name c1",
        "Script route 10.78.11.0/24",
        "Pidfile /run/c1.pid",
        "Debug 3",
        "Xauth username road",
        "Xauth password ipsec-conformance-xauth",
        "Noninteractive",
        "No Detach",
        "Enable weak encryption",
        "Enable weak authentication",
        "Enable no encryption",
    ]


@pytest.mark.parametrize(
    ("levels", "lines"),
    [
        (
            {"group": "modp1024", "pfs": "modp1536"},
            ["IKE DH Group dh2", "Perfect Forward Secrecy dh5"],
        ),
        ({"event": "dpd"}, ["DPD idle timeout (our side) 10"]),
        ({"auth": "hybrid-init-rsa-sig"}, ["IKE Authmode hybrid", "CA-File /run/ca.pem"]),
    ],
)
def test_levels_change_their_own_options(
    make_connection: MakeConnection, levels: dict[str, str], lines: list[str]
) -> None:
    plain = options(make_connection(**CLIENT))
    changed = options(make_connection(**CLIENT | levels))
    assert [line for line in changed if line not in plain] == lines


@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: str(factor.name))
def test_a_level_is_refused_in_words_or_can_be_asked_for(
    make_connection: MakeConnection, factor: Factor
) -> None:
    """Whatever is claimed can be asked for; what has no option says so."""
    for level in factor.known:
        why = refusal(make_connection(**CLIENT | {factor.name: level}))
        words = level in WORDS.get(factor.name, factor.known)
        assert why == (None if words else f"vpnc has no option for {factor.name}={level}")
        assert words or level not in MANIFEST.claims[factor.name]


def test_it_responds_to_nobody(make_connection: MakeConnection) -> None:
    assert refusal(make_connection("responder", **CLIENT)) == "vpnc has no responder"


SAID = """\
   i_cookie: 37efb06a b92db9a9
   r_cookie: 00000000 00000000
   t.attributes.type: 0004 (IKE_ATTRIB_GROUP_DESC)
   t.attributes.u.attr_16: 0005 (IKE_GROUP_MODP_1536)
   i_cookie: 37efb06a b92db9a9
   r_cookie: 9cc37b6d 34c2d1cf
   id.data: 0a4d000d
   got ike lifetime attributes: 28800 seconds
   IKE SA selected psk+xauth-aes256-md5
   enc-key:
   025eb122 8fb48ca0 010c27e9 ded18c08 36241833 38347f4e 33761a43 77b350d6
   current_iv: cfd30764 5868243e cbd9f96e 80c32f72
S4.6 cleanup
S5.8 xauth done
   id.data: 0a4e1001
   id.data: 0a4e0d00 ffffff00
   t.attributes.type: 0003 (ISAKMP_IPSEC_ATTRIB_GROUP_DESC)
   t.attributes.u.attr_16: 0002 (IKE_GROUP_MODP_1024)
   got ipsec lifetime attributes: 3600 seconds
   IPSEC SA selected aes128-sha1
   rx.key_cry: 36241833 38347f4e 33761a43 77b350d6
   rx.key_md:
   619828f2 aa7df299 16e7719e beb13861 43416256
   tx.key_cry: fe7925e4 4cea6bec 864dc8ba 87fa153f
   tx.key_md:
   08e3dc70 eff6e351 2e8ce46e 5698ef04 93e94e9a
   remote -> local spi: 0x12427a56
   local -> remote spi: 0x029c521
VPNC started in foreground...
   sending ESP packet (before crypt):
vpnc: Accepting expected ESP packet with seq 1
   receiving ESP packet (after decrypt):
   sending ESP packet (before crypt):
"""
"""The lines that count, of a run of Debian's 0.5.3."""
IKE = IkeSa(
    cookie_initiator="37efb06ab92db9a9",
    cookie_responder="9cc37b6d34c2d1cf",
    state="established",
    cipher="aes256",
    hash="md5",
    group="modp1536",
    auth="xauth-init-psk",
    lifetime_seconds=28800,
)
CHILD = ChildSa(
    spi_in=0x12427A56,
    spi_out=0x029C521,
    protocol="esp",
    mode="tunnel",
    cipher="aes128",
    integrity="sha1",
    pfs="modp1024",
    lifetime_seconds=3600,
    local_selector="10.78.16.1/32",
    remote_selector="10.78.13.0/24",
    packets_in=1,
    packets_out=2,
)
NULL = SAID.replace("selected aes128-sha1", "selected null-sha1").replace(
    "rx.key_cry: 36241833 38347f4e 33761a43 77b350d6", "rx.key_cry: "
)


def test_the_sas_are_read_from_what_it_says() -> None:
    assert vpnc_log.ike_sa(SAID) == IKE
    assert vpnc_log.child_sa(SAID) == CHILD


@pytest.mark.parametrize(
    ("missing", "has_ike", "has_child"),
    [
        ("IKE SA selected psk+xauth-aes256-md5\n", False, True),
        (vpnc_log.PROVEN, False, True),
        ("IPSEC SA selected aes128-sha1\n", True, False),
        (vpnc_log.STARTED, True, False),
    ],
)
def test_what_is_not_said_is_not_held(missing: str, *, has_ike: bool, has_child: bool) -> None:
    said = SAID.replace(missing, "")
    assert (vpnc_log.ike_sa(said) is not None) is has_ike
    assert (vpnc_log.child_sa(said) is not None) is has_child


def test_nothing_is_held_by_a_vpnc_that_has_ended() -> None:
    """The keys still open what was captured."""
    said = f"{SAID}vpnc ended with status 0\n"
    assert vpnc_log.ike_sa(said) is vpnc_log.child_sa(said) is None


def test_xauth_counts_only_where_it_was_done() -> None:
    without = vpnc_log.ike_sa(SAID.replace(vpnc_log.USER_ACCEPTED, ""))
    assert without is not None
    assert without.auth == "xauth-init-psk without user"
    plain = vpnc_log.ike_sa(SAID.replace("psk+xauth", "psk"))
    assert plain is not None
    assert plain.auth == "psk"


def test_the_keys_are_read_whole(make_connection: MakeConnection) -> None:
    """Those of more than sixteen octets stand on lines of their own."""
    for ended in ("", "vpnc ended with status 0\n"):
        keys = vpnc_log.keys(SAID + ended, make_connection(**CLIENT))
        assert [key.key.hex() for key in keys.ike] == [
            "025eb1228fb48ca0010c27e9ded18c083624183338347f4e33761a4377b350d6"
        ]
        assert keys.ike[0].cookie_initiator.hex() == "37efb06ab92db9a9"
        inbound, outbound = keys.esp
        assert (inbound.source, inbound.destination) == ("10.77.0.11", "10.77.0.14")
        assert (outbound.source, outbound.destination) == ("10.77.0.14", "10.77.0.11")
        assert (inbound.spi, outbound.spi) == (CHILD.spi_in, CHILD.spi_out)
        assert inbound.key.hex() == "3624183338347f4e33761a4377b350d6"
        assert outbound.integrity_key.hex() == "08e3dc70eff6e3512e8ce46e5698ef0493e94e9a"


def test_without_encryption_there_is_no_key(make_connection: MakeConnection) -> None:
    inbound = vpnc_log.keys(NULL, make_connection(**CLIENT)).esp[0]
    assert (inbound.cipher, inbound.key) == ("null", b"")
    assert inbound.integrity_key.hex() == "619828f2aa7df29916e7719ebeb1386143416256"


def test_no_keys_before_they_are_said(make_connection: MakeConnection) -> None:
    assert vpnc_log.keys("", make_connection(**CLIENT)) == ([], [])


@pytest.mark.parametrize(
    ("said", "words", "names"),
    [
        ("vpnc: no response from target\n", "no response from target", ()),
        (
            (
                "received notice of type (ISAKMP_N_NO_PROPOSAL_CHOSEN)(14), giving up\n"
                "vpnc: quick mode response rejected:  (ISAKMP_N_NO_PROPOSAL_CHOSEN)(14)\n"
            ),
            (
                "type (ISAKMP_N_NO_PROPOSAL_CHOSEN)(14), giving up; "
                "quick mode response rejected:  (ISAKMP_N_NO_PROPOSAL_CHOSEN)(14)"
            ),
            ("NO_PROPOSAL_CHOSEN",),
        ),
        ("vpnc: select: Interrupted system call\nvpnc: terminated by signal: 15\n", None, ()),
        ("vpnc: Accepting expected ESP packet with seq 1\n", None, ()),
        ("vpnc: unknown spi 0x12427a56 from peer\n", None, ()),
    ],
)
def test_why_it_gave_up(said: str, words: str | None, names: tuple[str, ...]) -> None:
    assert vpnc_log.failure(said) == words
    assert vpnc_log.notifies(said) == names


def test_every_group_has_a_number_of_its_own() -> None:
    assert len(set(GROUPS.values())) == len(GROUPS)
    assert {vpnc_log.NUMBERS[number] for number in GROUPS.values()} == set(GROUPS)
