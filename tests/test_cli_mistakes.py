"""A mistake gets one line on stderr, says what came and what is accepted, and leaves nothing behind."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import cli_cases
import siamaudio as sa
from siamaudio import cli

pytest.importorskip("h5py")
COMMANDS = [name for name in cli.app if not name.startswith("-")]
FOLDERS = {"features", "index", "evaluate-splits", "synthetic", "demo", "download"}  # what they write is a folder


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory, trained: sa.SiameseNetwork, synthetic_features: sa.Features
) -> Path:
    folder = tmp_path_factory.mktemp("uses")
    cli_cases.make_files(folder, trained, synthetic_features)
    return folder


@pytest.fixture(autouse=True)
def there(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return all that is in a folder, with sizes and times."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.name != ".lock" and path.is_file()
    } | {str(path): (0, 0) for path in folder.rglob("*") if path.is_dir()}


def run(*words: str) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as in a process of its own
        show = warnings.showwarning
        try:
            with pytest.raises(SystemExit) as caught:
                cli.main(list(words))
        finally:
            warnings.showwarning = show
    return int(caught.value.code or 0)


def refused(words: list[str], files: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run what must be refused and return the one line that says why."""
    before = tree(files)
    capsys.readouterr()
    status = run(*words)
    printed = capsys.readouterr()
    assert status in (1, 2), printed
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert printed.err.endswith("\n")
    line = re.split(r"[\r\n]+", printed.err.strip())[-1]
    assert line.startswith("siamaudio: ")
    assert line.count("\n") == 0
    assert tree(files) == before
    return line


def wrong_files() -> Iterator[tuple[str, list[str], str]]:
    """Each use with each of its files replaced by each wrong one."""
    for command, use in cli_cases.USES.items():
        for position, word in enumerate(use.words):
            for wrong in cli_cases.ARGUMENTS.get(word, ()):
                if (command, word, wrong) in ACCEPTED:
                    continue
                words = [*use.words]
                words[position] = wrong
                yield command, words, wrong


# What is wrong elsewhere, and is right here
ACCEPTED = {
    ("info", "query.wav", "empty"),
}


def test_every_command_has_a_right_use() -> None:
    assert set(cli_cases.USES) == set(COMMANDS)


@pytest.mark.parametrize(
    ("command", "words", "wrong"), list(wrong_files()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_wrong_file(
    command: str, words: list[str], wrong: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused([command, *words], files, capsys)
    assert wrong in line


def wrong_places() -> Iterator[tuple[str, list[str], str]]:
    """Each use that writes, with places where nothing can be written."""
    for command, use in cli_cases.USES.items():
        if not use.out:
            continue
        suffix = Path(use.words[-1]).suffix
        yield command, [*use.words[:-1], f"text.siam/new{suffix}"], "is a file"
        if command in FOLDERS:
            yield command, [*use.words[:-1], "text.siam"], "text.siam"
        else:
            yield command, [*use.words[:-1], "empty"], "empty"
            if command not in ("evaluate", "search", "explain"):  # a report's name may end in anything
                yield command, [*use.words[:-1], "new.txt"], "accepted: a file "


@pytest.mark.parametrize(
    ("command", "words", "said"), list(wrong_places()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_place_where_nothing_can_be_written(
    command: str, words: list[str], said: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused([command, *words], files, capsys)


WRONG_VALUES = [
    ("calibrate --power 0", "power: got 0"),
    ("calibrate --shrinkage 2", "shrinkage: got 2"),
    ("calibrate --shifts 1", "--shifts: got 1; accepted: bands and frames"),
    ("classify --device tpu", "device: got tpu"),
    ("compare --permutations 0", "permutations: got 0"),
    ("compare --exchange halves", "halves"),
    ("demo --seed many", "many"),
    ("download --checksum 12", "checksum: got 12"),
    ("download --class-map names.csv", "--class-map: got names.csv; accepted: none, or one with yamnet"),
    ("embed --device tpu", "device: got tpu"),
    ("embedding-map --perplexity 0", "perplexity: got 0"),
    ("embedding-map --method lda", "lda"),
    ("embedding-map --classes nobody", "unknown class 'nobody'"),
    ("embedding-report --neighbours 0", "neighbours"),
    ("evaluate --shots 3", "shots: got 3; accepted: 1 for protocol 'exact'"),
    ("evaluate --ways 1", "ways: got 1"),
    ("evaluate --protocol sampled --curve-ways 2", "curve_ways: got 2; accepted: none for protocol 'sampled'"),
    ("evaluate-pairs --false-accept-rates 2", "false_accept_rates"),
    ("evaluate-pairs --prior 1.5", "prior: got 1.5"),
    ("evaluate-retrieval --k 0", "k: got"),
    ("evaluate-retrieval --superclasses text.json", "--superclasses: got text.json"),
    ("evaluate-splits --num-test 40", "num_test: got 40"),
    ("evaluate-splits --splits 0", "splits: got 0"),
    ("evaluate-splits --preset lenet", "preset: got lenet"),
    ("explain --method sinex --set method.alpha=1", "method.alpha"),
    ("explain --set alpha=1", "--set: got alpha; accepted: method.FIELD or segmentation.FIELD"),
    ("explain --replacement rain", "rain"),
    ("export --part tail", "tail"),
    ("export --part classifier", "classifier"),
    ("features --n-fft 31", "n_fft: got 31"),
    ("features --layout audiomnist --classes sex", "--classes: got sex; accepted: speaker or digit"),
    ("features --classes digit", "--classes: got digit; accepted: none, or one with --layout audiomnist"),
    ("features --pattern x", "--pattern: got x; accepted: none, or one with --layout folder"),
    ("features --layout folder --pattern (", "pattern"),
    ("features --layout npz", "data"),
    ("import-keras --network query.wav", "query.wav"),
    ("import-keras --distance far", "far"),
    ("index --window-seconds 9", "window_seconds: got 9"),
    ("index --hop-seconds 1", "hop_seconds: got 1"),
    ("index --backend faiss-hnsw --set backend.depth=1", "backend.depth"),
    ("index --set backend.neighbours=1", "--set: got backend.neighbours=1; accepted: none, or one with --backend"),
    ("index --commit-every 0", "commit_every: got 0"),
    ("index-remove --where fold", "--where: got fold"),
    ("index-remove --label nobody", "label: got nobody"),
    ("leaks --ways 1", "ways: got 1"),
    ("leaks --min-similarity 3", "min_similarity: got 3"),
    ("linear-separability --folds 1", "folds: got 1"),
    ("linear-separability --c 0", "c: got 0"),
    ("linear-separability --pca -1", "pca: got -1"),
    ("plot --front-end vggish", "preset: got vggish"),
    ("presets nobody", "name: got nobody; accepted: "),
    ("search -k 0", "k: got 0"),
    ("search --where fold", "--where: got fold"),
    ("search --label nobody", "label: got nobody"),
    ("split --train 2.5", "--train: got 2.5; accepted: a whole number"),
    ("split --by sources", "--train: got 2; accepted: none with --by sources"),
    ("split --by folds --train 7", "fold 7 to train"),
    ("split --train 50", "--train: got 50; accepted: with 0 to validate on, at most the 12 classes"),
    ("synthetic --num-classes 1", "classes: got 1"),
    ("synthetic --sr 8000", "sr: got 8000"),
    ("train --epochs 0", "epochs: got 0"),
    ("train --seed -1", "seed: got -1"),
    ("train --batch-size 0", "batch_size: got 0"),
    ("train --checkpoint-every 0", "checkpoint_every: got 0"),
    ("train --resume", "resume: got True"),
    ("train --checkpoint text.siam", "text.siam"),
    ("train --precision half", "half"),
    ("train --precision bf16 --device cpu", "precision: got bf16"),
    ("train --split missing.json", "missing.json"),
    ("train --split text.json", "text.json"),
    ("train --split 9/9/9", "split: got 9/9/9"),
    ("train --warm-start net.siam --network new.toml", "--warm-start: got net.siam and --network"),
    ("train-autoencoder --latent-dim 0", "latent_dim: got 0"),
    ("train-autoencoder --optimizer adagrad", "optimizer: got adagrad"),
    ("train-autoencoder --set lr=1", "--set: got lr; accepted: optimizer.FIELD"),
    ("train-autoencoder --warm-start net.siam", "net.siam"),
    ("train-autoencoder --warm-start net.siam --beta 1", "--warm-start: got net.siam and --beta"),
    ("tune --trials 0", "trials: got 0"),
    ("tune --space honka", "space: got honka"),
    ("tune --split 8/0/2", "validation"),
]


@pytest.mark.parametrize(("typed", "said"), WRONG_VALUES)
def test_a_wrong_value(typed: str, said: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, *options = typed.split(" ")
    words = [*cli_cases.USES[command].words]
    for option in options:
        if option.startswith("-") and option in words:  # in the place of the right value
            del words[words.index(option) : words.index(option) + 2]
    assert said in refused([command, *words, *options], files, capsys)


def test_every_command_has_a_wrong_value() -> None:
    assert {typed.split(" ")[0] for typed, _ in WRONG_VALUES} == set(COMMANDS) - {"info"}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option(command: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused([command, *cli_cases.USES[command].words, "--sing"], files, capsys)
    assert "--sing" in line


# ---- Dry runs


@pytest.mark.parametrize("command", [name for name, use in cli_cases.USES.items() if use.out])
def test_whatever_writes_has_a_dry_run_that_touches_nothing(
    command: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(files)
    use = cli_cases.USES[command]
    assert run(command, *use.words, "--dry-run") == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert use.words[-1] in said
    assert "would" in said
    assert run(command, *use.words, "--dry-run", "--json") == 0
    assert '"dry_run": true' in capsys.readouterr().out
    assert tree(files) == before


def test_a_command_without_a_dry_run_writes_nothing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, use in cli_cases.USES.items():
        has_dry_run = "--dry-run" in {
            name for argument in cli.app[command].assemble_argument_collection() for name in argument.names
        }
        assert has_dry_run == (bool(use.out) or command == "index-remove")
        if not has_dry_run:
            before = tree(files)
            assert run(command, *use.words) == 0, capsys.readouterr().err
            assert tree(files) == before
