"""The commands ``lab up``, ``down``, ``status``, ``doctor`` and ``setup``."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click
import docker

from conformance.cli.group import Group
from conformance.cli.options import (
    engine_option,
    kernel_option,
)
from conformance.console import screen
from conformance.lab import open_lab, take_down
from conformance.lab.doctor import Diagnosis, diagnose
from conformance.lab.host_docker import HostDockerEngine
from conformance.lab.images import DIGEST_LABEL, LAB_LABEL
from conformance.lab.lab import running_engine
from conformance.lab.packages import TEST_TOOLS, install, install_command, missing_tools
from conformance.lab.paths import cache_folder

_MARKS = {True: "+", False: "x"}


@click.group(cls=Group)
def lab() -> None:
    """Bring the lab up or down, look at it, or find out what it needs.

    The lab is a Docker API whose kernel can do ESP and AH, with two containers of each
    peer on one bridge. Where the host's Docker cannot do that, the embedded engine is
    booted: a user-mode Linux guest with a Docker of its own, in a network namespace of
    the lab's. Nothing of the host's network changes, and `lab down` leaves nothing.
    """


@lab.command(short_help="Bring up the engine, the images and the containers.")
@engine_option
@kernel_option
@click.argument("peers", nargs=-1)
def up(engine: str, kernel: str, peers: tuple[str, ...]) -> None:
    """Bring up the engine, the images and the containers of PEERS (default: of all).

    What stands already is left alone, what changed is built again, and what a killed
    run left behind is cleaned first. The first time takes some minutes, the next about
    a second. IPSEC_CONFORMANCE_ENGINE and IPSEC_CONFORMANCE_KERNEL choose, too.

    \b
    Examples:
      ipsec-conformance lab up
      ipsec-conformance lab up --engine embedded reference strongswan-5.9.8
      ipsec-conformance lab up --kernel 6.12
    """
    standing = open_lab(engine, peers or None, kernel)
    with closing(standing.client):
        for name in standing.containers:
            screen.print(f"[green]+[/] {name}")
    word = "stood already" if standing.was_running else "is up"
    screen.print(f"The lab {word} on the engine {standing.engine_name}.")


@lab.command(short_help="Install the system packages that a lab needs.")
def setup() -> None:
    """Install the system packages that the lab and its tests need, where that can be done.

    As root on Debian or Ubuntu they are installed; otherwise the exact command is printed
    and the exit status is 2. With nothing missing it does nothing. Where the host's
    Docker can carry the lab, the embedded engine's packages are not asked for.

    \b
    Example:
      ipsec-conformance lab setup
    """
    missing = missing_tools()
    if missing and not HostDockerEngine.from_environment().refusal():
        missing = []
    install([*missing, *missing_tools(TEST_TOOLS)])


@lab.command(short_help="Take the lab down and leave nothing behind.")
def down() -> None:
    """Take the lab down: no process, namespace, interface or mount is left.

    The cache keeps the guest's disks with the built images; remove it to start from
    nothing (${XDG_CACHE_HOME:-~/.cache}/ipsec-conformance, or IPSEC_CONFORMANCE_CACHE).

    \b
    Example:
      ipsec-conformance lab down
    """
    screen.print("The lab is down." if take_down() else "There is no lab.")


@lab.command()
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def status(as_json: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Say which engine, images and containers stand, and their versions.

    \b
    Examples:
      ipsec-conformance lab status
      ipsec-conformance lab status --json | jq .containers
    """
    facts = _facts()
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    elif facts["engine"] is None:
        click.echo("There is no lab. `ipsec-conformance lab up` brings one up.")
    else:
        _print_facts(facts)


@lab.command()
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:  # noqa: FBT001
    """Say what a lab needs, what of it is here, and how to get the rest.

    Where a host Docker answers, a throw-away container asks its kernel for ESP and AH.
    Exit status 0 when a lab can run here, 2 otherwise.

    \b
    Examples:
      ipsec-conformance lab doctor
      ipsec-conformance lab doctor --json
    """
    diagnosis = diagnose(HostDockerEngine.from_environment().refusal, cache_folder())
    command = install_command(missing_tools())
    if as_json:
        findings = [asdict(finding) for finding in diagnosis.findings]
        report = {"engine": diagnosis.engine, "findings": findings, "install": command}
        click.echo(json.dumps(report, indent=2))
    else:
        _print_diagnosis(diagnosis, command)
    context.exit(0 if diagnosis.engine else 2)


def _facts() -> dict[str, Any]:
    """Return what stands: engine, versions, images and containers; engine None for no lab."""
    active = running_engine()
    if active is None:
        return {"engine": None, "images": [], "containers": []}
    with closing(docker.DockerClient(base_url=active.base_url, timeout=60)) as client:
        version = client.version()
        wanted: dict[str, Any] = {"label": f"{LAB_LABEL}=1"}
        containers = client.containers.list(all=True, filters=wanted, ignore_removed=True)
        images = client.images.list(filters=wanted)
        return {
            "engine": active.name,
            "docker_host": active.base_url,
            "docker": version["Version"],
            "kernel": version["KernelVersion"],
            "images": [
                {"tags": image.tags, "id": image.id, "digest": image.labels[DIGEST_LABEL]}
                for image in images
                if image.tags
            ],
            "containers": [
                {"name": c.name, "status": c.status, "image": c.attrs["Image"]}
                for c in sorted(containers, key=lambda c: str(c.name))
            ],
        }


def _print_facts(facts: dict[str, Any]) -> None:
    click.echo(f"engine {facts['engine']}, Docker {facts['docker']}, kernel {facts['kernel']}")
    click.echo(f"DOCKER_HOST={facts['docker_host']}")
    for image in facts["images"]:
        click.echo(f"image      {', '.join(image['tags'])}")
    for container in facts["containers"]:
        click.echo(f"container  {container['name']}: {container['status']}")


def _print_diagnosis(diagnosis: Diagnosis, command: str) -> None:
    for finding in diagnosis.findings:
        click.echo(f"{_MARKS[finding.ok]} {finding.engine:9} {finding.subject}: {finding.detail}")
        if finding.remedy:
            click.echo(f"{'':12}{finding.remedy}")
    if command:
        click.echo(f"Missing packages; as root: {command}")
    answer = f"A lab can run here, on the engine {diagnosis.engine}."
    click.echo(answer if diagnosis.engine else "No lab can run here until that is mended.")
