"""``ipsec-conformance dut``: a device out there as a peer."""

from __future__ import annotations

import click

from conformance.cli.dut_init import init
from conformance.cli.dut_run import run
from conformance.cli.group import Group


@click.group(cls=Group)
def dut() -> None:
    """A device out there as a peer: no container, no Docker, nothing to install on it.

    The suite knows the device by its address alone. The reference peer runs on this host,
    negotiates with the device in every combination that it claims, in the roles that it
    takes, pings a host behind it, and judges by the wire and by what the reference holds.

    \b
    From nothing to a matrix page:
      ipsec-conformance dut init --here 192.0.2.1 --here-subnet 10.1.0.0/24 \\
          --device 192.0.2.2 --device-subnet 10.2.0.0/24
    then paste the file for your device, and
      ipsec-conformance dut run dut/dut.toml
    """


for _command in (init, run):
    dut.add_command(_command)
