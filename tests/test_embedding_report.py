from __future__ import annotations

import json

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pytest

mpl.use("Agg")

from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.manifold import TSNE
from sklearn.manifold import trustworthiness as trustworthiness_of
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

import siamaudio as sa

Labelled = tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]


@pytest.fixture(scope="module")
def spaces() -> tuple[Labelled, Labelled]:
    rng = np.random.default_rng(3)
    centres = 1.6 * rng.standard_normal((4, 6))
    names = np.array(["w", "x", "y", "z"])
    train, test = np.repeat(np.arange(4), 11), np.repeat(np.arange(4), 15)
    return (
        (centres[train] + rng.standard_normal((44, 6)), names[train]),
        (centres[test] + rng.standard_normal((60, 6)), names[test]),
    )


@pytest.fixture(scope="module")
def report(spaces: tuple[Labelled, Labelled]) -> sa.EmbeddingReport:
    return sa.embedding_report(None, *spaces, seed=5)


def test_the_table_holds_what_scikit_learn_says(report: sa.EmbeddingReport, spaces: tuple[Labelled, Labelled]) -> None:
    (vectors, names), (asked, own) = spaces
    models = {
        "1 nearest neighbour": KNeighborsClassifier(1),
        "SVM, linear": SVC(kernel="linear"),
        "SVM, polynomial": SVC(kernel="poly"),
        "SVM, RBF": SVC(kernel="rbf"),
        **{
            f"random forest, {count} trees": RandomForestClassifier(count, random_state=5)
            for count in (25, 50, 75, 100)
        },
    }
    frame = report.to_frame()
    for name, model in models.items():
        right = model.fit(vectors, names).predict(asked) == own
        assert frame.loc[name, "accuracy"] == pytest.approx(right.mean())
        worst = {each: right[own == each].mean() for each in np.unique(own)}
        assert frame.loc[name, "worst_accuracy"] == pytest.approx(min(worst.values()))
        assert worst[str(frame.loc[name, "worst_class"])] == pytest.approx(min(worst.values()))
    means = [[np.linalg.norm(vectors[names == each] - clip, axis=1).mean() for each in "wxyz"] for clip in asked]
    right = np.array(list("wxyz"))[np.argmin(means, axis=1)] == own
    assert frame.loc["average class distance", "accuracy"] == pytest.approx(right.mean())
    for count in (5, 15, 25):
        result = report.results[f"{count} nearest neighbours"]
        clear = np.isin(result.query_accuracy, [0, 1])  # scikit-learn gives ties to the first class
        theirs = KNeighborsClassifier(count).fit(vectors, names).predict(asked) == own
        np.testing.assert_array_equal(result.query_accuracy[clear], theirs[clear])
    assert len(frame) == len(models) + 1 + 3
    assert (frame["low"] <= frame["accuracy"]).all()
    assert (frame["accuracy"] <= frame["high"]).all()


def test_maps_are_scikit_learns(report: sa.EmbeddingReport, spaces: tuple[Labelled, Labelled]) -> None:
    (vectors, names), (asked, own) = spaces
    everything = np.concatenate([vectors, asked])
    pca = PCA(2, svd_solver="full").fit(vectors)
    np.testing.assert_allclose(report.maps["PCA"], pca.transform(everything))
    assert report.explained == pytest.approx(pca.explained_variance_ratio_)
    assert report.perplexity == 30
    expected = TSNE(2, perplexity=30, init="pca", random_state=5).fit_transform(everything)
    np.testing.assert_array_equal(report.maps["t-SNE"], expected)
    assert trustworthiness_of(everything, report.maps["t-SNE"]) > 0.9
    np.testing.assert_array_equal(np.array(report.classes)[report.labels], np.concatenate([names, own]))
    np.testing.assert_array_equal(report.is_test, np.arange(104) >= 44)


def test_leave_one_out(spaces: tuple[Labelled, Labelled]) -> None:
    vectors, names = spaces[0]
    report = sa.embedding_report(
        None, spaces[0], classifiers=["average_distance", "knn", "svm_linear"], neighbours=[1], maps=False
    )
    assert list(report.results) == ["average class distance", "1 nearest neighbour", "SVM, linear"]
    for name, model in (("1 nearest neighbour", KNeighborsClassifier(1)), ("SVM, linear", SVC(kernel="linear"))):
        right = [
            model.fit(np.delete(vectors, i, axis=0), np.delete(names, i)).predict(vectors[i : i + 1])[0] == names[i]
            for i in range(44)
        ]
        assert report.to_frame().loc[name, "accuracy"] == pytest.approx(np.mean(right))
    assert not report.is_test.any()
    assert "leave-one-out" in repr(report)
    with pytest.raises(sa.ParameterError, match=r"one without maps; accepted: one that was made with maps=True"):
        report.plot()


def test_neighbours_beyond_the_clips_are_left_out() -> None:
    rng = np.random.default_rng(0)
    few = rng.standard_normal((8, 3)), np.repeat(["a", "b"], 4)
    report = sa.embedding_report(None, few, few, classifiers=["knn"])
    assert list(report.results) == ["1 nearest neighbour", "5 nearest neighbours"]
    assert report.perplexity == 5  # a third of 15
    with pytest.raises(sa.ParameterError, match=r"neighbours: got 9; accepted: 1 to 8"):
        sa.embedding_report(None, few, few, classifiers=["knn"], neighbours=[9])


@pytest.mark.parametrize("embeddings", [np.ones((8, 3)), np.arange(8.0)[:, None], np.repeat([[0.0, 1], [2, 3]], 4, 0)])
def test_spaces_without_two_dimensions_have_maps(embeddings: npt.NDArray[np.float64]) -> None:
    labelled = embeddings, np.repeat(["a", "b"], 4)
    report = sa.embedding_report(None, labelled, labelled, classifiers=["average_distance"])
    for places in report.maps.values():
        assert places.shape == (16, 2)
        assert np.isfinite(places).all()
    json.loads(report.to_json())


def test_json_brings_everything_back(report: sa.EmbeddingReport) -> None:
    again = sa.EmbeddingReport.from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert again.to_frame().equals(report.to_frame())
    for name, places in report.maps.items():
        np.testing.assert_array_equal(again.maps[name], places)
    assert (again.labels.dtype, again.is_test.dtype) == (report.labels.dtype, report.is_test.dtype)
    assert type(again.explained) is tuple


def test_it_is_shown(report: sa.EmbeddingReport) -> None:
    assert repr(report).startswith("EmbeddingReport(12 classifiers, 4 classes, 60 clips; best: ")
    html = report._repr_html_()
    assert all(name in html for name in report.results)
    figure = report.plot()
    assert isinstance(figure, Figure)
    assert [ax.get_title() for ax in figure.axes] == ["PCA", "t-SNE"]
    drawn = [np.asarray(points.get_offsets()) for points in figure.axes[1].collections]
    assert sorted(map(tuple, np.concatenate(drawn).tolist())) == sorted(map(tuple, report.maps["t-SNE"].tolist()))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["w", "x", "y", "z", "to classify by", "classified"]
    figure.canvas.draw()
    ax = report.plot_map("PCA")
    assert ax.get_xlabel() == f"1st component ({report.explained[0]:.0%} of the variance)"
    with pytest.raises(sa.ParameterError, match=r"name: got UMAP; accepted: PCA, t-SNE"):
        report.plot_map("UMAP")


def test_many_classes_are_named_in_the_map() -> None:
    rng = np.random.default_rng(0)
    names = [f"class ${i}" for i in range(20)]
    labelled = rng.standard_normal((60, 4)), np.repeat(names, 3)
    report = sa.embedding_report(None, labelled, classifiers=["knn"], neighbours=[1])
    ax = report.plot_map("t-SNE")
    assert {text.get_text() for text in ax.texts} == set(names)
    assert ax.get_legend() is None
    looks = {
        (points.get_edgecolor()[0].tobytes(), points.get_paths()[0].vertices.tobytes()) for points in ax.collections
    }
    assert len(looks) == 20
    report.plot().canvas.draw()


def test_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeds each set once, however many classifiers there are."""
    rng = np.random.default_rng(0)
    clips = (np.repeat(rng.standard_normal((3, 16, 16)), 6, axis=0) + 0.3 * rng.standard_normal((18, 16, 16))).astype(
        "f4"
    )
    features = sa.Features.from_arrays(clips, np.repeat(list("abc"), 6))
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
    net = sa.SiameseNetwork(encoder).build((16, 16))
    embedded = []
    embed = sa.SiameseNetwork.embed
    monkeypatch.setattr(sa.SiameseNetwork, "embed", lambda *a, **k: embedded.append(len(a[1])) or embed(*a, **k))
    train, test = features[::2], features[1::2]
    report = sa.embedding_report(net, train, test)
    assert embedded == [9, 9]
    by_hand = SVC(kernel="linear").fit(embed(net, train), train.labels).predict(embed(net, test)) == test.labels
    assert report.to_frame().loc["SVM, linear", "accuracy"] == pytest.approx(by_hand.mean())


def test_bad_input_is_named(spaces: tuple[Labelled, Labelled], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(sa.ParameterError, match=r"classifiers: got none; accepted: one or more"):
        sa.embedding_report(None, *spaces, classifiers=[])
    with pytest.raises(sa.ParameterError, match=r"classifiers: got none; accepted: one or more"):
        sa.embedding_report(None, *spaces, classifiers=["knn"], neighbours=[])
    with pytest.raises(sa.ParameterError, match=r"classifier: got best"):
        sa.embedding_report(None, *spaces, classifiers=["best"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(sa.ParameterError, match=r"perplexity: got 0; accepted: a positive number"):
        sa.embedding_report(None, *spaces, perplexity=0)
    with pytest.raises(sa.ParameterError, match=r"test: got the class 'v'"):
        sa.embedding_report(None, spaces[0], (spaces[1][0], ["v"] * 60))
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    monkeypatch.setitem(__import__("sys").modules, "sklearn.manifold", None)
    with pytest.raises(ImportError, match=r'a map of embeddings needs .*sklearn.*"siamaudio\[classifiers\]"'):
        sa.embedding_report(None, *spaces, classifiers=["knn"])
