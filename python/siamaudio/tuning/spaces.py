"""Search spaces: what makes a network of each trial. A space is any function from an Optuna trial to a network."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamaudio import losses, network_options, samplers
from siamaudio.encoders import ConvBlock, ConvEncoder, Dense
from siamaudio.errors import ParameterError
from siamaudio.network import SiameseNetwork
from siamaudio.optimizers import Adam

if TYPE_CHECKING:
    import optuna

__all__ = ["PublishedSpace", "Range", "SearchSpace", "Space", "search_space", "search_space_names"]

Space = Callable[["optuna.Trial"], SiameseNetwork]
Choice = str | int | float | bool | None


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from one to another: whole ones if both ends are whole.

    Parameters
    ----------
    low, high : int or float
        Smallest and largest value.
    log : bool
        Draw the logarithm evenly; the ends are greater than 0.

    Raises
    ------
    ParameterError
        The ends are no numbers, or not in order.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.tuning.Range(1e-4, 1e-2, log=True)
    Range(low=0.0001, high=0.01, log=True)
    """

    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        ends = (self.low, self.high)
        if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends) or not (
            self.low < self.high and (self.low > 0 or not self.log)
        ):
            raise ParameterError(
                "Range", f"{self.low!r} to {self.high!r}", "a number and a larger one, both greater than 0 where log"
            )

    def suggest(self, trial: optuna.Trial, name: str) -> int | float:
        """Return the trial's value.

        Parameters
        ----------
        trial : optuna.Trial
            Optuna's.
        name : str
            What it is called there.

        Returns
        -------
        int or float
            Within the range.
        """
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


class SearchSpace:
    """A search space as data: options of a network by their address, each with its range or its choices.

    A value is put in as ``siamaudio train --set`` does, in the order of the addresses, each in every trial. What a
    mapping cannot say, such as a choice that hangs on another, a function can: see `tune`.

    Parameters
    ----------
    parameters : mapping from str to Range or sequence
        Address, as of `SiameseNetwork.set_from_text`, to a `Range` or to the values to choose from: strings, numbers,
        booleans, None.
    preset : str or path-like
        The network whose options these are, as of `SiameseNetwork.preset`: what is not searched stays as it is there.
    name : str
        Of the space, and of a study that is given none.

    Raises
    ------
    ParameterError
        There is no such preset or address, a choice is no value of its option, or there is nothing to choose.

    Examples
    --------
    >>> import siamaudio as sa
    >>> space = sa.tuning.SearchSpace(
    ...     {
    ...         "encoder.blocks.count": [2, 3],
    ...         "encoder.blocks.all.filters": [16, 32],
    ...         "optimizer.lr": sa.tuning.Range(1e-4, 1e-2, log=True),
    ...     },
    ...     preset="honka2019",
    ... )
    >>> space
    SearchSpace('free', 3 parameters of honka2019)
    """

    def __init__(
        self,
        parameters: Mapping[str, Range | Sequence[Choice]],
        *,
        preset: str | os.PathLike[str] = "honka2019",
        name: str = "free",
    ) -> None:
        self.parameters: dict[str, Range | tuple[Choice, ...]] = {
            address: _domain(address, values) for address, values in parameters.items()
        }
        self.preset: str = os.fspath(preset)
        self.name = name
        if not self.parameters:
            raise ParameterError("parameters", "none", "one or more addresses, each with a Range or choices")
        for position in range(max(len(_ends(domain)) for domain in self.parameters.values())):
            self.network({address: _ends(domain)[: position + 1][-1] for address, domain in self.parameters.items()})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SearchSpace:
        r"""Read a search space from a TOML or JSON file.

        Parameters
        ----------
        path : path-like
            ``*.toml`` or ``*.json``: ``preset``, and a table ``parameters`` from address to a list of choices or a
            table of ``low``, ``high`` and ``log``.

        Raises
        ------
        ParameterError
            There is no such file, or it holds no search space.

        Examples
        --------
        >>> from pathlib import Path
        >>> import siamaudio as sa
        >>> text = 'preset = "modern"\n[parameters]\n"optimizer.lr" = {low = 1e-4, high = 1e-2, log = true}\n'
        >>> _ = Path("space.toml").write_text(text)
        >>> sa.tuning.SearchSpace.load("space.toml").parameters
        {'optimizer.lr': Range(low=0.0001, high=0.01, log=True)}
        """
        accepted = "a TOML or JSON file with preset and parameters"
        try:
            text = Path(path).read_text(encoding="utf-8")
            content = tomllib.loads(text) if os.fspath(path).endswith(".toml") else json.loads(text)
        except OSError as error:
            raise ParameterError("space", f"{os.fspath(path)} ({error.strerror})", accepted) from error
        except ValueError as error:  # no TOML, JSON or UTF-8
            raise ParameterError("space", f"{os.fspath(path)} ({error})", accepted) from error
        if not isinstance(content, dict) or not {"parameters"} <= set(content) <= {"parameters", "preset", "name"}:
            raise ParameterError("space", f"{os.fspath(path)}, which holds something else", accepted)
        parameters = content["parameters"]
        if not isinstance(parameters, dict):
            raise ParameterError("parameters", parameters, "a table from address to choices or range")
        options = {"name": Path(path).stem, **{key: content[key] for key in ("preset", "name") if key in content}}
        return cls(dict(_from_tables("", parameters)), **options)

    def network(self, values: Mapping[str, Choice]) -> SiameseNetwork:
        """Return the network, untrained, of one value of each parameter.

        Parameters
        ----------
        values : mapping from str to value
            Address to value; those left out are as in the preset.

        Returns
        -------
        SiameseNetwork
            Not trained.
        """
        return SiameseNetwork.preset(self.preset).set_from_text(
            {address: _text(value) for address, value in values.items()}
        )

    def __call__(self, trial: optuna.Trial) -> SiameseNetwork:
        """Return the network of a trial."""
        values = {}
        for address, domain in self.parameters.items():
            if isinstance(domain, Range):
                values[address] = domain.suggest(trial, address)
            else:
                values[address] = trial.suggest_categorical(address, domain)
        return self.network(values)

    def to_dict(self) -> dict[str, Any]:
        """Describe the space as JSON can hold it."""
        parameters = {
            address: dataclasses.asdict(domain) if isinstance(domain, Range) else list(domain)
            for address, domain in self.parameters.items()
        }
        base = SiameseNetwork.preset(self.preset).get_params(deep=False)
        return {"network": network_options.to_dict(base), "parameters": parameters}

    def __repr__(self) -> str:
        return f"SearchSpace({self.name!r}, {len(self.parameters)} parameters of {self.preset})"


def _domain(address: str, values: Any) -> Range | tuple[Choice, ...]:
    if isinstance(values, Range):
        return values
    accepted = "a Range, or a list of strings, numbers, booleans or None to choose from"
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise ParameterError(address, values, accepted)
    for value in values:
        if not isinstance(value, str | int | float | bool | None):
            raise ParameterError(address, value, accepted)
    return tuple(values)


def _ends(domain: Range | tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Return the values that show whether all are accepted."""
    return (domain.low, domain.high) if isinstance(domain, Range) else domain


def _from_tables(within: str, table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield address and domain; TOML makes a table of an address without quotes."""
    for key, value in table.items():
        address = f"{within}{key}"
        if not isinstance(value, dict):
            yield address, value
        elif not {"low", "high"} & set(value):
            yield from _from_tables(f"{address}.", value)
        elif not {"low", "high"} <= set(value) <= {"low", "high", "log"}:
            raise ParameterError(address, value, "a table of low, high and, optionally, log; or a list of choices")
        else:
            yield address, Range(**value)


def _text(value: Choice) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


# ---- Published spaces


@dataclasses.dataclass(frozen=True)
class PublishedSpace:
    """A search space by name, with how long its source trains a trial.

    Attributes
    ----------
    name : str
        Its name.
    make : callable
        From an Optuna trial to a network.
    epochs : int
        Most epochs of a trial.
    patience : int
        As of `SiameseNetwork.fit`.
    description : str
        What it is and where it comes from.
    """

    name: str
    make: Space
    epochs: int
    patience: int
    description: str

    def __call__(self, trial: optuna.Trial) -> SiameseNetwork:
        """Return the network of a trial."""
        return self.make(trial)


_DROPOUTS = (0.0, 0.25, 0.5)

_HONKA2019 = SearchSpace(
    {
        "encoder.blocks.count": (1, 2, 3, 4),
        "encoder.blocks.all.filters": (16, 32, 64),
        "encoder.blocks.all.dropout": _DROPOUTS,
        "encoder.dense.0.units": (125, 250, 500),
        "encoder.dense.0.dropout": _DROPOUTS,
        "distance": ("absolute", "squared"),
        "loss": ("mse", "bce"),
        "optimizer.lr": Range(1e-4, 1e-2, log=True),
        "optimizer.schedule.decay": Range(1e-7, 1e-5, log=True),
        "sampler.negative_ratio": (1.0, 2.0),
    },
    preset="honka2019",
    name="honka2019",
)


def _fedele2022(trial: optuna.Trial) -> SiameseNetwork:
    num_blocks = trial.suggest_int("blocks", 1, 4)
    pooling: Any = trial.suggest_categorical("pooling", ("average", "max"))
    dropout = trial.suggest_categorical("convolution dropout", _DROPOUTS)
    blocks = tuple(
        ConvBlock(
            filters=trial.suggest_categorical(f"filters {number + 1}", (12, 32, 64)),
            kernel_size=5 if number < 2 else 3,
            batch_norm=False,
            pooling=pooling,
            dropout=dropout,
        )
        for number in range(num_blocks)
    )
    dense = Dense(
        units=trial.suggest_categorical("dense units", (1024, 2048, 4096)),
        batch_norm=False,
        activation="sigmoid",
        dropout=trial.suggest_categorical("dense dropout", _DROPOUTS),
    )
    loss = losses.registry.parse(trial.suggest_categorical("loss", ("bce", "mse", "contrastive")))
    is_contrastive = isinstance(loss, losses.Contrastive)
    distance: Any = "euclidean"
    if not is_contrastive:
        distance = trial.suggest_categorical("distance", ("absolute", "squared"))
    num_positive = trial.suggest_categorical("positive pairs", (2, 4, 6))
    positive, negative = map(
        int, trial.suggest_categorical("pair ratio", ("1:1", "1:2", "1:3", "2:1", "3:1")).split(":")
    )
    return SiameseNetwork(
        ConvEncoder(input_batch_norm=False, blocks=blocks, dense=(dense,)),
        distance=distance,
        head=None if is_contrastive else "dense",
        loss=loss,
        sampler=samplers.AnchorPairs(
            num_positive=num_positive, num_negative=max(1, round(num_positive * negative / positive))
        ),
        optimizer=Adam(),
    )


_PUBLISHED = {
    space.name: space
    for space in (
        PublishedSpace(
            name="honka2019",
            make=_HONKA2019,
            epochs=12,
            patience=0,
            description="Honka 2019: layers, filters, dense units, distance, loss, learning rate and its decay, "
            "dropouts, and negative pairs around the preset of this name; published with 50 trials of 12 epochs "
            "by TPE, without pruning, and one seed for all trials, where here each has its own.",
        ),
        PublishedSpace(
            name="fedele2022",
            make=_fedele2022,
            epochs=50,
            patience=10,
            description="Fedele et al. 2022: layers, filters of each, pooling, dense units, distance, loss, dropouts, "
            "positive pairs and their ratio to negative ones. Kernels are 5 x 5 in two layers and 3 x 3 after them, as "
            "in the network that was found. The report does not say what the contrastive loss is computed on: here "
            "the Euclidean distance, which then is the similarity, without a dense unit on top.",
        ),
    )
}


def search_space_names() -> tuple[str, ...]:
    """Return the names that `search_space` knows.

    Returns
    -------
    tuple of str
        For `search_space`, `tune` and ``siamaudio tune --space``.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.tuning.search_space_names()
    ('fedele2022', 'honka2019')
    """
    return tuple(sorted(_PUBLISHED))


def search_space(name: str) -> PublishedSpace:
    """Return a published search space.

    Parameters
    ----------
    name : str
        One of `search_space_names`.

    Returns
    -------
    PublishedSpace
        What `tune` takes, with how long its source trains.

    Raises
    ------
    ParameterError
        There is no such space.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.tuning.search_space("honka2019").make.parameters["encoder.dense.0.units"]
    (125, 250, 500)
    """
    if name not in _PUBLISHED:
        names = ", ".join(search_space_names())
        raise ParameterError("space", name, f"{names}, a file *.toml or *.json, or a function of an Optuna trial")
    return _PUBLISHED[name]
