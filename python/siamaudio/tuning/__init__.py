"""Search for hyperparameters with Optuna, by one process or by many, on one machine or on several.

`tune` runs trials until a study has as many as were asked for. A trial is one network, made by a search space, trained
by `SiameseNetwork.fit`, and judged on validation classes. The study is in a journal file or in a PostgreSQL database;
every process that is started with the same arguments takes part, and where one dies the others take its trial over.
"""

from siamaudio.tuning.results import TrialRecord, TuningResult
from siamaudio.tuning.spaces import PublishedSpace, Range, SearchSpace, search_space, search_space_names
from siamaudio.tuning.tuner import tune

__all__ = [
    "PublishedSpace",
    "Range",
    "SearchSpace",
    "TrialRecord",
    "TuningResult",
    "search_space",
    "search_space_names",
    "tune",
]
