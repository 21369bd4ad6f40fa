"""Options as data: frozen dataclasses with a name, to and from dictionaries, names and text.

A module of options (`siamaudio.losses`, ...) lists its classes in one `Registry`. Each class is a frozen dataclass with
a class attribute ``name``; its fields are numbers, strings, None, tuples, and other such options.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from siamaudio.errors import ParameterError

__all__ = ["Registry", "changed_repr", "with_settings"]

Option = TypeVar("Option")
_NONE = "none"
_BOOLS = {"true": True, "false": False}
_UNREADABLE = object()  # returned for a text that is no value of a type


class Registry(Generic[Option]):
    """The options of one kind, by name.

    Parameters
    ----------
    kind : str
        What they are, as errors call it: "loss".
    classes : tuple of type
        Frozen dataclasses with a class attribute ``name``.

    Examples
    --------
    >>> from siamaudio import losses
    >>> losses.registry.to_dict(losses.Triplet(margin=0.5))["margin"]
    0.5
    >>> losses.registry.parse("triplet").margin
    1.0
    """

    def __init__(self, kind: str, classes: tuple[type[Option], ...]) -> None:
        self.kind = kind
        self.classes = classes
        self._by_name: dict[str, type[Option]] = {_name_of(cls): cls for cls in classes}

    def __repr__(self) -> str:
        return f"<registry of {self.kind} options: {_listed(self.names)}>"

    @property
    def names(self) -> tuple[str, ...]:
        """What `parse` and `from_dict` accept as a name."""
        return tuple(self._by_name)

    def to_dict(self, option: Option) -> dict[str, Any]:
        """Describe an option as JSON can hold it.

        Parameters
        ----------
        option
            An instance of one of the classes.

        Returns
        -------
        dict
            ``{"type": name, **fields}``; options among the fields likewise, tuples as lists.

        Raises
        ------
        ParameterError
            It is no option of this kind.
        """
        return _to_json(self.parse(option))

    def from_dict(self, data: Mapping[str, Any]) -> Option:
        """Make the option that `to_dict` described; a field that is absent has its default.

        Parameters
        ----------
        data : mapping
            As from `to_dict`.

        Raises
        ------
        ParameterError
            A name, a field or the type of a value is unknown; the message lists what is accepted.
        """
        return _from_json(self.classes, data, self.kind)

    def parse(self, option: str | Option) -> Option:
        """Return the option of a name with its defaults, or the option itself.

        Parameters
        ----------
        option : str or an option of this kind
            What a user passed.

        Raises
        ------
        ParameterError
            There is no such name, or it is something else.
        """
        if isinstance(option, str):
            if option not in self._by_name:
                raise ParameterError(self.kind, option, _listed(self.names))
            return self._by_name[option]()
        if not isinstance(option, self.classes):
            accepted = _listed([cls.__name__ for cls in self.classes])
            raise ParameterError(self.kind, option, f"{accepted}, or one of the names {_listed(self.names)}")
        return option

    def to_core(self, option: str | Option) -> Any:
        """Return an option as the C++ core takes it: the struct of its class's name, with the same fields.

        Parameters
        ----------
        option : str or an option of this kind
            As for `parse`.

        Raises
        ------
        ParameterError
            A field has a value of another type, or a number that is out of its range.
        """
        from siamaudio._engine import core

        checked = self.from_dict(self.to_dict(self.parse(option)))
        return getattr(core, type(checked).__name__ + "Options")(**dataclasses.asdict(checked))  # pyright: ignore[reportArgumentType]


def changed_repr(option: Any) -> str:
    """Return what makes a dataclass's instance again, without the fields that have their defaults.

    Parameters
    ----------
    option : dataclass instance
        One whose fields all are keyword-only and have defaults.

    Examples
    --------
    >>> from siamaudio import ConvBlock
    >>> ConvBlock(filters=8)
    ConvBlock(filters=8)
    """
    defaults = type(option)()
    changed = [
        f"{field.name}={getattr(option, field.name)!r}"
        for field in dataclasses.fields(option)
        if getattr(option, field.name) != getattr(defaults, field.name)
    ]
    return f"{type(option).__name__}({', '.join(changed)})"


def with_settings(option: Option, settings: Mapping[str, str], *, within: str = "") -> Option:
    """Replace fields of an option by values given as text, as on a command line.

    Parameters
    ----------
    option
        A dataclass instance, which stays as it is.
    settings : mapping from str to str
        Field name to value: a number, "true" or "false", "none" where the field may be None, a string, numbers or
        strings with commas between them for a tuple, or the name of an option. "schedule.warmup" sets a field of the
        option that is in the field "schedule", "blocks.0.filters" one of the first of several, and "blocks.all.filters"
        that of each; options with a name are found by it, too. "blocks.count" keeps the first so many, and repeats the
        last where there are fewer. Settings are made in their order.
    within : str
        What errors put before the names of fields.

    Returns
    -------
    The option with other values.

    Raises
    ------
    ParameterError
        A field is unknown, or a text is no value of the field's type.

    Examples
    --------
    >>> from siamaudio import losses
    >>> from siamaudio.options import with_settings
    >>> with_settings(losses.Contrastive(), {"margin": "2", "form": "b"}).margin
    2.0
    """
    for path, text in settings.items():
        option = _with_setting(option, path.split("."), text, f"{within}.{path}" if within else path)
    return option


# ---- Inside


def _with_setting(option: Any, path: list[str], text: str, whole_path: str) -> Any:
    if isinstance(option, tuple):
        return _with_setting_of_items(option, path, text, whole_path)
    hints = _field_types(type(option)) if _is_dataclass(type(option)) else {}
    field = path[0]
    if field not in hints:
        raise ParameterError(whole_path, text, _fields_listed(type(option), hints))
    if len(path) == 1:
        value = _from_text(hints[field], text, whole_path)
    else:
        value = _with_setting(getattr(option, field), path[1:], text, whole_path)
    return dataclasses.replace(option, **{field: value})


def _with_setting_of_items(items: tuple[Any, ...], path: list[str], text: str, whole_path: str) -> Any:
    if path == ["count"]:
        return _counted(items, text, whole_path)
    known = {str(index): index for index in range(len(items))}
    known |= {_name_of(type(item)): index for index, item in enumerate(items) if _name_of(type(item))}
    if len(path) < 2 or (path[0] != "all" and path[0] not in known):
        raise ParameterError(
            whole_path, text, f"a field of one of several: {_listed(known)} or 'all', and the field; or 'count'"
        )
    chosen = range(len(items)) if path[0] == "all" else (known[path[0]],)
    return tuple(
        _with_setting(item, path[1:], text, whole_path) if index in chosen else item for index, item in enumerate(items)
    )


def _counted(items: tuple[Any, ...], text: str, whole_path: str) -> tuple[Any, ...]:
    count = _read(int, text)
    if count is _UNREADABLE or count < 0 or (count > 0 and not items):
        raise ParameterError(whole_path, text, "0: there is none to repeat" if not items else "how many, 0 or more")
    return items[:count] + items[-1:] * (count - len(items))


def _fields_listed(cls: type, hints: Mapping[str, Any]) -> str:
    if not hints:
        return "a field of an option; here is none"
    return f"the fields of {_name_of(cls) or cls.__name__} are {_listed(hints)}"


def _to_json(value: Any) -> Any:
    if _is_dataclass(type(value)):
        name = _name_of(type(value))
        fields = {field.name: _to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": name, **fields} if name else fields
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    return value


def _from_json(hint: Any, value: Any, name: str) -> Any:
    """Make the value of a field of type `hint`, or of one of a tuple of option classes, from JSON."""
    members = _members(hint)
    if value == _NONE and members[0] is types.NoneType:
        return None  # TOML has no other way to say it
    classes = [member for member in members if _is_dataclass(member)]
    if classes and isinstance(value, Mapping):
        return _option_from_json(classes, value, name)
    for member in members:
        if typing.get_origin(member) is tuple and isinstance(value, list | tuple):
            return tuple(
                _from_json(item, part, f"{name}[{i}]")
                for i, (item, part) in enumerate(zip(_tuple_items(member, len(value), name, value), value, strict=True))
            )
        if _is_of(member, value):
            return float(value) if member is float else value
    raise ParameterError(name, value, _accepted(members))


def _option_from_json(classes: list[type], data: Mapping[str, Any], name: str) -> Any:
    fields = dict(data)
    if len(classes) > 1 or _name_of(classes[0]):
        by_name = {_name_of(cls): cls for cls in classes}
        known = fields.pop("type", None)
        if known not in by_name:
            raise ParameterError(f"{name} type", known, _listed(by_name))
        cls = by_name[known]
    else:
        cls = classes[0]
    hints = _field_types(cls)
    for field, value in fields.items():
        if field not in hints:
            raise ParameterError(f"{name}.{field}", value, _fields_listed(cls, hints))
    return cls(**{field: _from_json(hints[field], value, f"{name}.{field}") for field, value in fields.items()})


def _from_text(hint: Any, text: str, name: str) -> Any:
    members = _members(hint)
    for member in members:
        if typing.get_origin(member) is tuple:
            parts = [part.strip() for part in text.split(",")] if text else []
            if parts and not parts[-1]:
                parts.pop()  # "64," is a tuple of one, as in Python
            return tuple(
                _from_text(item, part, name)
                for item, part in zip(_tuple_items(member, len(parts), name, text), parts, strict=True)
            )
        value = _read(member, text)
        if value is not _UNREADABLE:
            return value
    raise ParameterError(name, text, _accepted(members))


def _read(member: Any, text: str) -> Any:
    """Read text as a value of one type."""
    if member is types.NoneType:
        return None if text.lower() == _NONE else _UNREADABLE
    if member is bool:
        return _BOOLS.get(text.lower(), _UNREADABLE)
    if typing.get_origin(member) is typing.Literal:
        return text if text in typing.get_args(member) else _UNREADABLE
    if _is_dataclass(member):
        return member() if text == _name_of(member) else _UNREADABLE
    try:
        return member(text)  # int, float, str
    except ValueError:
        return _UNREADABLE


def _is_of(member: Any, value: Any) -> bool:
    if typing.get_origin(member) is typing.Literal:
        return value in typing.get_args(member)
    if member is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if member is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(member, type) and isinstance(value, member)


def _accepted(members: tuple[Any, ...]) -> str:
    words = {types.NoneType: _NONE, bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
    parts = []
    for member in members:
        if typing.get_origin(member) is typing.Literal:
            parts += [repr(choice) for choice in typing.get_args(member)]
        elif typing.get_origin(member) is tuple:
            items = tuple(item for item in typing.get_args(member) if item is not ...)
            parts.append("a list, each of its items " + _accepted(_members(items[0])))
        elif _is_dataclass(member):
            parts.append(_name_of(member) or member.__name__)
        else:
            parts.append(words[member])
    return ", ".join(parts)


def _tuple_items(member: Any, size: int, name: str, received: Any) -> tuple[Any, ...]:
    """Return the types of a tuple's items, for a value of `size` items."""
    items = typing.get_args(member)
    if len(items) == 2 and items[1] is ...:
        return items[:1] * size
    if len(items) != size:
        raise ParameterError(name, received, f"{len(items)} values")
    return items


def _members(hint: Any) -> tuple[Any, ...]:
    """Return the types that a field may have: None first, so that "none" is None even where a string is accepted."""
    if isinstance(hint, tuple):
        return hint
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for part in typing.get_args(hint) for member in _members(part)]
        return tuple(sorted(members, key=lambda member: member is not types.NoneType))
    return (hint,)


@functools.cache
def _field_types(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _is_dataclass(cls: Any) -> bool:
    return isinstance(cls, type) and dataclasses.is_dataclass(cls)


def _name_of(cls: type) -> str:
    name = getattr(cls, "name", "")
    return name if isinstance(name, str) else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
