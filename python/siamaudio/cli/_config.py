"""Files of options in TOML: a table a command, with every option of it, whole networks among them.

Options that are objects in Python are tables here, as `Registry.to_dict` describes them: ``[train.network.optimizer]``
with ``type = "adamw"``, ``lr = 1e-3``. The word "none" stands for None, which TOML has not.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyclopts

from siamaudio.errors import ParameterError

if TYPE_CHECKING:
    from siamaudio import SiameseNetwork

__all__ = ["TomlConfig", "network_from", "to_toml"]

_SETTINGS = "set"


class TomlConfig:
    """Options that were not typed, from a file; what cyclopts calls a config.

    Parameters
    ----------
    path : Path
        The file.
    commands : iterable of str
        Tables that it may have.

    Raises
    ------
    ParameterError
        There is no such file, it is no TOML, or it has a table for no command.
    """

    def __init__(self, path: Path, commands: Iterable[str]) -> None:
        self._path = path
        self._tables = _read_toml("--config", path)
        known = sorted(commands)
        for name, table in self._tables.items():
            if name not in known:
                raise ParameterError("--config", f"{name} in {path}", f"a table of a command: {', '.join(known)}")
            if not isinstance(table, Mapping):
                raise ParameterError("--config", f"{name} = {table!r} in {path}", f"a table [{name}] of its options")

    def __call__(self, app: cyclopts.App, commands: tuple[str, ...], arguments: cyclopts.ArgumentCollection) -> None:
        if not commands or commands[0] not in self._tables:
            return
        known = {
            name.removeprefix("--"): argument
            for argument in arguments
            for name in argument.names
            if name.startswith("--") and name != "--help"
        }
        values: dict[str, Any] = {}
        settings: list[str] = []
        for key, value in self._tables[commands[0]].items():
            option = key.replace("_", "-")
            if option not in known:
                accepted = ", ".join(sorted(known))
                raise ParameterError("--config", f"{key} in [{commands[0]}] of {self._path}", accepted)
            if option != "network" and _SETTINGS in known and _is_described(value):
                values[option], own = _as_settings(option, value)
                settings += own
            elif isinstance(value, Mapping):
                values[option] = json.dumps(value)
            else:
                values[option] = value
        if settings:
            values[_SETTINGS] = [*settings, *values.get(_SETTINGS, [])]
        cyclopts.config.Dict({commands[0]: values}, source=str(self._path))(app, commands, arguments)


def network_from(preset: str, network: str | None) -> SiameseNetwork:
    """Return an untrained network: a preset, with the options of a file or of a JSON object in the place of its own.

    Parameters
    ----------
    preset : str
        As `SiameseNetwork.preset` takes it.
    network : str or None
        A file ``*.toml`` or ``*.json``, or a JSON object. What it does not name stays as in the preset; an option
        without a type keeps the preset's, and its fields that are not named.

    Raises
    ------
    ParameterError
        There is no such preset, file, option or field; the message says which there are.
    """
    import siamaudio as sa
    from siamaudio import network_options

    net = sa.SiameseNetwork.preset(preset)
    if network is None:
        return net
    described = network_options.to_dict(net.get_params(deep=False))
    for name, value in _network_table(network).items():
        if name not in described:
            raise ParameterError("network", name, ", ".join(described))
        described[name] = _merged(name, described[name], value)
    return sa.SiameseNetwork(**network_options.from_dict(described))


def to_toml(values: Mapping[str, Any], within: str = "") -> str:
    """Write what JSON can hold as TOML.

    Parameters
    ----------
    values : mapping
        Texts, numbers, truth values, None, lists and mappings of these.
    within : str
        Name of the table that holds them.

    Examples
    --------
    >>> print(to_toml({"head": None, "loss": [{"type": "mse"}], "optimizer": {"lr": 0.1}}, within="network"))
    [network]
    head = "none"
    loss = [{type = "mse"}]
    <BLANKLINE>
    [network.optimizer]
    lr = 0.1
    """
    tables = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    lines = [f"[{within}]"] if within else []
    lines += [f"{name} = {_inline(value)}" for name, value in values.items() if name not in tables]
    parts = ["\n".join(lines)] if len(lines) > bool(within) or not tables else []
    parts += [to_toml(table, f"{within}.{name}" if within else name) for name, table in tables.items()]
    return "\n\n".join(parts)


# ---- Inside


def _inline(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_inline(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        inner = [_inline(each) for each in value]
        if sum(map(len, inner)) > 80:
            return "[\n" + "".join(f"  {each},\n" for each in inner) + "]"
        return "[" + ", ".join(inner) + "]"
    return json.dumps(value)


def _read_toml(parameter: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(parameter, f"{path} ({error.strerror})", "a file in TOML") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise ParameterError(parameter, f"{path} ({error})", "a file in TOML") from error


def _network_table(network: str) -> dict[str, Any]:
    accepted = "a file *.toml or *.json, or a JSON object"
    if network.endswith(".toml"):
        return _inner(_read_toml("network", Path(network)))
    try:
        text = network if network.lstrip().startswith("{") else Path(network).read_text(encoding="utf-8")
        table = json.loads(text)
    except (OSError, ValueError) as error:
        raise ParameterError("network", f"{network} ({error})", accepted) from error
    if not isinstance(table, dict):
        raise ParameterError("network", network, accepted)
    return _inner(table)


def _inner(table: dict[str, Any]) -> dict[str, Any]:
    """Return the table of the network in a file that may be one for --config, or hold nothing else."""
    command = table.get("train", table)
    return command.get("network", command) if isinstance(command, dict) else table


def _merged(name: str, own: Any, given: Any) -> Any:
    """Return an option with what is given of it in the place of its own."""
    if name == "head" and given == "none":
        return None
    if name in ("loss", "augment"):
        each = given if isinstance(given, list) else [given]
        if name == "loss" and len(own) == len(each) == 1:
            return [_merged("", own[0], each[0])]
        return [_merged("", {}, one) for one in each]
    if isinstance(own, Mapping) and isinstance(given, str):
        return {"type": given}
    if (
        isinstance(own, Mapping)
        and isinstance(given, Mapping)
        and given.get("type", own.get("type")) == own.get("type")
    ):
        return {**own, **given}
    return given


def _is_described(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(each, Mapping) for each in value))


def _as_settings(option: str, value: Any) -> tuple[Any, list[str]]:
    """Return a table such as {type = "rise", keep = 0.3}, or several, as names and what --set says of them."""
    if isinstance(value, list):
        parts = [
            _as_settings(f"{option}.{number}", {"type": each} if isinstance(each, str) else each)
            for number, each in enumerate(value)
        ]
        return [name for name, _ in parts], [setting for _, own in parts for setting in own]
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        raise ParameterError(option, json.dumps(value), "a name, or a table with its type")

    def text(field: Any) -> str:
        return ",".join(map(text, field)) if isinstance(field, list) else str(field).lower()

    return value["type"], [f"{option}.{name}={text(each)}" for name, each in value.items() if name != "type"]
