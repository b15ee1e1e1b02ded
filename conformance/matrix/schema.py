"""The JSON schema of ``peers/<name>/peer.toml``, made of the structures that read it.

``python -m conformance.matrix.schema`` writes it to standard output; ``make schema`` keeps it.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.matrix import constraints, kernels, manifest, script
from conformance.matrix.factors import FACTORS
from conformance.matrix.kernels import KernelManifest
from conformance.matrix.manifest import BUT, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.matrix.factors import Factor

FILE_NAME = "peer.schema.json"
"""Its name in the folder of the peers; every manifest begins with a comment that points there."""
ROOM = "conformance.matrix"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODULES = (constraints, kernels, manifest, script)
"""Where the structures of manifests are defined."""


def peer_schema() -> dict[str, Any]:
    """The schema of a manifest, be it of a peer that negotiates or of a kernel."""
    references, definitions = msgspec.json.schema_components(
        (Manifest, KernelManifest), ref_template="#/$defs/{name}"
    )
    for name, definition in definitions.items():
        for field, text in _field_docs(_structure(name)).items():
            definition["properties"][field]["description"] = text
    every = {"required": [factor.name for factor in FACTORS]}
    definitions["Manifest"]["properties"]["claims"] |= _by_factor() | every
    for name in ("Exclusion", "Deviation"):
        definitions[name]["properties"]["when"] |= _by_factor("when ") | {"minProperties": 1}
    for factor in FACTORS:
        definitions |= _levels(factor)
    return {
        "$schema": DIALECT,
        "title": "A peer of ipsec-conformance: peers/<name>/peer.toml",
        "oneOf": list(references),
        "$defs": definitions,
    }


def _levels(factor: Factor) -> dict[str, Any]:
    """Some levels of a factor; as a condition, those meant or those not meant."""
    others = tuple(f"{BUT}{level}" for level in factor.known)
    meant = {"$ref": f"#/$defs/{factor.name}"}
    return {
        factor.name: _some(factor.known),
        f"when {factor.name}": {"anyOf": [meant, _some(others)]},
    }


def _some(levels: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "array", "items": {"enum": list(levels)}, "minItems": 1, "uniqueItems": True}


def _by_factor(prefix: str = "") -> dict[str, Any]:
    """An object that has factors as its keys, and nothing else."""
    names = [factor.name for factor in FACTORS]
    return {
        "properties": {name: {"$ref": f"#/$defs/{prefix}{name}"} for name in names},
        "additionalProperties": False,
    }


def _structure(name: str) -> type:
    found: type = next(vars(module)[name] for module in _MODULES if name in vars(module))
    return found


def _field_docs(structure: type) -> dict[str, str]:
    """Field -> the string below it, which editors show; those of the base classes first."""
    docs: dict[str, str] = {}
    for owner in reversed([one for one in structure.__mro__ if one.__module__.startswith(ROOM)]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        docs |= dict(_documented(definition))
    return docs


def _documented(definition: ast.stmt) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(getattr(definition, "body", ())):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())


def encoded() -> bytes:
    """The schema as it stands in its file."""
    return msgspec.json.format(msgspec.json.encode(peer_schema()), indent=2) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(encoded())
