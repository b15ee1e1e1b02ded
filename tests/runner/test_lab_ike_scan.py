"""Probes that others wrote: what ike-scan makes of the reference's answers (RFC 2408, RFC 2409).

Each row of the tables is a command line and what ike-scan must print of the one datagram that comes
back, or that none comes.
"""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from conformance.lab.containers import container_name
from conformance.lab.tools import running_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from conformance.lab import Lab

pytestmark = pytest.mark.lab

PYTHON = "/opt/ipsec-conformance/bin/python3"
CALL = """
import json, os, sys
from pathlib import Path
from conformance.peer.client import ControlClient
socket = Path("/run/ipsec-conformance", os.environ["PEER_NAME"] + ".sock")
do, arguments = json.loads(sys.argv[1])
print(json.dumps(ControlClient(socket, patience=5).call(do, **arguments)))
"""
"""Gives the reference one command over its control socket, inside its container."""

PSK = "word-of-a-dictionary"
RETRANSMISSION = {"timeout": 1.0, "factor": 2.0, "tries": 3}
PHASE_1 = {
    "cipher": "aes128",
    "hash": "sha1",
    "group": "modp1024",
    "auth": "psk",
    "lifetime_seconds": 28800,
}
PHASE_2 = {
    "protocol": "esp",
    "cipher": "aes128",
    "integrity": "sha1",
    "mode": "tunnel",
    "lifetime_seconds": 3600,
}

ID = "--id=vpn"
GOOD = "--trans=7/128,2,1,2"
"""AES-128, SHA-1, PSK, group 2: what the reference is configured for."""
CHOSEN = "Enc=AES Hash=SHA1 Auth=PSK Group=2:modp1024 KeyLength=128"
SECONDS = "LifeType=Seconds LifeDuration(4)=0x00007080"
DPD, NATT = "afcad71368a1f1c96b8696fc77570100", "4a131c81070358455c5728f20e95452f"

ANSWER = re.compile(
    r"\t(?P<mode>\w+ Mode) Handshake returned HDR=\(CKY-R=(?P<cookie>\w+)\) SA=\((?P<sa>.*?\)?)\)"
    r"(?P<more>(?: \w+[=(].*)?)$",
    re.MULTILINE,
)
NOTIFY = re.compile(r"\tNotify message \d+ \((?P<name>[A-Z-]+)\)")
RECEIVED = re.compile(r"^10\.[\d.]+\t\d+\t([\d.]+)\t", re.MULTILINE)
"""A row of the table of backoff times."""
COUNTS = re.compile(r"(\d+) returned handshake; (\d+) returned notify")


class Answer(NamedTuple):
    """What ike-scan says of what came back."""

    told: str | None
    """The name of a notify, ``Main Mode`` or ``Aggressive Mode``; None for silence."""
    sa: str = ""
    more: str = ""
    """The payloads behind the SA."""
    cookie: str = ""


def read(output: str) -> Answer:
    """Take ike-scan's output apart; its own counts must agree."""
    handshake, notify, counts = ANSWER.search(output), NOTIFY.search(output), COUNTS.search(output)
    assert counts is not None, output
    assert [int(count) for count in counts.groups()] == [bool(handshake), bool(notify)], output
    if handshake:
        return Answer(handshake["mode"], handshake["sa"], handshake["more"], handshake["cookie"])
    return Answer(notify["name"] if notify else None)


class Target:
    """The reference as a responder, in the lab."""

    def __init__(self, container: Container, scanner: Container) -> None:
        self.container, self.scanner = container, scanner
        self._configured: tuple[str, str] | None = None
        self.address, self.scanner_address = (
            one.attrs["NetworkSettings"]["Networks"]["ipsec-conformance"]["IPAddress"]
            for one in (container, scanner)
        )

    def call(self, do: str, **arguments: Any) -> Any:
        """One command of the control socket."""
        command = [PYTHON, "-c", CALL, json.dumps([do, arguments])]
        status, output = self.container.exec_run(command)
        assert status == 0, output.decode()
        return json.loads(output)

    def configure(self, exchange: str, hash_name: str = "sha1") -> None:
        """Answer the scanner in this exchange with this hash, and nobody else."""
        if self._configured == (exchange, hash_name):
            return
        self.forget()
        self.call(
            "configure",
            name="scan",
            remote=self.scanner_address,
            remote_id="any",
            psk=PSK,
            exchange=exchange,
            phase1=PHASE_1 | {"hash": hash_name},
            phase2=PHASE_2,
            local_selector="10.99.1.0/24",
            remote_selector="10.99.2.0/24",
            seed=1,
            retransmit=RETRANSMISSION,
            dpd={"idle": 60.0, "timeout": 60.0, "tries": 1},
            nat_traversal={},
        )
        self._configured = exchange, hash_name

    def forget(self) -> None:
        """Answer the scanner no more."""
        if self._configured:
            self.call("remove", name="scan")
        self._configured = None

    def process(self) -> int:
        """The id of its process."""
        self.container.reload()
        return int(self.container.attrs["State"]["Pid"])

    def run(self, script: str) -> str:
        """What a shell script says in the scanner's container."""
        output = self.scanner.exec_run(["sh", "-c", script])[1]
        return bytes(output).decode()

    def scan(self, *arguments: str) -> str:
        """One probe from a port of its own, sent once."""
        return self.run(f"{self.command(*arguments)} 2>&1")

    def command(self, *arguments: str) -> str:
        """The command line of a probe."""
        fixed = ("ike-scan", "--sport=0", "--nodns", "--retry=1", "--timeout=1500")
        return shlex.join([*fixed, *arguments, self.address])


@pytest.fixture(scope="module")
def scanned(lab: Lab) -> Iterator[Target]:
    """The reference that responds in the lab; when all is over, it must be the same process."""
    with running_tool(lab, "ike-scan-1.9.5") as scanner:
        target = Target(lab.containers[container_name("reference", "b")], scanner)
        process = target.process()
        yield target
        target.forget()
        assert target.process() == process


@pytest.fixture
def main_mode(scanned: Target) -> Target:
    """It answers Main Mode."""
    scanned.configure("main")
    return scanned


@pytest.fixture(params=["sha1", "md5"])
def aggressive(request: pytest.FixtureRequest, scanned: Target) -> tuple[Target, str]:
    """It answers Aggressive Mode with a hash that psk-crack knows."""
    scanned.configure("aggressive", request.param)
    return scanned, request.param


OFFERS = {
    "one": ((GOOD,), f"{CHOSEN} {SECONDS}"),
    "second of two": (("--trans=5,2,1,2", GOOD), f"{CHOSEN} {SECONDS}"),
    "key length first": (
        ("--trans=(14=128,1=7,2=2,3=1,4=2)",),
        "KeyLength=128 Enc=AES Hash=SHA1 Auth=PSK Group=2:modp1024",
    ),
    "no lifetime": (("--lifetime=none", GOOD), CHOSEN),
    "short lifetime": (
        ("--lifetime=60", GOOD),
        f"{CHOSEN} LifeType=Seconds LifeDuration(4)=0x0000003c",
    ),
    "an SPI, which means nothing": (("--spisize=16", GOOD), f"{CHOSEN} {SECONDS}"),
    "a CERTREQ (RFC 2408 3.10)": (("--certreq=04", GOOD), f"{CHOSEN} {SECONDS}"),
    "a CERTREQ of an unknown kind": (("--certreq=ff0102", GOOD), f"{CHOSEN} {SECONDS}"),
}
"""Offers that hold what is configured -> the transform that is returned, as it was offered."""


@pytest.mark.parametrize(("arguments", "chosen"), OFFERS.values(), ids=OFFERS)
def test_main_mode_returns_the_transform_it_chose(
    main_mode: Target, arguments: tuple[str, ...], chosen: str
) -> None:
    answer = read(main_mode.scan(*arguments))
    assert (answer.told, answer.sa) == ("Main Mode", chosen)
    assert int(answer.cookie, 16)


REFUSALS = {
    "default transforms": ((), "NO-PROPOSAL-CHOSEN"),
    "longer key": (("--trans=7/256,2,1,2",), "NO-PROPOSAL-CHOSEN"),
    "XAUTH": (("--trans=7/128,2,65001,2",), "NO-PROPOSAL-CHOSEN"),
    "cipher alone": (("--trans=(1=7)",), "NO-PROPOSAL-CHOSEN"),
    "two hashes": (("--trans=(1=7,14=128,2=2,2=1,3=1,4=2)",), "NO-PROPOSAL-CHOSEN"),
    "unknown attribute": (("--trans=(1=7,14=128,2=2,3=1,4=2,99=1)",), "ATTRIBUTES-NOT-SUPPORTED"),
    "protocol of ESP": (("--protocol=3", GOOD), "NO-PROPOSAL-CHOSEN"),
    "SPI of 200 octets": (("--spisize=200", GOOD), "NO-PROPOSAL-CHOSEN"),
    "another DOI": (("--doi=2", GOOD), "DOI-NOT-SUPPORTED"),
    "another situation": (("--situation=2", GOOD), "SITUATION-NOT-SUPPORTED"),
    "RESERVED not zero": (("--mbz=255", GOOD), "PAYLOAD-MALFORMED"),
    "SA called VID": (("--nextpayload=13", GOOD), "PAYLOAD-MALFORMED"),
    "SA called ID": (("--nextpayload=5", GOOD), "PAYLOAD-MALFORMED"),
    "SA called 200": (("--nextpayload=200", GOOD), "PAYLOAD-MALFORMED"),
    "flag of encryption": (("--hdrflags=1", GOOD), "INVALID-FLAGS"),
    "every flag": (("--hdrflags=255", GOOD), "INVALID-FLAGS"),
    "message ID": (("--hdrmsgid=17", GOOD), "INVALID-MESSAGE-ID"),
    "longer than it is": (("--headerlen=+4", GOOD), None),
    "shorter than it is": (("--headerlen=-4", GOOD), None),
    "no length": (("--headerlen=0", GOOD), None),
    "version 2": (("--headerver=0x20", GOOD), None),
    "version 1.1": (("--headerver=0x11", GOOD), None),
    "IKEv2": (("--ikev2",), None),
    "Aggressive Mode": (("--aggressive", ID, GOOD), None),
    "exchange of New Group Mode": (("--exchange=33", GOOD), None),
    "exchange of Quick Mode": (("--exchange=32", GOOD), None),
    "exchange 255": (("--exchange=255", GOOD), None),
    "no cookie": (("--cookie=0000000000000000", GOOD), None),
}
"""Probes that must be refused -> the notify, or the silence that RFC 2408 5 leaves a choice of."""


@pytest.mark.parametrize(("arguments", "told"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_not_configured_or_not_a_message_is_refused_and_harms_nothing(
    main_mode: Target, arguments: tuple[str, ...], told: str | None
) -> None:
    """A good probe behind it is answered as ever."""
    assert read(main_mode.scan(*arguments)).told == told
    assert read(main_mode.scan(GOOD)).told == "Main Mode"


def test_transforms_are_enumerated_one_by_one(main_mode: Target) -> None:
    """Of all that ike-scan's users try in turn, one is answered and the others are refused."""
    transforms = [
        f"{cipher},{hash_name},1,{group}"
        for cipher, hash_name, group in product(
            ("1", "5", "7/128", "7/192", "7/256"), ("1", "2"), ("1", "2", "5")
        )
    ]
    probes = [main_mode.command(f"--trans={transform}") for transform in transforms]
    output = main_mode.run("; ".join(probes))
    runs = re.split(r"^Starting ike-scan.*\n", output, flags=re.MULTILINE)[1:]
    told = dict(zip(transforms, (read(run).told for run in runs), strict=True))
    assert told.pop("7/128,2,1,2") == "Main Mode"
    assert set(told.values()) == {"NO-PROPOSAL-CHOSEN"}


def test_a_list_of_transforms_is_searched_to_its_end(main_mode: Target) -> None:
    """Thirty transforms in one message, the last of which is configured."""
    others = [f"--trans={cipher},1,1,{group}" for cipher in (1, 5, 7) for group in range(1, 10)]
    assert read(main_mode.scan(*others)).told == "NO-PROPOSAL-CHOSEN"
    assert read(main_mode.scan(*others, GOOD)).sa == f"{CHOSEN} {SECONDS}"


VENDOR_IDS = {
    "nothing": ((), {"Dead Peer Detection v1.0"}),
    "an unknown one": (("00112233445566778899aabbccddeeff",), {"Dead Peer Detection v1.0"}),
    "both": ((DPD, NATT), {"Dead Peer Detection v1.0", "RFC 3947 NAT-T"}),
}
"""What is announced -> what is announced in turn, in ike-scan's words."""


@pytest.mark.parametrize(("asked", "told"), VENDOR_IDS.values(), ids=VENDOR_IDS)
def test_vendor_ids_are_answered_and_named(
    main_mode: Target, asked: tuple[str, ...], told: set[str]
) -> None:
    """NAT traversal only to those that announce it (RFC 3947 3.1)."""
    answer = read(main_mode.scan(GOOD, *(f"--vendor={one}" for one in asked)))
    assert answer.told == "Main Mode"
    assert set(re.findall(r"VID=[0-9a-f]+ \((.*?)\)", answer.more)) == told


def test_a_repeated_message_has_the_same_answer(main_mode: Target) -> None:
    """The same cookie from the same port within one exchange (RFC 2408 5.1)."""
    cookie = ("--cookie=0102030405060708", "--sport=5000", GOOD)
    first, second = (read(main_mode.scan(*cookie)) for _ in range(2))
    assert first == second
    assert first.told == "Main Mode"


def test_the_backoff_pattern_is_the_configured_one(main_mode: Target) -> None:
    """Two repetitions, after one second and after two more; no other product does so."""
    output = main_mode.scan(GOOD, "--showbackoff=5")
    times = [float(time) for time in RECEIVED.findall(output)]
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps == [pytest.approx(1.0, abs=0.4), pytest.approx(2.0, abs=0.4)]
    assert "Implementation guess: UNKNOWN" in output


HASHES = {"sha1": ("2", 20), "md5": ("1", 16)}
"""Level of ``hash`` -> its number in a transform and the octets of HASH_R."""


def test_aggressive_mode_comes_with_all_that_identifies_it(
    aggressive: tuple[Target, str],
) -> None:
    """HDR, SA, KE, Nr, IDir, HASH_R, in ike-scan's words (RFC 2409 5.4)."""
    target, hash_name = aggressive
    number, octets = HASHES[hash_name]
    answer = read(target.scan("--aggressive", ID, f"--trans=7/128,{number},1,2"))
    assert answer.told == "Aggressive Mode"
    for words in (
        "KeyExchange(128 bytes)",
        "Nonce(32 bytes)",
        f"ID(Type=ID_IPV4_ADDR, Value={target.address})",
        f"Hash({octets} bytes)",
    ):
        assert words in answer.more


def test_hash_r_is_what_psk_crack_computes_from_the_right_secret(
    aggressive: tuple[Target, str],
) -> None:
    """Another program's HASH_R over SKEYID of the PSK; from other words it computes others."""
    target, hash_name = aggressive
    number, octets = HASHES[hash_name]
    options = ("--aggressive", ID, "--pskcrack=/tmp/psk", f"--trans=7/128,{number},1,2")
    target.scan(*options)
    for words, found in (("wrong\\nother\\n", False), (f"wrong\\n{PSK}\\nother\\n", True)):
        output = target.run(
            f"printf '{words}' >/tmp/words; psk-crack --dictionary=/tmp/words /tmp/psk 2>&1"
        )
        told = re.search(
            rf'key "{PSK}" matches {hash_name.upper()} hash [0-9a-f]{{{2 * octets}}}', output
        )
        assert bool(told) is found, output
        assert ("no match found" in output) is not found


AGGRESSIVE_REFUSALS = {
    "longer key": (("--trans=7/256,2,1,2", ID), "NO-PROPOSAL-CHOSEN"),
    "nonce of 8 octets": (("--noncelen=8", ID, GOOD), "Aggressive Mode"),
    "nonce of 256 octets": (("--noncelen=256", ID, GOOD), "Aggressive Mode"),
    "nonce of 7 octets (RFC 2409 5)": (("--noncelen=7", ID, GOOD), "PAYLOAD-MALFORMED"),
    "nonce of 257 octets": (("--noncelen=257", ID, GOOD), "PAYLOAD-MALFORMED"),
    "KE of another group": (("--dhgroup=5", ID, GOOD), "INVALID-KEY-INFORMATION"),
    "RESERVED not zero": (("--mbz=1", ID, GOOD), "PAYLOAD-MALFORMED"),
    "KEY-ID": (("--id=0xdeadbeef", "--idtype=11", GOOD), "Aggressive Mode"),
}


@pytest.mark.parametrize("aggressive", ["sha1"], indirect=True)
def test_aggressive_mode_checks_every_payload_of_its_first_message(
    aggressive: tuple[Target, str],
) -> None:
    target, _ = aggressive
    told = {
        name: read(target.scan("--aggressive", *arguments)).told
        for name, (arguments, _) in AGGRESSIVE_REFUSALS.items()
    }
    assert told == {name: expected for name, (_, expected) in AGGRESSIVE_REFUSALS.items()}


def test_nobody_is_answered_without_a_configuration(scanned: Target) -> None:
    """The reference has no policy for a stranger."""
    scanned.forget()
    assert read(scanned.scan(GOOD)).told is None


def test_the_tool_is_the_declared_version(scanned: Target) -> None:
    assert "ike-scan 1.9.5" in scanned.run("ike-scan --version 2>&1")
