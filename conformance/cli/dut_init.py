"""``ipsec-conformance dut init``: everything that a device needs to become a peer."""

from __future__ import annotations

import secrets
import shlex
import sys
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from conformance.console import screen
from conformance.dut.claims import USUAL
from conformance.dut.device import Device, End, Papers, Secrets, Trigger, check_device
from conformance.dut.kit import FILE, make_kit, write_kit
from conformance.dut.papers import key_methods
from conformance.dut.style import GENERIC, find_style, styles
from conformance.errors import UserError
from conformance.matrix.factors import parse_restrictions

if TYPE_CHECKING:
    from conformance.dut.kit import Kit

PSK_OCTETS = 24
"""Of randomness in a pre-shared key that nobody gave."""
USER = "road"
"""The name for XAUTH that nobody gave."""
_HARMLESS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~+/=:@%^,-")
"""What no configuration language takes for something else."""


class Question(NamedTuple):
    """What must be known; asked where the command line does not say it."""

    name: str
    """The option, with underscores."""
    text: str
    default: str | None = None
    """None where an answer is needed."""


QUESTIONS = (
    Question("here", "Our address, which the device reaches"),
    Question("here_subnet", "Subnet behind us, of the suite's own making"),
    Question("device", "The device's address"),
    Question("device_subnet", "Subnet behind the device"),
    Question("device_inner", "A host in it that answers echo requests; empty for the first", ""),
    Question("here_id", "Our identity (fqdn:..., user-fqdn:...); empty for the address", ""),
    Question("device_id", "The device's identity; empty for its address", ""),
    Question("psk", "Pre-shared key; empty to make one", ""),
    Question("trigger", "Command that makes the device begin; empty for none", ""),
)
"""In the order of asking."""


@click.command(short_help="Make dut.toml and the configuration to paste into the device.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path("dut"))
@click.option("--name", default="dut", show_default=True, help="What records and pages call it.")
@click.option("--here", help="Our outer address, one of this host's.")
@click.option("--here-subnet", metavar="CIDR", help="Subnet behind us; nothing needs to be there.")
@click.option("--here-inner", help="Our address in it.  [default: the first]")
@click.option("--here-id", metavar="TYPE:VALUE", help="Our identity.  [default: the address]")
@click.option("--device", help="The device's outer address.")
@click.option("--device-subnet", metavar="CIDR", help="Subnet behind the device.")
@click.option(
    "--device-inner", help="A host in it that answers echo requests.  [default: the first]"
)
@click.option(
    "--device-id", metavar="TYPE:VALUE", help="The device's identity.  [default: its address]"
)
@click.option("--psk", help="Pre-shared key.  [default: a random one]")
@click.option("--user", help=f"Name for XAUTH, where that is claimed.  [default: {USER}]")
@click.option("--password", help="Password for XAUTH.  [default: a random one]")
@click.option(
    "--authority",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Certificate of your own authority; with --certificate and --private-key, none is made.",
)
@click.option(
    "--certificate",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Our certificate from that authority.",
)
@click.option(
    "--private-key",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Our private key: PEM, not encrypted.",
)
@click.option(
    "--supports",
    multiple=True,
    metavar="FACTOR=LEVEL,...",
    help=(
        "What the device claims, in its order of preference; repeat for several factors. "
        "`ipsec-conformance peers reference` lists all levels.  [default: AES with SHA, modp2048, "
        "ESP in tunnel mode, a pre-shared key, Main Mode]"
    ),
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["responder", "initiator"]),
    help="What the device can be; repeat for both.  [default: responder, and initiator with a "
    "--trigger or an --instruction]",
)
@click.option(
    "--trigger",
    metavar="COMMAND",
    help="What makes the device begin, e.g. 'ssh gw ping -c 1 10.1.0.1'; {mode} and the like "
    "stand for the cell's levels.",
)
@click.option(
    "--chooses",
    metavar="FACTOR,...",
    help="Factors whose level the trigger makes the device use; of others it uses its first.",
)
@click.option(
    "--instruction", default="", help="Without a trigger: what a person is asked to do to begin."
)
@click.option(
    "--style",
    "named",
    multiple=True,
    metavar="NAME",
    help=f"Write for this kind of device; repeat for several. {GENERIC} is always there. "
    f"[default: all: {', '.join(styles())}]",
)
@click.option("--force", is_flag=True, help="Overwrite what an earlier init wrote.")
def init(folder: Path, *, named: tuple[str, ...], force: bool, **given: Any) -> None:
    """Make FOLDER (dut/) with dut.toml and, for each style, the device's configuration.

    What is not given is asked for where a terminal is there to ask; the addresses and subnets
    must be told, everything else has a default. Files with secrets are readable by their owner
    alone. A claim for which a style has no word is told, and stands in its file as a comment.
    Where certificates are claimed (--supports auth=rsa-sig) an authority and both ends'
    certificates are made, unless you bring your own.

    Only the strongSwan and Libreswan styles were tried on the real thing. The others follow
    the vendors' public documents, which docs/device-under-test.md lists.

    \b
    Examples:
      ipsec-conformance dut init --here 192.0.2.1 --here-subnet 10.1.0.0/24 \\
          --device 192.0.2.2 --device-subnet 10.2.0.0/24
      ipsec-conformance dut init gw --here 192.0.2.1 --here-subnet 10.1.0.0/24 \\
          --device 192.0.2.2 --device-subnet 10.2.0.0/24 --style routeros \\
          --supports cipher=aes256,3des --supports pfs=modp2048 --supports mode=tunnel,transport \\
          --trigger 'ssh gw /ping 10.1.0.1 count=2 src-address=10.2.0.1'

    Exit status: 0 done, 2 bad input or a file that exists.
    """
    chosen = list(dict.fromkeys((GENERIC, *(named or styles()))))
    kit = make_kit(_device(_answered(given)), [find_style(name) for name in chosen])
    write_kit(kit, folder, force=force)
    _tell(kit, folder)


def _answered(given: dict[str, Any]) -> dict[str, Any]:
    """What was given, completed by questions; UserError where nobody is there to ask."""
    needed = [one for one in QUESTIONS if one.default is None and given[one.name] is None]
    if not needed:
        return given
    if not sys.stdin.isatty():
        options = ", ".join("--" + one.name.replace("_", "-") for one in needed)
        raise UserError(
            f"{options}: not given, and there is no terminal to ask at",
            "See: ipsec-conformance dut init --help",
        )
    asked = {
        one.name: click.prompt(one.text, default=one.default, show_default=False)
        for one in QUESTIONS
        if given[one.name] is None
    }
    return given | {name: answer or None for name, answer in asked.items()}


def _device(given: dict[str, Any]) -> Device:
    """The device as the answers describe it; UserError for what does not fit."""
    claims = USUAL | parse_restrictions_in_order(given["supports"])
    begins = bool(given["trigger"] or given["instruction"])
    device = Device(
        name=given["name"],
        here=_end(given, "here"),
        device=_end(given, "device"),
        secrets=_secrets(given, claims),
        certificates=_certificates(given, claims),
        roles=given["roles"] or (("responder", "initiator") if begins else ("responder",)),
        claims=claims,
        trigger=Trigger(
            command=tuple(shlex.split(given["trigger"] or "")),
            chooses=tuple(filter(None, (given["chooses"] or "").split(","))),
            instruction=given["instruction"],
        ),
    )
    check_device(device, "dut init")
    return device


def parse_restrictions_in_order(texts: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """As ``--factor`` is read, but with the levels in the order given: that of preference."""
    known = parse_restrictions(texts)
    for text in texts:
        name, _, levels = text.partition("=")
        known[name.strip()] = tuple(dict.fromkeys(one.strip() for one in levels.split(",")))
    return known


def _end(given: dict[str, Any], side: str) -> End:
    option = f"--{side}"
    try:
        address = IPv4Address(given[side])
        option = f"--{side}-subnet"
        subnet = IPv4Network(given[f"{side}_subnet"])
        option = f"--{side}-inner"
        inner = given[f"{side}_inner"]
        inside = IPv4Address(inner) if inner else next(iter(subnet.hosts()))
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise UserError(f"{option}: {error}", "IPv4, in dotted form; subnets as CIDR.") from error
    return End(
        address=address,
        inner_address=inside,
        inner_subnet=subnet,
        identity=given[f"{side}_id"] or "",
    )


def _secrets(given: dict[str, Any], claims: dict[str, tuple[str, ...]]) -> Secrets:
    """What was given, or made where the claims need it."""
    users = any(level.startswith(("xauth", "hybrid")) for level in claims["auth"])
    needed = {
        "psk": any(level.endswith("psk") for level in claims["auth"]),
        "user": users,
        "password": users,
    }
    made = {"user": USER}
    found = {
        name: given[name] or (made.get(name) or secrets.token_urlsafe(PSK_OCTETS) if need else "")
        for name, need in needed.items()
    }
    for name, secret in found.items():
        if not set(secret) <= _HARMLESS:
            odd = next(one for one in secret if one not in _HARMLESS)
            raise UserError(
                f"--{name}: {odd!r} does not survive every configuration language",
                "Take letters, digits and ._~+/=:@%^,- alone.",
            )
    return Secrets(**found)


def _certificates(given: dict[str, Any], claims: dict[str, tuple[str, ...]]) -> dict[str, Papers]:
    """The files that were brought along, for the one method that they can be for."""
    files = {name: given[name] for name in ("authority", "certificate", "private_key")}
    if not any(files.values()):
        return {}
    methods = key_methods(claims)
    missing = [name for name, path in files.items() if path is None]
    if missing or len(methods) != 1:
        raise UserError(
            "--authority, --certificate and --private-key go together, with one signature method",
            "For example: --supports auth=psk,rsa-sig",
        )
    return {methods[0]: Papers(**{name: str(path.absolute()) for name, path in files.items()})}


def _tell(kit: Kit, folder: Path) -> None:
    """Say what was made, what could not be said in it, and what comes next."""
    for name in kit.files:
        click.echo(folder / name)
    for name, lines in kit.untold.items():
        for line in lines:
            screen.print(f"{name}: not in its file: {line}", soft_wrap=True)
    untried = [one for one in kit.untold if not styles()[one].data.tried and one != GENERIC]
    if untried:
        screen.print(f"not tried on a real device: {', '.join(untried)}", soft_wrap=True)
    screen.print(
        f"Paste one of them into the device, then: ipsec-conformance dut run {folder / FILE}",
        soft_wrap=True,
    )
