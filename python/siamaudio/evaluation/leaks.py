"""What makes an evaluation look better than it is: clips of one recording, and clips that are copies of others."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.evaluation.exact import exact_scores
from siamaudio.evaluation.fingerprints import Fingerprints
from siamaudio.evaluation.subjects import as_subject, check_unseen, check_ways
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["LeakReport", "NearDuplicate", "leak_report"]

_POLICIES = {
    "standard": "query and support may share a source",
    "source-disjoint": "never of one source",
    "copy-disjoint": "never of one source, nor copies of each other",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """Two clips that seem to be of one recording.

    Attributes
    ----------
    first, second : int
        Positions of the clips, the lower one first.
    paths : tuple of (str, str)
        Their files.
    classes : tuple of (str, str)
        Their classes.
    similarity : float
        Of the fingerprints where they overlap, above 0; 1: the same.
    shift_frames : int
        So many frames later the first clip holds what the second holds.
    same_source : bool
        Whether the clips are known to be of one source.
    """

    first: int
    second: int
    paths: tuple[str, str]
    classes: tuple[str, str]
    similarity: float
    shift_frames: int
    same_source: bool


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class LeakReport:
    """Which clips are not independent, and what that does to the accuracy.

    Attributes
    ----------
    num_clips, num_sources : int
        Clips, and recordings that they were cut from.
    num_sharing : int
        Clips that share their source with another clip of their class.
    num_silent : int
        Clips without anything that a fingerprint could be taken of; they are compared with nothing.
    near_duplicates : tuple of NearDuplicate
        Clips that seem to be copies, most similar first.
    independent_sources : tuple of str, length clips
        What the clips are of if near-duplicates are of one source, too: for `sources` of evaluations and of `Features`.
    left_out : tuple of str
        Classes of a single source, which the accuracies are not about, so that all are about the same classes.
    accuracies : dict from str to float
        Exact one-shot accuracy: "standard"; "source-disjoint", where query and support are never of one source; and
        "copy-disjoint", where they are never near-duplicates either. The last two are not there where they would be no
        other, or where fewer classes than `ways` have two sources.
    gain : float
        By how much the standard accuracy is higher than the strictest of them; 0 where there is no other.
    ways : int
        Classes a task.
    compared_by : str
        What the accuracies are of, in words.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> array = np.random.default_rng(0).standard_normal((4, 32, 64))
    >>> array[3, :, :54] = 0.5 * array[2, :, 10:]  # the same, sooner and softer
    >>> report = sa.leak_report(sa.Features.from_arrays(array, ["a", "a", "b", "b"]), ways=2)
    >>> [(found.first, found.second, found.shift_frames) for found in report.near_duplicates]
    [(2, 3, 10)]
    """

    num_clips: int
    num_sources: int
    num_sharing: int
    num_silent: int
    near_duplicates: tuple[NearDuplicate, ...]
    independent_sources: tuple[str, ...]
    left_out: tuple[str, ...]
    accuracies: dict[str, float]
    gain: float
    ways: int
    compared_by: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Return everything as JSON, from which `from_json` makes the same report again."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the report that `to_json` wrote.

        Parameters
        ----------
        text : str
            What `to_json` returned.
        """
        values = json.loads(text)
        found = [
            NearDuplicate(**{**pair, "paths": tuple(pair["paths"]), "classes": tuple(pair["classes"])})
            for pair in values["near_duplicates"]
        ]
        return cls(
            **{
                **values,
                "near_duplicates": tuple(found),
                "independent_sources": tuple(values["independent_sources"]),
                "left_out": tuple(values["left_out"]),
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each pair of near-duplicates."""
        import pandas as pd

        columns = ("path", "other_path", "class", "other_class", "similarity", "shift_frames", "same_source")
        rows = [
            (*found.paths, *found.classes, found.similarity, found.shift_frames, found.same_source)
            for found in self.near_duplicates
        ]
        return pd.DataFrame(rows, columns=list(columns))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the accuracies beside each other.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_leaks(self, ax=ax)

    def __str__(self) -> str:
        new = sum(not found.same_source for found in self.near_duplicates)
        across = sum(found.classes[0] != found.classes[1] for found in self.near_duplicates)
        lines = [
            f"{self.num_clips} clips of {self.num_sources} sources; {self.num_sharing} "
            f"({self.num_sharing / max(1, self.num_clips):.0%}) share theirs with another clip of their class",
            f"{len(self.near_duplicates)} pairs of near-duplicates, {new} of them of different sources, "
            f"{across} of different classes",
            *(
                f"{self.ways}-way one-shot accuracy of {self.compared_by}, {_POLICIES[name]}: {accuracy:.1%}"
                for name, accuracy in self.accuracies.items()
            ),
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"LeakReport({self.num_sharing} of {self.num_clips} clips share a source, "
            f"{len(self.near_duplicates)} pairs of near-duplicates, gain {100 * self.gain:.1f} points)"
        )

    def _repr_html_(self) -> str:
        from html import escape

        lines = "<br>".join(map(escape, str(self).splitlines()))
        return f"<p>{lines}</p>{self.to_frame().to_html(float_format='{:.2f}'.format)}"


def leak_report(
    features: Features,
    net: SiameseNetwork | None = None,
    *,
    ways: int = 5,
    min_similarity: float = 0.3,
    allow_trained_classes: bool = False,
    num_threads: int | None = None,
    progress: bool = True,
) -> LeakReport:
    """Find clips that share a source or are copies of each other, and what the accuracy gains by them.

    Every two clips are compared by fingerprints of their spectrograms, at all shifts of up to half a clip. Copies are
    found though they are shifted in time, louder or softer, mixed with noise or coded anew; sped up or transposed ones
    are not.

    Parameters
    ----------
    features : Features
        Logarithmic spectrograms, such as `LogMel` makes.
    net : SiameseNetwork or None
        Whose accuracy to measure; None: that of the nearest raw spectrogram.
    ways : int
        Classes a task.
    min_similarity : float in (0, 1]
        Of two clips' fingerprints that count as near-duplicates. 0.3 is the customary bit error rate of 0.35 (Haitsma
        and Kalker 2002). Besides, the overlap must hold so much that chance does not give the similarity.
    allow_trained_classes : bool
        Accept classes that the network was trained on.
    num_threads : int > 0 or None
        CPU threads of the evaluation; None: one a core.
    progress : bool
        Show a progress bar on stderr, where comparing takes more than a second.

    Returns
    -------
    LeakReport

    Raises
    ------
    ParameterError
        A parameter is out of its range, the spectrograms are too small or not finite, or fewer than two classes have
        two clips.
    DatasetError
        A class was trained on.

    Notes
    -----
    Of 100 recordings of ESC-50, copied in each of these ways, 99 or 100 are found, and 93 with noise at 10 dB; of half
    a million other pairs 6 are, which are of one alarm clock under two names.

    The time is quadratic in the clips: fingerprints are compared in about 2 s for 2000 and 200 s for 20,000 clips on
    one core. Their memory is about 40 KB a clip.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> rng = np.random.default_rng(0)
    >>> array = np.repeat(rng.standard_normal((10, 32, 32)), 2, axis=0) + 0.2 * rng.standard_normal((20, 32, 32))
    >>> sources = [f"recording {index // 2}" for index in range(20)]
    >>> features = sa.Features.from_arrays(array, np.repeat(["a", "b"], 10), sources=sources)
    >>> sa.leak_report(features, ways=2)
    LeakReport(20 of 20 clips share a source, 10 pairs of near-duplicates, gain ... points)
    """
    if not 0 < min_similarity <= 1:
        raise ParameterError("min_similarity", min_similarity, "above 0, up to 1")
    names = np.array(features.class_names, dtype=object)[features.labels]
    # What is wrong with the parameters is said before anything that takes long.
    if net is not None:
        check_unseen(net, features, allow_trained_classes)
    check_ways(ways, as_subject(None, None, embeddings=np.zeros((len(features), 1)), labels=names))
    sources, paths = features.sources, features.clips.paths
    fingerprints = Fingerprints.of(features)
    pairs = fingerprints.similar_pairs(min_similarity, progress=progress)
    near_duplicates = tuple(
        NearDuplicate(
            first=first,
            second=second,
            paths=(paths[first], paths[second]),
            classes=(str(names[first]), str(names[second])),
            similarity=similarity,
            shift_frames=shift,
            same_source=sources[first] == sources[second],
        )
        for first, second, similarity, shift in pairs
    )
    num_sharing = _num_sharing(features)
    independent = _joined(sources, near_duplicates)

    policies: dict[str, tuple[str, ...] | None] = {"standard": None}
    if num_sharing:
        policies["source-disjoint"] = sources
    if any(not found.same_source for found in near_duplicates):
        policies["copy-disjoint"] = independent
    # All of them on the same classes: those in which a query has a support whatever the policy.
    kept = np.isin(names, _classes_of_two_sources(names, independent))
    if len(policies) == 1 or len(set(names[kept])) < ways:
        kept[:] = True
        policies = {"standard": None}
    accuracies = _accuracies(
        features if kept.all() else features[kept],
        net,
        {name: None if given is None else np.array(given, dtype=object)[kept] for name, given in policies.items()},
        ways=ways,
        allow_trained_classes=allow_trained_classes,
        num_threads=num_threads,
    )
    return LeakReport(
        num_clips=len(features),
        num_sources=len(set(sources)),
        num_sharing=num_sharing,
        num_silent=fingerprints.num_silent,
        near_duplicates=near_duplicates,
        independent_sources=independent,
        left_out=tuple(sorted(set(names) - set(names[kept]))),
        accuracies=accuracies,
        gain=accuracies["standard"] - list(accuracies.values())[-1],
        ways=ways,
        compared_by="the raw spectrograms" if net is None else "the network",
    )


def _vectors(features: Features) -> npt.NDArray[np.float32]:
    """Each clip as one vector, less its own mean, so that loudness alone makes nothing similar."""
    vectors = np.asarray(features, dtype=np.float32).reshape(len(features), -1)
    return vectors - vectors.mean(axis=1, keepdims=True)


def _num_sharing(features: Features) -> int:
    """How many clips share class and source with another one."""
    _, codes = np.unique(np.array(features.sources, dtype=object), return_inverse=True)
    _, counts = np.unique(np.stack([features.labels, codes]), axis=1, return_counts=True)
    return int(counts[counts > 1].sum())


def _classes_of_two_sources(names: npt.NDArray[np.object_], sources: tuple[str, ...]) -> list[str]:
    counts = Counter(name for name, _ in set(zip(names.tolist(), sources, strict=True)))
    return [name for name, count in counts.items() if count >= 2]


def _accuracies(
    features: Features,
    net: SiameseNetwork | None,
    policies: dict[str, npt.NDArray[np.object_] | None],
    *,
    ways: int,
    allow_trained_classes: bool,
    num_threads: int | None,
) -> dict[str, float]:
    """Return the exact accuracy under each policy, which is what clips count as of one source; None: nothing does."""
    if net is None:
        subject = as_subject(None, None, embeddings=_vectors(features), labels=features.labels)
    else:
        subject = as_subject(net, features, allow_trained_classes=allow_trained_classes, num_threads=num_threads)
    accuracies = {}
    for name, sources in policies.items():
        codes = None if sources is None else np.unique(sources, return_inverse=True)[1]
        scores = exact_scores(
            dataclasses.replace(subject, sources=codes),
            ways=ways,
            source_disjoint=codes is not None,
            num_threads=num_threads,
        )
        accuracies[name] = float(scores.per_class[:, -1].mean())
    return accuracies


def _joined(sources: tuple[str, ...], near_duplicates: tuple[NearDuplicate, ...]) -> tuple[str, ...]:
    """Return the sources, where those of near-duplicates become one: the first of them."""
    parent = {source: source for source in sources}

    def root(source: str) -> str:
        while parent[source] != source:
            parent[source] = parent[parent[source]]
            source = parent[source]
        return source

    for found in near_duplicates:
        one, other = sorted((root(sources[found.first]), root(sources[found.second])), key=sources.index)
        parent[other] = one
    return tuple(map(root, sources))
