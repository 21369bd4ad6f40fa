"""siamaudio presets: networks, front ends and search spaces by name."""

from __future__ import annotations

from typing import Any

import siamaudio as sa
from siamaudio.cli._config import to_toml
from siamaudio.cli._shared import Json, print_json
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "FILES", "SEE_ALSO", "presets"]

EXAMPLES = """\
siamaudio presets
siamaudio presets modern
siamaudio presets honka2019 --json
"""
FILES = """\
run.toml  of `siamaudio presets modern > run.toml`, for `siamaudio --config
          run.toml train ...`: what is left out stays as in the preset
"""
SEE_ALSO = "train, features, tune"


def presets(name: str | None = None, /, *, json: Json = False) -> None:
    """List what --preset, --front-end and --space accept, or print one with all its options, as TOML.

    Parameters
    ----------
    name
        Of a network or a front end; by default all names are listed.
    """
    from siamaudio.presets import network_presets

    names = {
        "networks": network_presets(),
        "front ends": sa.front_end_presets(),
        "search spaces": sa.tuning.search_space_names(),
    }
    if name is None:
        if json:
            print_json({kind: list(known) for kind, known in names.items()})
            return
        for kind, known in names.items():
            print(f"{kind}: {', '.join(known)}")
        return
    described, comment = _described(name, names["networks"], names["front ends"])
    if not described:
        raise ParameterError("name", name, ", ".join(sorted({*names["networks"], *names["front ends"]})))
    if json:
        print_json(described)
        return
    print("".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines()) + to_toml(described))


def _described(
    name: str, networks: tuple[str, ...], front_ends: tuple[str, ...]
) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the tables of a file of options that make what is called so, and what it is."""
    from siamaudio import network_options
    from siamaudio.presets import preset_description

    described: dict[str, dict[str, Any]] = {}
    if name in front_ends:
        default = sa.LogMel().to_dict()
        values = sa.LogMel.preset(name).to_dict()
        described["features"] = {key: value for key, value in values.items() if value != default.get(key)}
    if name not in networks:
        return described, ""
    options = network_options.to_dict(sa.SiameseNetwork.preset(name).get_params(deep=False))
    described["train"] = {"network": options}
    return described, preset_description(name)
