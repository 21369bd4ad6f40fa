"""Search for hyperparameters with Optuna, by one process or by many, on one machine or on several.

================================  =======================================================================
`tune`, `TuningResult`            run trials until a study has as many as were asked for; what they found
`TrialRecord`                     one trial
`SearchSpace`, `Range`            a search space as data: each option with its range or its choices
`search_space`, `PublishedSpace`  a published search space by name
`search_space_names`              their names
================================  =======================================================================

A trial is one network, made by a search space, trained by `siamaudio.SiameseNetwork.fit`, and judged on validation
classes. The study is in a journal file or in a PostgreSQL database; every process that is started with the same
arguments takes part, and where one dies the others take its trial over.

Examples
--------
>>> import siamaudio as sa
>>> space = sa.tuning.SearchSpace({"optimizer.lr": sa.tuning.Range(1e-4, 1e-2, log=True), "head": ["dense", None]})
>>> space.network({"optimizer.lr": 0.001, "head": "dense"}).optimizer.lr
0.001
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
