"""Options to and from dictionaries, names and text."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, ClassVar, Literal

import pytest

from siamaudio.errors import ParameterError
from siamaudio.options import Registry, with_settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """Without a name: where it stands says what it is."""

    size: int = 3
    kind: Literal["plain", "dilated"] = "plain"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slow:
    name: ClassVar[str] = "slow"
    factor: float = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fast:
    name: ClassVar[str] = "fast"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Net:
    name: ClassVar[str] = "net"
    layers: tuple[Layer, ...] = (Layer(),)
    shape: tuple[int, float] = (2, 0.25)
    speed: Slow | Fast | None = None
    title: str | None = None
    is_deep: bool = False
    sizes: tuple[int, ...] = (1, 2)
    weight: float = 1.0
    limit: int | float = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Empty:
    name: ClassVar[str] = "empty"


registry: Registry[Net | Empty] = Registry("model", (Net, Empty))


@pytest.mark.parametrize(
    "option",
    [
        Net(),
        Empty(),
        Net(layers=(), sizes=(), title="a,b", is_deep=True),
        Net(layers=(Layer(size=5), Layer(kind="dilated")), speed=Slow(factor=0.1), shape=(7, 1e-3), weight=2.0),
        Net(speed=Fast()),
    ],
)
def test_an_option_survives_json(option: Any):
    data = json.loads(json.dumps(registry.to_dict(option)))
    assert registry.from_dict(data) == option


def test_a_dictionary_names_types_and_fields():
    assert registry.to_dict(Net(speed=Slow())) == {
        "type": "net",
        "layers": [{"size": 3, "kind": "plain"}],
        "shape": [2, 0.25],
        "speed": {"type": "slow", "factor": 0.5},
        "title": None,
        "is_deep": False,
        "sizes": [1, 2],
        "weight": 1.0,
        "limit": 4,
    }


def test_absent_fields_have_their_defaults():
    assert registry.from_dict({"type": "net", "sizes": [4]}) == Net(sizes=(4,))


def test_a_whole_number_is_a_float_where_one_is_meant():
    net = registry.from_dict({"type": "net", "weight": 3})
    assert isinstance(net, Net)
    assert isinstance(net.weight, float)


@pytest.mark.parametrize(
    ("data", "parameter", "accepted"),
    [
        ({"type": "other"}, "model type", "'net', 'empty'"),
        ({}, "model type", "'net', 'empty'"),
        ({"type": "net", "colour": 1}, "model.colour", "'layers', 'shape', 'speed'"),
        ({"type": "empty", "colour": 1}, "model.colour", "none"),
        ({"type": "net", "weight": "1"}, "model.weight", "a number"),
        ({"type": "net", "weight": True}, "model.weight", "a number"),
        ({"type": "net", "is_deep": 1}, "model.is_deep", "true or false"),
        ({"type": "net", "title": 1}, "model.title", "a string"),
        ({"type": "net", "sizes": [1, 2.5]}, "model.sizes[1]", "a whole number"),
        ({"type": "net", "sizes": 3}, "model.sizes", "a list, each of its items a whole number"),
        ({"type": "net", "shape": [1]}, "model.shape", "2 values"),
        ({"type": "net", "speed": {"type": "medium"}}, "model.speed type", "'slow', 'fast'"),
        ({"type": "net", "speed": 3}, "model.speed", "none, slow, fast"),
        ({"type": "net", "layers": [{"size": 1, "depth": 2}]}, "model.layers[0].depth", "'size', 'kind'"),
        ({"type": "net", "layers": [{"kind": "round"}]}, "model.layers[0].kind", "'plain', 'dilated'"),
    ],
)
def test_what_is_unknown_is_rejected(data: dict[str, Any], parameter: str, accepted: str):
    with pytest.raises(ParameterError) as caught:
        registry.from_dict(data)
    assert caught.value.parameter == parameter
    assert accepted in caught.value.accepted


def test_no_mapping_is_no_option():
    with pytest.raises(ParameterError, match="model: got 5; accepted: net, empty"):
        registry.from_dict(5)  # pyright: ignore[reportArgumentType]


def test_parse_takes_names_and_instances():
    assert registry.names == ("net", "empty")
    assert registry.parse("net") == Net()
    net = Net(title="mine")
    assert registry.parse(net) is net
    for wrong in ("Net", Slow(), Net, None):
        with pytest.raises(ParameterError, match="'net', 'empty'"):
            registry.parse(wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ParameterError, match="'net', 'empty'"):
        registry.to_dict(Slow())  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("weight", "2", 2.0),
        ("weight", "1e-3", 1e-3),
        ("is_deep", "true", True),
        ("is_deep", "False", False),
        ("title", "two words", "two words"),
        ("title", "none", None),
        ("title", "", ""),
        ("sizes", "3, 4,5", (3, 4, 5)),
        ("sizes", "3", (3,)),
        ("sizes", "3,", (3,)),
        ("sizes", "", ()),
        ("shape", "3,1", (3, 1.0)),
        ("speed", "slow", Slow()),
        ("speed", "none", None),
        ("limit", "7", 7),
        ("limit", "7.5", 7.5),
    ],
)
def test_text_is_read_by_the_type_of_its_field(field: str, text: str, value: Any):
    before = Net(title="x", speed=Fast())
    after = with_settings(before, {field: text})
    assert after == dataclasses.replace(before, **{field: value})
    assert type(getattr(after, field)) is type(value)


def test_settings_reach_into_options_in_their_order():
    assert with_settings(Net(), {"speed": "slow", "speed.factor": "0.75", "weight": "3"}) == Net(
        speed=Slow(factor=0.75), weight=3.0
    )


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (2, [1, 2]), (4, [1, 2, 2, 2])])
def test_the_count_of_several_keeps_the_first_and_repeats_the_last(count: int, sizes: list[int]):
    net = with_settings(Net(layers=(Layer(size=1), Layer(size=2))), {"layers.count": str(count)})
    assert [layer.size for layer in net.layers] == sizes
    assert with_settings(Net(layers=()), {"layers.count": "0"}) == Net(layers=())


@pytest.mark.parametrize(
    ("field", "text", "accepted"),
    [
        ("layers.count", "-1", "0 or more"),
        ("layers.count", "two", "0 or more"),
        ("layers.all", "1", "or 'count'"),
        ("colour", "1", "the fields of net are 'layers', 'shape'"),
        ("weight", "heavy", "a number"),
        ("sizes", "1,2.5", "a whole number"),
        ("shape", "1,2,3", "2 values"),
        ("is_deep", "1", "true or false"),
        ("speed", "medium", "none, slow, fast"),
        ("speed.factor", "1", "here is none"),  # speed is None
        ("weight.factor", "1", "here is none"),
    ],
)
def test_settings_that_do_not_fit_are_rejected(field: str, text: str, accepted: str):
    with pytest.raises(ParameterError) as caught:
        with_settings(Net(), {field: text})
    assert caught.value.parameter == field
    assert text.endswith(caught.value.received)  # of a list the item
    assert accepted in caught.value.accepted


def test_a_choice_of_words_is_kept_to():
    assert with_settings(Layer(), {"kind": "dilated"}).kind == "dilated"
    with pytest.raises(ParameterError, match="accepted: 'plain', 'dilated'"):
        with_settings(Layer(), {"kind": "round"})


def test_nothing_cannot_be_repeated():
    with pytest.raises(ParameterError, match=r"layers\.count: got 2; accepted: 0: there is none to repeat"):
        with_settings(Net(layers=()), {"layers.count": "2"})
