"""Checkpoints of a training: going on with the same bits, whatever kills it, and never from a damaged file."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import siamaudio as sa
from siamaudio import checkpoint
from siamaudio.training_checkpoints import TrainingCheckpoints

EPOCHS = 4


def _features() -> sa.Features:
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((6, 1, 16, 16))
    noise = rng.standard_normal((6, 8, 16, 16))
    return sa.Features.from_arrays((patterns + noise).reshape(48, 16, 16), np.repeat(list("abcdef"), 8))


def _network() -> sa.SiameseNetwork:
    encoder = sa.ConvEncoder(
        blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=16),), input_batch_norm=True
    )
    return sa.SiameseNetwork(encoder, optimizer=sa.optimizers.Adam(lr=3e-3, moving_average=0.9))


def _fit(folder: Path | None, *, resume: bool | str = False, **options: object) -> sa.SiameseNetwork:
    train, validation, _ = _features().split_classes(4, 2, 0, seed=0)
    defaults = {"epochs": EPOCHS, "batch_size": 8, "num_threads": 1, "progress": False, "checkpoint_every": 1}
    return _network().fit(train, validation=validation, checkpoint=folder, resume=resume, **{**defaults, **options})


def _same_weights(a: sa.SiameseNetwork, b: sa.SiameseNetwork) -> bool:
    one, other = a.weights(), b.weights()
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def _without_times(net: sa.SiameseNetwork) -> list[dict[str, object]]:
    return [{k: v for k, v in record.items() if k not in ("seconds", "clips_per_second")} for record in net.history_]


@pytest.fixture(scope="module")
def whole() -> sa.SiameseNetwork:
    return _fit(None)


def test_checkpoints_change_nothing(whole: sa.SiameseNetwork, tmp_path: Path) -> None:
    net = _fit(tmp_path / "run")
    assert _same_weights(net, whole)
    assert _without_times(net) == _without_times(whole)


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    _fit(tmp_path / "run", checkpoint_every=3)
    names = [path.name for path in TrainingCheckpoints(tmp_path / "run").paths()]
    assert names == ["step-0000000015.checkpoint", "step-0000000016.checkpoint"]  # the last is that of the end
    assert sorted(os.listdir(tmp_path / "run")) == names


class _StopError(Exception):
    pass


@pytest.mark.parametrize("epoch", range(EPOCHS - 1))
def test_going_on_ends_with_the_same_bits(whole: sa.SiameseNetwork, tmp_path: Path, epoch: int) -> None:
    def stop(net: sa.SiameseNetwork, record: dict[str, object]) -> None:
        if record["epoch"] == epoch:
            raise _StopError

    with pytest.raises(_StopError):
        _fit(tmp_path / "run", callbacks=[stop], checkpoint_every=3)
    net = _fit(tmp_path / "run", resume=True, checkpoint_every=3)
    assert _same_weights(net, whole)
    assert _without_times(net) == _without_times(whole)
    assert net.best_epoch_ == whole.best_epoch_
    again = _fit(tmp_path / "run", resume=True)  # nothing is left to do
    assert _same_weights(again, whole)
    assert _without_times(again) == _without_times(whole)


def test_resume_without_a_checkpoint_begins(whole: sa.SiameseNetwork, tmp_path: Path) -> None:
    assert _same_weights(_fit(tmp_path / "run", resume=True), whole)


def test_a_folder_with_checkpoints_is_not_begun_anew(tmp_path: Path) -> None:
    _fit(tmp_path / "run", epochs=1)
    with pytest.raises(sa.CheckpointError, match="resume=True goes on with it"):
        _fit(tmp_path / "run", epochs=1)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"seed": 1}, r"fit\.seed was 0, and is now 1"),
        ({"epochs": 5}, r"fit\.epochs was 4, and is now 5"),
        ({"batch_size": 4}, r"fit\.sampler\.batch_size was 8, and is now 4"),
    ],
)
def test_another_run_does_not_go_on(tmp_path: Path, options: dict[str, object], what: str) -> None:
    _fit(tmp_path / "run", checkpoint_every=4)
    with pytest.raises(sa.CheckpointError, match=what):
        _fit(tmp_path / "run", resume=True, **options)


def test_other_data_and_another_network_do_not_go_on(tmp_path: Path) -> None:
    _fit(tmp_path / "run", checkpoint_every=4)
    train, validation, _ = _features().split_classes(4, 2, 0, seed=0)
    options = {"epochs": EPOCHS, "batch_size": 8, "checkpoint": tmp_path / "run", "resume": True, "progress": False}
    with pytest.raises(sa.CheckpointError, match="training data was"):
        _network().fit(train[1:], validation=validation, **options)
    with pytest.raises(sa.CheckpointError, match=r"network\.optimizer\.lr was 0.003"):
        _network().set_params(optimizer__lr=1e-3).fit(train, validation=validation, **options)


def test_damage_is_named_and_the_one_before_offered(
    whole: sa.SiameseNetwork, tmp_path: Path, rng: np.random.Generator
) -> None:
    folder = tmp_path / "run"
    _fit(folder, checkpoint_every=5)
    earlier, last = TrainingCheckpoints(folder).paths()
    content = last.read_bytes()
    header = int.from_bytes(content[:8], "little")
    damaged = [content[:size] for size in (0, 1, 7, 8, 100, 8 + header, len(content) - 1)]
    for position in [*range(8), *rng.integers(8, len(content), 40)]:
        flipped = bytearray(content)
        flipped[position] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    for broken in damaged:
        last.write_bytes(broken)
        with pytest.raises(sa.CheckpointError, match=rf"{last.name}.*damaged.*resume='{earlier.name}'"):
            _fit(folder, resume=True, checkpoint_every=5)
    assert _same_weights(_fit(folder, resume=earlier.name, checkpoint_every=5), whole)
    assert _same_weights(_fit(folder, resume=True, checkpoint_every=5), whole)  # the last has been written again


def test_damage_of_all_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _fit(folder, checkpoint_every=5)
    for path in TrainingCheckpoints(folder).paths():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(sa.CheckpointError, match="damaged") as error:
        _fit(folder, resume=True, checkpoint_every=5)
    assert "resume=" not in str(error.value)


def test_what_is_no_checkpoint(whole: sa.SiameseNetwork, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _fit(folder, checkpoint_every=5)
    whole.save(folder / "step-9999999999.checkpoint")
    with pytest.raises(sa.CheckpointError, match="is a siamese network, not the checkpoint"):
        _fit(folder, resume=True, checkpoint_every=5)
    with pytest.raises(sa.CheckpointError, match="checkpoint of a training"):
        sa.SiameseNetwork.load(TrainingCheckpoints(folder).paths()[0])
    with pytest.raises(sa.CheckpointError, match="no such file"):
        _fit(folder, resume="step-1.checkpoint", checkpoint_every=5)
    (tmp_path / "file").write_text("")
    with pytest.raises(sa.ParameterError, match="a folder"):
        _fit(tmp_path / "file")
    with pytest.raises(sa.ParameterError, match="no checkpoint folder"):
        _fit(None, resume=True)
    with pytest.raises(sa.ParameterError, match="checkpoint_every"):
        _fit(tmp_path / "other", checkpoint_every=0)


def test_a_full_disk_leaves_the_checkpoints_before(whole: sa.SiameseNetwork, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def fill_disk(net: sa.SiameseNetwork, record: dict[str, object]) -> None:
        if record["epoch"] == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # writing more fails, as on a full disk

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(sa.CheckpointError, match="cannot be written"):
            _fit(folder, callbacks=[fill_disk])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in sorted(folder.iterdir())] == [
        "step-0000000007.checkpoint",
        "step-0000000008.checkpoint",
    ]
    assert _same_weights(_fit(folder, resume=True), whole)


_KILLED = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_training_checkpoints as tests
import siamaudio as sa
from siamaudio.training_checkpoints import TrainingCheckpoints

folder, num_kills = Path(sys.argv[2]), int(sys.argv[3])
random.seed(0)
kills = finished = 0
while kills < num_kills or not finished:
    child = os.fork()  # nothing here has started a thread yet
    if child == 0:
        if sys.argv[4] == "write" and kills < num_kills:  # killed within one of the steps that write checkpoints
            count = random.Random(kills).randrange(1, 60)
            def before(event, arguments):
                global count
                if event in ("open", "os.rename", "os.remove", "os.mkdir") and str(folder) in str(arguments[0]):
                    count -= 1
                    if count == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
            sys.addaudithook(before)
        tests._fit(folder, resume=True)
        os._exit(0)
    if sys.argv[4] == "time" and kills < num_kills:
        time.sleep(random.uniform(0, 0.25))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        kills += 1
    elif status != 0:
        sys.exit(f"the training failed with {status}")
    checkpoints = TrainingCheckpoints(folder)
    assert len(checkpoints.paths()) <= 3, checkpoints.paths()
    state = checkpoints.read()  # never damaged
    if state is not None and state.manifest["progress"]["is_finished"]:
        finished += 1
        print(kills, finished, flush=True)
        if kills < num_kills:
            for path in folder.iterdir():
                path.unlink()
"""


@pytest.mark.parametrize("moment", ["time", "write"])
def test_killed_at_any_moment_it_goes_on_with_the_same_bits(
    whole: sa.SiameseNetwork, tmp_path: Path, moment: str
) -> None:
    num_kills = os.environ.get("SIAMAUDIO_KILLS", "10")
    run = subprocess.run(
        [sys.executable, "-c", _KILLED, str(Path(__file__).parent), str(tmp_path / "run"), num_kills, moment],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert _same_weights(_fit(tmp_path / "run", resume=True), whole)
    assert not list((tmp_path / "run").glob(".*.partial")) or moment == "write"


def test_written_arrays_keep_their_types(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(3, dtype=np.int64),
        "b": np.array(np.inf),
        "c": np.zeros((2, 0), dtype=np.float32),
        "every second": np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2],
        "transposed": np.arange(6, dtype=np.float64).reshape(2, 3).T,
        "ä\n": np.arange(5, dtype=np.float32),
        "d": np.array(3, dtype=np.float32),
    }
    checkpoint.write(tmp_path / "file", {"kind": "training", "x": 1}, arrays)
    manifest, back = checkpoint.read(tmp_path / "file", "training")
    assert manifest == {"x": 1}
    from safetensors.numpy import load_file

    for read in (back, load_file(tmp_path / "file")):
        assert read.keys() == arrays.keys()
        for name, array in arrays.items():
            assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(read[name], array)
