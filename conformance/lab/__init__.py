"""The lab: a Docker API with a kernel that can do ESP and AH, and the peers' containers in it."""

from __future__ import annotations

from conformance.lab.attach import RunnerProcess
from conformance.lab.lab import Lab, open_lab, take_down

__all__ = ["Lab", "RunnerProcess", "open_lab", "take_down"]
