"""What happened in each epoch of a training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["History"]


class History:
    """One record an epoch.

    Parameters
    ----------
    records : iterable of dict
        Each with ``epoch`` (from 0), ``loss`` (mean over the steps), ``lr`` (learning rate at the end), ``seconds``,
        ``clips_per_second`` and ``num_clips`` (encoded). Those of a siamese network also with ``validation_accuracy``
        (exact one-shot accuracy in [0, 1], None where it was not measured) and ``num_pairs`` (or triplets); those of a
        variational autoencoder with ``validation_loss`` (None where it was not measured), ``reconstruction``, ``kl``
        (what the loss is made of) and ``beta`` (weight of the latter).

    Examples
    --------
    >>> import siamaudio as sa
    >>> history = sa.History([{"epoch": 0, "loss": 0.7}, {"epoch": 1, "loss": 0.6}])
    >>> history
    History(2 epochs, loss 0.6000)
    >>> history["loss"]
    [0.7, 0.6]
    """

    def __init__(self, records: Iterable[dict[str, Any]] = ()) -> None:
        self.records: tuple[dict[str, Any], ...] = tuple(records)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __getitem__(self, name: str) -> list[Any]:
        """Return one quantity over the epochs, as in ``history["loss"]``."""
        return [record[name] for record in self.records]

    def __repr__(self) -> str:
        if not self.records:
            return "History(0 epochs)"
        last = self.records[-1]
        accuracy, loss = last.get("validation_accuracy"), last.get("validation_loss")
        shown = "" if accuracy is None else f", validation accuracy {accuracy:.1%}"
        shown += "" if loss is None else f", validation loss {loss:.4f}"
        return f"History({len(self)} epochs, loss {last['loss']:.4f}{shown})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html()}"

    def to_frame(self) -> pd.DataFrame:
        """Return the records as a table, one row an epoch."""
        import pandas as pd

        return pd.DataFrame(list(self.records)).set_index("epoch") if self.records else pd.DataFrame()

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the loss, and validation where there was any: its loss, or on a second axis its accuracy.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_history(self, ax=ax)
