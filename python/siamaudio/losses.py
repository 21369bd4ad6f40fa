"""Losses as data; the C++ trainer computes them.

A network is trained on the sum of its losses, each times its ``weight``. Of pairs of clips:

====================  =====================================================================
`BinaryCrossentropy`  of P(same class); with a learned head, which makes it of the distance
`MeanSquaredError`    of P(same class), too
`Contrastive`         of the distance: near for the same class, a margin apart for others
====================  =====================================================================

Of embeddings and their labels:

=======================  =================================================================
`Triplet`                nearer to the own class than to another, by a margin
`Prototypical`           cross-entropy of the distances to class means, for few-shot tasks
`SupervisedContrastive`  cross-entropy of all similarities of a batch
`ClassMemory`            distance to the stored embedding of the class
=======================  =================================================================

Of a classifier of the training classes, which `SiameseNetwork.predict` uses:

===============  ===================================
`CrossEntropy`   a softmax layer
`CosineSoftmax`  scaled cosines to class vectors
`ArcFace`        the same with a margin on the angle
===============  ===================================

`Loss` is any of them; `registry` knows them by name, and turns them into dictionaries and back.

Examples
--------
>>> import siamaudio as sa
>>> net = sa.SiameseNetwork(distance="euclidean", head=None, loss=sa.losses.Contrastive(margin=2.0))
>>> sa.losses.registry.to_dict(net.loss)
{'type': 'contrastive', 'margin': 2.0, 'form': 'a', 'weight': 1.0}
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal

from siamaudio.options import Registry

if TYPE_CHECKING:
    pass

__all__ = [
    "ArcFace",
    "BinaryCrossentropy",
    "ClassMemory",
    "Contrastive",
    "CosineSoftmax",
    "CrossEntropy",
    "Loss",
    "MeanSquaredError",
    "Prototypical",
    "SupervisedContrastive",
    "Triplet",
    "registry",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BinaryCrossentropy:
    """Binary cross-entropy of P(same class) of pairs, computed on logits.

    Parameters
    ----------
    weight : float > 0
        In the sum of losses.
    """

    name: ClassVar[str] = "bce"
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanSquaredError:
    """Squared error of P(same class) of pairs.

    Parameters
    ----------
    weight : float > 0
        In the sum of losses.
    """

    name: ClassVar[str] = "mse"
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contrastive:
    """Contrastive loss of the Euclidean distance D of pairs, in the three forms of Lloret 2019 (figure 5.9).

    Parameters
    ----------
    margin : float > 0
        Distance from which two classes are far enough apart.
    form : {"a", "b", "c"}
        "a": D² for pairs of one class, max(0, margin - D)² for others (Hadsell, Chopra and LeCun 2006).
        "b": D² and max(0, margin - D²).
        "c": -log(1 - D / N) and -log(D / N) with N the size of the embedding, for embeddings in [0, 1]; no margin.
        Lloret adds up the pairs of a batch for "c"; here all forms average over them.
    weight : float > 0
        In the sum of losses.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.losses.Contrastive(margin=0.5).form
    'a'
    """

    name: ClassVar[str] = "contrastive"
    margin: float = 1.0
    form: Literal["a", "b", "c"] = "a"
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Triplet:
    """Triplet loss: mean of max(0, D(anchor, positive) - D(anchor, negative) + margin).

    Parameters
    ----------
    margin : float > 0
        In units of the distance.
    distance : {"euclidean", "squared"}
        D: Euclidean (Lloret 2019; Hermans, Beyer and Leibe 2017) or its square (FaceNet, Schroff et al. 2015).
    mining : {"given", "all", "hard", "semi-hard"}
        Which triplets count. "given": those that the sampler makes. The others take them from a batch's classes:
        "all"; "hard", for each anchor the farthest positive and the nearest negative (Hermans); "semi-hard", for each
        anchor and positive the nearest negative beyond the positive, or the farthest where there is none (FaceNet).
    weight : float > 0
        In the sum of losses.
    """

    name: ClassVar[str] = "triplet"
    margin: float = 1.0
    distance: Literal["euclidean", "squared"] = "euclidean"
    mining: Literal["given", "all", "hard", "semi-hard"] = "given"
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """Cross-entropy of a softmax classifier of the training classes, averaged over the clips of a batch.

    Parameters
    ----------
    label_smoothing : float in [0, 1)
        Share of the target spread evenly over all classes.
    weight : float > 0
        In the sum of losses. Lloret's 0.125 for each of two or three heads is 0.25 or 0.375 of the mean over them.
    """

    name: ClassVar[str] = "cross_entropy"
    label_smoothing: float = 0.0
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CosineSoftmax:
    """Cross-entropy of the softmax of scaled cosines between embeddings and class vectors (Wang et al. 2017).

    Parameters
    ----------
    scale : float > 0
        What the cosines are multiplied by.
    weight : float > 0
        In the sum of losses.
    """

    name: ClassVar[str] = "cosine_softmax"
    scale: float = 30.0
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArcFace:
    """Cosine softmax with a margin on the angle θ to a clip's own class (Deng et al. 2019).

    Where ``cos(θ + margin)`` would rise again, beyond θ = π - margin, it goes on as ``cos θ - 1 + cos(margin)``.

    Parameters
    ----------
    scale : float > 0
        What the cosines are multiplied by.
    margin : float in [0, π)
        Radians.
    weight : float > 0
        In the sum of losses.
    """

    name: ClassVar[str] = "arcface"
    scale: float = 30.0
    margin: float = 0.5
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassMemory:
    """Distance of each embedding to the stored embedding of its class (Lloret 2019, section 5.3.3).

    After each epoch the stored embedding moves towards the mean of its class; the first epoch's mean is stored as it
    is, and until then the loss is 0.

    Parameters
    ----------
    schedule : {"text", "code"}
        How much the mean of epoch e of E counts: 1 - e / E, as the thesis says, or e / E, as its code does.
    weight : float > 0
        In the sum of losses. Lloret's 0.01 for each of three embeddings is 0.03 of the mean over them.
    """

    name: ClassVar[str] = "class_memory"
    schedule: Literal["text", "code"] = "text"
    weight: float = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prototypical:
    """Prototypical networks (Snell, Swersky and Zemel 2017): cross-entropy of the squared distances to class means.

    It needs episodes: each batch's supports make the means, its queries the loss.

    Parameters
    ----------
    weight : float > 0
        In the sum of losses.
    """

    name: ClassVar[str] = "prototypical"
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupervisedContrastive:
    """Supervised contrastive loss (Khosla et al. 2020, L_out) on unit embeddings; two clips a class make it NT-Xent.

    Parameters
    ----------
    temperature : float > 0
        What the cosines are divided by.
    weight : float > 0
        In the sum of losses.
    """

    name: ClassVar[str] = "supervised_contrastive"
    temperature: float = 0.1
    weight: float = 1.0


Loss = (
    BinaryCrossentropy
    | MeanSquaredError
    | Contrastive
    | Triplet
    | CrossEntropy
    | CosineSoftmax
    | ArcFace
    | ClassMemory
    | Prototypical
    | SupervisedContrastive
)
registry: Registry[Loss] = Registry(
    "loss",
    (
        BinaryCrossentropy,
        MeanSquaredError,
        Contrastive,
        Triplet,
        CrossEntropy,
        CosineSoftmax,
        ArcFace,
        ClassMemory,
        Prototypical,
        SupervisedContrastive,
    ),
)


def __dir__() -> list[str]:
    return list(__all__)
