"""The protocols of one-shot and few-shot evaluation by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, get_args

from siamaudio.errors import ParameterError
from siamaudio.evaluation.exact import evaluate_oneshot
from siamaudio.evaluation.fewshot import evaluate_fewshot
from siamaudio.evaluation.papers import fedele2022, honka2019, metaaudio
from siamaudio.evaluation.results import EvaluationResult
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

__all__ = ["Protocol", "evaluate"]

Protocol = Literal["exact", "sampled", "honka2019", "fedele2022", "metaaudio"]

_PROTOCOLS: dict[str, Callable[..., EvaluationResult]] = {
    "exact": evaluate_oneshot,
    "sampled": evaluate_fewshot,
    "honka2019": honka2019,
    "fedele2022": fedele2022,
    "metaaudio": metaaudio,
}


def evaluate(
    net: SiameseNetwork, features: Features, *, protocol: Protocol = "exact", **options: Any
) -> EvaluationResult:
    """Evaluate a network by one of the protocols.

    Parameters
    ----------
    net : SiameseNetwork
        A trained network.
    features : Features
        Clips of classes that the network has not been trained on.
    protocol : {"exact", "sampled", "honka2019", "fedele2022", "metaaudio"}
        `evaluate_oneshot`, `evaluate_fewshot`, or the function of this name.
    **options
        Of that function; None: its own default. What a protocol fixes may be given as it is fixed: one shot where
        there is one, all classes as the ways of "honka2019".

    Returns
    -------
    EvaluationResult

    Raises
    ------
    ParameterError
        The protocol does not exist, or has no such option; see its function for more.
    """
    if protocol not in _PROTOCOLS:
        raise ParameterError("protocol", protocol, ", ".join(map(repr, get_args(Protocol))))
    function = _PROTOCOLS[protocol]
    known = inspect.signature(function).parameters
    fixed = {"shots": 1, "queries": 1, "ways": len(features.class_names)}
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in list(given.items()):
        if name in known:
            continue
        if name not in fixed:
            takers = [other for other, taker in _PROTOCOLS.items() if name in inspect.signature(taker).parameters]
            raise ParameterError(name, value, f"none for protocol {protocol!r}; {', '.join(map(repr, takers))} take it")
        if value != fixed[name]:
            raise ParameterError(name, value, f"{fixed[name]} for protocol {protocol!r}")
        del given[name]
    return function(net, features, **given)
