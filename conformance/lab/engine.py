"""What an engine is: a Docker API whose kernel can do ESP and AH."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from conformance.errors import UserError
from conformance.lab.kernels import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENGINE_NAMES = ("auto", "docker", "embedded")
"""Values of ``--engine`` and ``IPSEC_CONFORMANCE_ENGINE``."""


class Engine(Protocol):
    """Where containers run."""

    @property
    def name(self) -> str:
        """``docker`` or ``embedded``."""

    @property
    def base_url(self) -> str:
        """Where the Docker API answers."""

    def is_running(self) -> bool:
        """Tell whether the Docker API answers now."""

    def start(self) -> None:
        """Make the Docker API answer; UserError when it cannot."""

    def flush(self) -> None:
        """Have what was built survive a kill of the engine."""

    def stop(self) -> None:
        """End the engine and keep its images."""


def requested(option: str | None = None) -> str:
    """Return the engine asked for: the option, else the environment, else ``auto``.

    Raises:
        UserError: there is no such engine.
    """
    environment = os.environ.get("IPSEC_CONFORMANCE_ENGINE", "auto")
    name = environment if option in (None, "auto") else option
    if name not in ENGINE_NAMES:
        raise UserError(f"There is no engine {name!r}.", f"Engines: {', '.join(ENGINE_NAMES)}.")
    return str(name)


def carrying(name: str, kernel: str) -> str:
    """Return the engine that can boot this kernel: of two versions only the embedded engine knows.

    Raises:
        UserError: the host's Docker was asked for, and a kernel that it cannot choose.
    """
    if kernel == AUTO:
        return name
    if name == "docker":
        hint = "Use --engine embedded, or no --kernel."
        raise UserError(f"The host's Docker has the host's kernel and boots no {kernel}.", hint)
    return "embedded"


def choose(
    name: str, host_can: Callable[[], str], builders: Mapping[str, Callable[[], Engine]]
) -> Engine:
    """Return the engine of that name; ``auto`` takes the host's Docker when it can do IPsec.

    ``host_can`` returns why the host's Docker cannot carry a lab, or an empty string when it can.

    Raises:
        UserError: ``docker`` was asked for by name and cannot.
    """
    if name == "embedded":
        return builders["embedded"]()
    reason = host_can()
    if not reason:
        return builders["docker"]()
    if name == "docker":
        hint = "Mend that, or use --engine embedded."
        raise UserError(f"The host's Docker cannot carry a lab: {reason}", hint)
    return builders["embedded"]()
