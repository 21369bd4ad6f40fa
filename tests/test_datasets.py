from __future__ import annotations

import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections import Counter
from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siamaudio.datasets import Clip, Clips, esc50, folder, from_path, synthesis, synthetic, table
from siamaudio.errors import DatasetError, ParameterError


def touch(root: Path, *names: str) -> Path:
    """Make empty files: no data set function opens audio."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def relative(clips: Clips, root: Path) -> list[str]:
    return [Path(path).relative_to(root).as_posix() for path in clips.paths]


# ------------------------------------------------------------------------------------------------------- Clips


@pytest.fixture
def pets() -> Clips:
    return Clips(
        paths=["0.wav", Path("1.wav"), "2.wav", "3.wav", "4.wav"],
        class_of_clip=["dog", "cat", "dog", "hen", "cat"],
        sources=["a", "b", "a", "c", "d"],
        folds=[1, 2, 3, 4, 5],
        name="pets",
    )


def test_clips_attributes(pets: Clips) -> None:
    assert pets.paths == ("0.wav", "1.wav", "2.wav", "3.wav", "4.wav")
    assert pets.class_names == ("cat", "dog", "hen")
    assert pets.labels.tolist() == [1, 0, 1, 2, 0]
    assert pets.folds.tolist() == [1, 2, 3, 4, 5]
    assert pets.labels.dtype == pets.folds.dtype == np.int64
    assert pets.sources == ("a", "b", "a", "c", "d")
    assert repr(pets) == "Clips('pets': 5 clips, 3 classes)"
    assert repr(pets[:1]) == "Clips('pets': 1 clip, 1 class)"


def test_clips_defaults() -> None:
    clips = Clips(paths=["a.wav", "b.wav"], class_of_clip=["x", "y"])
    assert clips.sources == clips.paths
    assert clips.folds.tolist() == [0, 0]
    assert repr(clips) == "Clips(2 clips, 2 classes)"


def test_clips_is_a_sequence(pets: Clips) -> None:
    assert isinstance(pets, Sequence)
    assert pets[1] == Clip(path="1.wav", label=0, class_name="cat", source="b", fold=2)
    assert pets[-1] == pets[4] == pets[np.int64(4)]
    assert list(pets) == [pets[index] for index in range(5)]
    assert list(reversed(pets)) == list(pets)[::-1]
    assert pets[3] in pets
    assert pets.index(pets[3]) == 3
    for beyond in (5, -6):
        with pytest.raises(IndexError):
            pets[beyond]


@pytest.mark.parametrize(
    ("index", "kept"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [4, 2, 0]),
        (slice(2, 2), []),
        ([3, 0, 3], [3, 0, 3]),
        (np.array([-1, 1]), [4, 1]),
        (np.array([1], dtype=np.uint8), [1]),
        (np.array([True, False, False, True, False]), [0, 3]),
        ([False, True, True, False, False], [1, 2]),
        (np.zeros(5, dtype=bool), []),
        ([], []),
    ],
)
def test_clips_parts(pets: Clips, index: Any, kept: list[int]) -> None:
    part = pets[index]
    assert isinstance(part, Clips)
    assert part.name == "pets"
    assert part.class_names == tuple(sorted({pets[number].class_name for number in kept}))
    for clip, number in zip(part, kept, strict=True):
        whole = pets[number]
        assert (clip.path, clip.class_name, clip.source, clip.fold) == (
            whole.path,
            whole.class_name,
            whole.source,
            whole.fold,
        )
        assert part.class_names[clip.label] == whole.class_name


@pytest.mark.parametrize("index", [[True, False], np.zeros((1, 5), dtype=int), [0.5], np.zeros((0, 2)), ["0.wav"]])
def test_clips_odd_indices(pets: Clips, index: Any) -> None:
    with pytest.raises(ParameterError, match=r"^index: got"):
        pets[index]


def test_clips_index_array_beyond_the_end(pets: Clips) -> None:
    with pytest.raises(IndexError):
        pets[[0, 5]]


def test_clips_cannot_be_changed(pets: Clips) -> None:
    for array in (pets.labels, pets.folds):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9
    with pytest.raises(AttributeError):
        pets.name = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        pets[0].label = 9  # type: ignore[misc]


def test_clips_do_not_share_memory_with_the_caller() -> None:
    folds = np.array([1, 2])
    clips = Clips(paths=["a", "b"], class_of_clip=["x", "y"], folds=folds)
    folds[0] = 9
    assert clips.folds.tolist() == [1, 2]


def test_clips_survive_pickling(pets: Clips) -> None:
    copy = pickle.loads(pickle.dumps(pets))
    assert list(copy) == list(pets)
    assert repr(copy) == repr(pets)


def test_clips_frame(pets: Clips) -> None:
    frame = pets.to_frame()
    assert list(frame.columns) == ["path", "label", "class_name", "source", "fold"]
    assert [Clip(*row) for row in frame.itertuples(index=False)] == list(pets)
    assert list(pets[:0].to_frame().columns) == list(frame.columns)


def test_clips_select_classes(pets: Clips) -> None:
    chosen = pets.select_classes(["hen", "dog"])
    assert chosen.paths == ("0.wav", "2.wav", "3.wav")
    assert chosen.class_names == ("dog", "hen")
    assert chosen.labels.tolist() == [0, 0, 1]
    assert len(pets.select_classes([])) == 0
    for mistake in ("dog", ["dog", "cow"]):
        with pytest.raises(ParameterError, match=r"^names: got"):
            pets.select_classes(mistake)


def test_clips_split_by_name(pets: Clips) -> None:
    train, validation, test = pets.split_classes(train=["dog", "hen"])
    assert train.paths == ("0.wav", "2.wav", "3.wav")
    assert len(validation) == 0
    assert validation.class_names == ()
    assert validation.labels.shape == (0,)
    assert repr(validation) == "Clips('pets': 0 clips, 0 classes)"
    assert test.paths == ("1.wav", "4.wav")


def test_clips_split_by_count() -> None:
    clips = Clips(paths=[f"{n}.wav" for n in range(60)], class_of_clip=[f"c{n % 12}" for n in range(60)])
    parts = clips.split_classes(6, 2, 3, seed=5)
    assert [len(part.class_names) for part in parts] == [6, 2, 3]
    assert [len(part) for part in parts] == [30, 10, 15]
    names = [name for part in parts for name in part.class_names]
    assert len(set(names)) == 11
    assert [part.paths for part in clips.split_classes(6, 2, 3, seed=5)] == [part.paths for part in parts]
    with pytest.raises(ParameterError, match="40/5/5 = 50 classes; accepted: at most the 12 classes"):
        clips.split_classes(40, 5, 5, seed=1)


@pytest.mark.parametrize("argument", ["class_of_clip", "sources", "folds"])
def test_clips_lengths_must_agree(argument: str) -> None:
    values: dict[str, Any] = {"class_of_clip": ["x", "y"], "sources": ["s", "t"], "folds": [1, 2]}
    values[argument] = values[argument][:1]
    with pytest.raises(DatasetError, match=f"{argument}: got 1 values for 2 paths"):
        Clips(paths=["a.wav", "b.wav"], **values)


def test_clips_need_class_names() -> None:
    with pytest.raises(DatasetError, match=r"b\.wav: got an empty class name"):
        Clips(paths=["a.wav", "b.wav"], class_of_clip=["x", ""])


# ------------------------------------------------------------------------------------------------------ folder


def test_folder(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "dog/b.wav",
        "dog/a.FLAC",
        "dog/deep/er/c.ogg",
        "cat/1.mp3",
        "cat/notes.txt",
        "cat/.hidden.wav",
        "cat/.trash/2.wav",
        ".git/3.wav",
        "doc/readme.md",
        "loose.wav",
    )
    clips = folder(tmp_path)
    assert relative(clips, tmp_path) == ["cat/1.mp3", "dog/a.FLAC", "dog/b.wav", "dog/deep/er/c.ogg"]
    assert [clip.class_name for clip in clips] == ["cat", "dog", "dog", "dog"]
    assert clips.sources == clips.paths
    assert clips.name == tmp_path.name
    assert folder(str(tmp_path)).paths == clips.paths


@pytest.mark.parametrize(
    "extension", ["wav", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "caf", "au", "snd", "rf64"]
)
def test_folder_extensions(tmp_path: Path, extension: str) -> None:
    assert len(folder(touch(tmp_path, f"a/1.{extension}", f"a/2.{extension.upper()}", "a/3.w64", "a/wav"))) == 2


def test_folder_follows_a_link_to_a_class(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "1.wav")
    root = touch(tmp_path / "root", "a/1.wav")
    (root / "b").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)
    assert relative(folder(root), root) == ["a/1.wav", "b/1.wav"]


def test_folder_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "a/3-x7.wav", "a/1-x7-late.wav", "b/2-y.wav")
    clips = folder(tmp_path, pattern=r"(?P<fold>\d)-(?P<source>\w+)(-late)?")
    assert relative(clips, tmp_path) == ["a/1-x7-late.wav", "a/3-x7.wav", "b/2-y.wav"]
    assert clips.sources == ("x7", "x7", "y")
    assert clips.folds.tolist() == [1, 3, 2]
    assert folder(tmp_path, pattern=r"(?P<fold>\d).*").sources == clips.paths
    assert folder(tmp_path, pattern=r"\d-(?P<source>.).*").folds.tolist() == [0, 0, 0]


def test_folder_pattern_with_an_unused_group(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.wav", "a/y-2.wav")
    clips = folder(tmp_path, pattern=r"\w+(-(?P<fold>\d))?|(?P<source>never)")
    assert clips.folds.tolist() == [0, 2]
    assert clips.sources == clips.paths


def test_folder_pattern_must_match_the_whole_name(tmp_path: Path) -> None:
    touch(tmp_path, "a/1-x.wav", "a/1-xx.wav")
    with pytest.raises(DatasetError, match=r"1-xx\.wav: the name '1-xx' does not match; accepted: names that fit"):
        folder(tmp_path, pattern=r"(?P<fold>\d)-.")
    with pytest.raises(DatasetError, match="the fold is 'x'; accepted: an integer"):
        folder(tmp_path, pattern=r"1-(?P<fold>x+)")


@pytest.mark.parametrize("pattern", ["(", "abc", "(?P<take>.*)"])
def test_folder_bad_pattern(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ParameterError, match=r"^pattern: got"):
        folder(touch(tmp_path, "a/1.wav"), pattern=pattern)


def test_folder_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder; accepted: a folder with one subfolder a class"):
        folder(tmp_path / "absent")
    touch(tmp_path, "file.wav", "empty/.keep", "flat/1.wav", "flat/2.wav", "silent/class/text.txt")
    with pytest.raises(DatasetError, match="not a folder; accepted"):
        folder(tmp_path / "file.wav")
    for name in ("empty", "silent"):
        with pytest.raises(DatasetError, match=rf"{name}: no audio files found; accepted.*\.wav"):
            folder(tmp_path / name)
    with pytest.raises(
        DatasetError, match=r"2 audio files lie directly in the folder.*accepted: a folder with one sub"
    ):
        folder(tmp_path / "flat")


# ------------------------------------------------------------------------------------------------------- table


def write_table(path: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding)
    return path


def test_table(tmp_path: Path) -> None:
    touch(tmp_path, "audio/a.wav", "audio/b.wav", "c, d.wav")
    csv = write_table(
        tmp_path / "list.csv",
        'class,path,fold,other,source\ndog,audio/b.wav,2,?,s1\n\ncat,audio/a.wav,,?,\n" dog ","c, d.wav",-1,?,s1\n',
    )
    clips = table(csv)
    assert relative(clips, tmp_path) == ["audio/b.wav", "audio/a.wav", "c, d.wav"]  # the table's order
    assert [clip.class_name for clip in clips] == ["dog", "cat", "dog"]
    assert clips.folds.tolist() == [2, 0, -1]
    assert clips.sources == ("s1", clips.paths[1], "s1")
    assert clips.name == "list"


@pytest.mark.parametrize("path_title", ["path", "file", "filename"])
@pytest.mark.parametrize("class_title", ["class", "label", "class_name", "category"])
def test_table_titles(tmp_path: Path, path_title: str, class_title: str) -> None:
    touch(tmp_path / "root", "a.wav")
    csv = write_table(tmp_path / "t.csv", f"{class_title}, {path_title}\nx,a.wav\n", encoding="utf-8-sig")
    clips = table(csv, root=tmp_path / "root")
    assert relative(clips, tmp_path) == ["root/a.wav"]
    assert clips.class_names == ("x",)


def test_table_takes_absolute_paths_and_short_rows(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.wav")
    csv = write_table(tmp_path / "t.csv", f"path,class,fold\n{tmp_path / 'x' / 'a.wav'},k\n")
    assert table(csv, root=tmp_path / "unrelated").paths == (str(tmp_path / "x" / "a.wav"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("path,class\n", "no rows"),
        ("path,kind\na.wav,x\n", "no column 'class' among path, kind; accepted titles: class, label"),
        ("where,class\na.wav,x\n", "no column 'path' among where, class; accepted titles: path, file"),
        ("path,class\na.wav,x\n,x\n", "line 3: the column 'path' is empty"),
        ("path,class\na.wav\n", "line 2: the column 'class' is empty"),
        ("path,class,fold\na.wav,x,one\n", "line 2: the column 'fold' is 'one'; accepted: an integer"),
        ("path,class\nz.wav,x\na.wav,x\ny.wav,x\n", r"2 of the 3 files it names are missing, the first .*z\.wav"),
    ],
)
def test_table_mistakes(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path, "a.wav")
    with pytest.raises(DatasetError, match=message):
        table(write_table(tmp_path / "t.csv", text))


def test_table_must_exist_and_be_text(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file; accepted: a CSV table"):
        table(tmp_path / "absent.csv")
    (tmp_path / "t.csv").write_bytes(b"path,class\n\xff\xfe\x00,x\n")
    with pytest.raises(DatasetError, match="not readable"):
        table(tmp_path / "t.csv")


# ------------------------------------------------------------------------------------------- ESC-50, from_path

ESC_TITLES = "filename,fold,target,category,esc10,src_file,take\n"


def make_checkout(root: Path) -> Path:
    touch(root, "audio/2-30-A-7.wav", "audio/1-9-B-0.wav", "meta/esc50.csv")
    write_table(
        root / "meta" / "esc50.csv", ESC_TITLES + "2-30-A-7.wav,2,7,rooster,False,30,A\n1-9-B-0.wav,1,0,dog,True,9,B\n"
    )
    return root


def make_original(root: Path) -> Path:
    return touch(root, "001 - Dog bark/1-30226-A.ogg", "001 - Dog bark/5-9-B.ogg", "207 - Glass - breaking/3-1-C.ogg")


def test_esc50_checkout(tmp_path: Path) -> None:
    root = make_checkout(tmp_path / "ESC-50")
    clips = esc50(root)
    assert relative(clips, root) == ["audio/2-30-A-7.wav", "audio/1-9-B-0.wav"]
    assert [(clip.class_name, clip.source, clip.fold) for clip in clips] == [("rooster", "30", 2), ("dog", "9", 1)]
    assert clips.name == "ESC-50"


def test_esc50_original_release(tmp_path: Path) -> None:
    clips = esc50(make_original(tmp_path))
    assert [(clip.class_name, clip.source, clip.fold) for clip in clips] == [
        ("Dog bark", "30226", 1),
        ("Dog bark", "9", 5),
        ("Glass - breaking", "1", 3),
    ]


def test_esc50_missing_files(tmp_path: Path) -> None:
    root = make_checkout(tmp_path)
    (root / "audio" / "1-9-B-0.wav").unlink()
    with pytest.raises(DatasetError, match=r"1 of the 2 files it names are missing, the first being .*1-9-B-0\.wav"):
        esc50(root)
    shutil.rmtree(root / "audio")
    with pytest.raises(DatasetError, match=r"2 of the 2 files .* first being .*2-30-A-7\.wav"):
        esc50(root)


def test_esc50_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        esc50(tmp_path / "absent")
    with pytest.raises(DatasetError, match=r"no ESC-50 found; accepted: a checkout of ESC-50 \(meta/esc50\.csv"):
        esc50(tmp_path)
    odd = touch(make_original(tmp_path / "odd"), "001 - Dog bark/bark.ogg")
    with pytest.raises(DatasetError, match=r"bark\.ogg: not named as in ESC-50"):
        esc50(odd)
    bare = make_checkout(tmp_path / "bare")
    write_table(bare / "meta" / "esc50.csv", "filename,target,category\n1-9-B-0.wav,0,dog\n")
    with pytest.raises(DatasetError, match="no column 'fold', 'src_file' among filename, target, category"):
        esc50(bare)


def test_from_path(tmp_path: Path) -> None:
    checkout, original = make_checkout(tmp_path / "checkout"), make_original(tmp_path / "original")
    plain = touch(tmp_path / "plain", "a/1.wav", "b/2.wav")
    csv = write_table(plain / "list.CSV", "path,class\nb/2.wav,x\n")
    assert list(from_path(checkout)) == list(esc50(checkout))
    assert list(from_path(str(original))) == list(esc50(original))
    assert list(from_path(plain)) == list(folder(plain))
    assert list(from_path(csv)) == list(table(csv))


def test_from_path_takes_a_nearly_esc_folder_as_a_plain_one(tmp_path: Path) -> None:
    root = touch(make_original(tmp_path), "001 - Dog bark/bark.ogg")
    assert "001 - Dog bark" in from_path(root).class_names


def test_from_path_mistakes(tmp_path: Path) -> None:
    touch(tmp_path, "song.wav")
    problems = {"song.wav": "neither a folder nor a .csv or .parquet file", "absent.csv": "no such file or folder"}
    for name, problem in problems.items():
        with pytest.raises(DatasetError) as caught:
            from_path(tmp_path / name)
        for accepted in (problem, "one subfolder a class", "meta/esc50.csv", ".csv or .parquet table"):
            assert accepted in str(caught.value)


# --------------------------------------------------------------------------------------------------- real data


def test_real_esc50_fold4(shared_data: Path) -> None:
    clips = esc50(shared_data / "esc50-fold4")
    assert repr(clips) == "Clips('esc50-fold4': 400 clips, 50 classes)"
    assert set(Counter(clips.labels.tolist()).values()) == {8}
    assert set(clips.folds.tolist()) == {4}
    # The file names say the same as the table: FOLD-SOURCE-TAKE-TARGET.
    stems = [Path(path).stem.split("-") for path in clips.paths]
    assert [stem[1] for stem in stems] == list(clips.sources)
    assert len({(stem[3], clip.class_name) for stem, clip in zip(stems, clips, strict=True)}) == 50
    assert list(from_path(shared_data / "esc50-fold4")) == list(clips)


def test_real_esc10(shared_data: Path) -> None:
    clips = from_path(shared_data / "esc10")
    assert repr(clips) == "Clips('esc10': 400 clips, 10 classes)"
    assert Counter(zip(clips.labels.tolist(), clips.folds.tolist(), strict=True)) == {
        (label, fold): 8 for label in range(10) for fold in range(1, 6)
    }
    assert clips.class_names == (
        *("Baby cry", "Chainsaw", "Clock tick", "Dog bark", "Fire crackling"),
        *("Helicopter", "Person sneeze", "Rain", "Rooster", "Sea waves"),
    )


def test_real_releases_agree(shared_data: Path) -> None:
    new, old = esc50(shared_data / "esc50-fold4"), esc50(shared_data / "esc10")
    for old_name, new_name in (("Dog bark", "dog"), ("Sea waves", "sea_waves"), ("Rooster", "rooster")):
        of_fold_4 = [clip.source for clip in old.select_classes([old_name]) if clip.fold == 4]
        assert sorted(of_fold_4) == sorted(new.select_classes([new_name]).sources)


def test_real_audiomnist(shared_data: Path) -> None:
    clips = folder(shared_data / "audiomnist-test", pattern=r"(?P<fold>\d)_(?P<source>\d\d)_\d+")
    assert clips.class_names == ("04", "27", "46", "55", "56")
    assert Counter(clips.labels.tolist()) == dict.fromkeys(range(5), 100)
    assert all(clip.source == clip.class_name for clip in clips)
    assert Counter(clips.folds.tolist()) == dict.fromkeys(range(10), 50)


# --------------------------------------------------------------------------------------------------- synthetic


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def read_wav(path: str) -> np.ndarray:
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def test_synthetic_files(tmp_path: Path) -> None:
    clips = synthetic(5, 3, seed=7, root=tmp_path / "set", sr=22050, duration=0.7)
    assert repr(clips) == "Clips('synthetic': 15 clips, 5 classes)"
    assert set(clips.class_names) == set(synthesis.CLASS_NAMES[:5])
    assert list(clips) == [
        Clip(clip.path, index // 3, clips.class_names[index // 3], clip.source, 0) for index, clip in enumerate(clips)
    ]
    assert relative(clips, tmp_path)[:2] == [f"set/{clips.class_names[0]}/{name}.wav" for name in ("000", "001")]
    for path in clips.paths:
        with wave.open(path) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
            assert file.getnframes() == 15435
    assert folder(tmp_path / "set").paths == clips.paths
    assert [path.name for path in tmp_path.iterdir()] == ["set"]  # no scratch folder is left


def test_synthetic_is_the_same_in_every_process(tmp_path: Path) -> None:
    synthetic(6, 3, seed=1, root=tmp_path / "here", duration=0.5)
    program = (
        "import sys; from siamaudio.datasets import synthetic\nsynthetic(6, 3, seed=1, root=sys.argv[1], duration=0.5)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "there")], check=True, timeout=120)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_synthetic_clips_do_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    few = synthetic(3, 2, seed=5, root=tmp_path / "few", duration=0.5)
    many = synthetic(8, 7, seed=5, root=tmp_path / "many", duration=0.5)
    found = contents(tmp_path / "many")
    for name, data in contents(tmp_path / "few").items():
        assert name == "manifest.json" or found[name] == data
    source_of = dict(zip(relative(many, tmp_path / "many"), many.sources, strict=True))
    assert [source_of[path] for path in relative(few, tmp_path / "few")] == list(few.sources)


def test_synthetic_clips_all_differ(tmp_path: Path) -> None:
    sets = [synthetic(4, 10, seed=seed, root=tmp_path / str(seed), duration=0.5) for seed in (0, 1)]
    assert len({Path(path).read_bytes() for clips in sets for path in clips.paths}) == 80


def test_synthetic_sources(tmp_path: Path) -> None:
    clips = synthetic(4, 20, root=tmp_path / "set", duration=0.5)
    for name in clips.class_names:
        takes = Counter(clips.select_classes([name]).sources)
        assert sum(count for count in takes.values() if count > 1) == 8  # two in five clips
        assert max(takes.values()) == 2
    owners = {clip.source: clip.class_name for clip in clips}
    assert all(owners[clip.source] == clip.class_name for clip in clips)


def test_synthetic_takes_of_one_source_share_their_pitch() -> None:
    # The cricket is a single tone: its pitch is the strongest frequency.
    def pitch(clip: int) -> float:
        samples = synthesis.render("cricket", clip, seed=0, sr=16000, num_frames=16000)
        return float(np.argmax(np.abs(np.fft.rfft(samples))))

    pitches: dict[int, list[float]] = {}
    for clip in range(40):
        pitches.setdefault(synthesis.source_of_clip("cricket", clip, seed=0), []).append(pitch(clip))
    assert max(max(takes) / min(takes) for takes in pitches.values()) < 1.02
    means = [np.mean(takes) for takes in pitches.values()]
    assert max(means) / min(means) > 1.5


def test_synthetic_classes_are_many_and_distinct() -> None:
    assert len(synthesis.CLASS_NAMES) == len(set(synthesis.CLASS_NAMES)) >= 40
    assert all(name.replace("_", "").isalpha() and name.islower() for name in synthesis.CLASS_NAMES)


@pytest.mark.parametrize(("sr", "seconds"), [(16000, 0.5), (44100, 0.7), (16000, 2.1)])
def test_synthetic_every_class_sounds_at_every_length(sr: int, seconds: float) -> None:
    num_frames = round(sr * seconds)
    for name in synthesis.CLASS_NAMES:
        for clip in range(6):
            samples = synthesis.render(name, clip, seed=1, sr=sr, num_frames=num_frames)
            assert samples.shape == (num_frames,)
            assert samples.dtype == np.int16
            peak_db = 20.0 * np.log10(np.max(np.abs(samples.astype(np.float64))) / 32768.0)
            assert -15.1 < peak_db < -0.9, name


SUM_OF_MAGNITUDES = 947_412_291


def test_synthetic_generator_version_goes_up_with_every_change() -> None:
    """Pins the sum of all magnitudes; where a change to the sounds alters it, raise GENERATOR_VERSION as well."""
    total = sum(
        int(np.abs(synthesis.render(name, 0, seed=0, sr=16000, num_frames=8000).astype(np.int64)).sum())
        for name in synthesis.CLASS_NAMES
    )
    # Another processor may round a few of the 400 000 samples the other way; any change of a sound moves far more.
    assert abs(total - SUM_OF_MAGNITUDES) <= 50
    assert synthesis.GENERATOR_VERSION == 1


def test_synthetic_is_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = synthetic(3, 2, root=tmp_path / "set", duration=0.5)
    monkeypatch.setattr(synthesis, "render", None)  # making anything anew would fail
    assert list(synthetic(3, 2, root=tmp_path / "set", duration=0.5)) == list(first)


def test_synthetic_cache_has_a_folder_for_each_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    choices: list[dict[str, Any]] = [{}, {"seed": 1}, {"num_classes": 3}, {"clips_per_class": 3}, {"sr": 16001}]
    basis = {"num_classes": 2, "clips_per_class": 2, "duration": 0.5}
    sets = [synthetic(**{**basis, **choice}) for choice in [*choices, {"duration": 0.6}]]
    parents = {Path(clips.paths[0]).parents[1] for clips in sets}
    assert len(parents) == 6
    assert {parent.parent for parent in parents} == {tmp_path / "siamaudio" / "synthetic"}


def test_synthetic_does_not_overwrite_other_things(tmp_path: Path) -> None:
    touch(tmp_path, "mine/notes.txt", "file", "broken/manifest.json")
    for name in ("mine", "file", "broken"):
        with pytest.raises(DatasetError, match=f"{name}: holds something else than a synthetic set; accepted"):
            synthetic(2, 2, root=tmp_path / name)
    synthetic(2, 2, root=tmp_path / "set", duration=0.5)
    before = contents(tmp_path / "set")
    with pytest.raises(DatasetError, match=r"holds a synthetic set made with .*'seed': 0.*accepted.*'seed': 1"):
        synthetic(2, 2, seed=1, root=tmp_path / "set", duration=0.5)
    assert contents(tmp_path / "set") == before


def test_synthetic_of_an_older_generator_is_not_reused(tmp_path: Path) -> None:
    synthetic(2, 2, root=tmp_path / "set", duration=0.5)
    manifest = tmp_path / "set" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "generator_version": 0}))
    with pytest.raises(DatasetError, match="'generator_version': 0"):
        synthetic(2, 2, root=tmp_path / "set", duration=0.5)


def test_synthetic_notices_missing_clips(tmp_path: Path) -> None:
    clips = synthetic(2, 2, root=tmp_path / "set", duration=0.5)
    Path(clips.paths[2]).unlink()
    with pytest.raises(DatasetError, match=r"1 of 4 clips are missing.*remove the folder"):
        synthetic(2, 2, root=tmp_path / "set", duration=0.5)


def test_synthetic_writes_into_an_empty_folder(tmp_path: Path) -> None:
    assert len(synthetic(2, 2, root=tmp_path, duration=0.5)) == len(list(tmp_path.rglob("*.wav"))) == 4


def test_synthetic_says_where_it_cannot_write(tmp_path: Path) -> None:
    touch(tmp_path, "file")
    with pytest.raises(DatasetError, match="cannot be written"):
        synthetic(2, 2, root=tmp_path / "file" / "set")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_synthetic_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    whole = contents(Path(synthetic(3, 3, root=tmp_path / "whole", duration=0.5).paths[0]).parents[1])
    real_render, calls = synthesis.render, 0

    def failing_render(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise interruption
        return real_render(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(synthesis, "render", failing_render)
        with pytest.raises(interruption):
            synthetic(3, 3, root=tmp_path / "set", duration=0.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole"]
    synthetic(3, 3, root=tmp_path / "set", duration=0.5)
    assert contents(tmp_path / "set") == whole


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_synthetic_killed_is_never_taken_for_whole(tmp_path: Path) -> None:
    program = "import sys; from siamaudio.datasets import synthetic; synthetic(3, 9999, root=sys.argv[1])"
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "set")])
    try:
        deadline = time.monotonic() + 60.0
        while not list(tmp_path.rglob("*/005.wav")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(tmp_path.rglob("*.wav"))  # the half-written set is there, under another name
    assert not (tmp_path / "set").exists()
    assert len(synthetic(2, 2, root=tmp_path / "set", duration=0.5)) == 4


def test_synthetic_made_twice_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_render, calls = synthesis.render, 0

    def render_while_another_process_finishes(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            synthetic(2, 2, root=tmp_path / "set", duration=0.5)
        return real_render(*args, **kwargs)

    monkeypatch.setattr(synthesis, "render", render_while_another_process_finishes)
    clips = synthetic(2, 2, root=tmp_path / "set", duration=0.5)
    assert calls == 8
    assert all(Path(path).is_file() for path in clips.paths)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"num_classes": 1}, "num_classes"),
        ({"num_classes": 2.0}, "num_classes"),
        ({"clips_per_class": 1}, "clips_per_class"),
        ({"clips_per_class": True}, "clips_per_class"),
        ({"seed": -1}, "seed"),
        ({"seed": "0"}, "seed"),
        ({"sr": 8000}, "sr"),
        ({"sr": 192000}, "sr"),
        ({"duration": 0.4}, "duration"),
        ({"duration": float("nan")}, "duration"),
        ({"duration": "1"}, "duration"),
    ],
)
def test_synthetic_mistakes(tmp_path: Path, arguments: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ParameterError) as caught:
        synthetic(**arguments, root=tmp_path / "set")
    assert caught.value.parameter == parameter
    assert not (tmp_path / "set").exists()


def test_synthetic_says_how_many_classes_there_are() -> None:
    count = len(synthesis.CLASS_NAMES)
    with pytest.raises(ParameterError, match=rf"num_classes: got {count + 1}; accepted: an integer from 2 to {count} "):
        synthetic(count + 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_synthetic_is_neither_trivial_nor_hopeless(tmp_path: Path, seed: int) -> None:
    """Nearest neighbour on raw log spectrograms solves 35 to 75 % of the 5-way one-shot tasks; chance is 20 %."""
    clips = synthetic(seed=seed, root=tmp_path / "set")
    features = np.stack([log_bands(read_wav(path)) for path in clips.paths])
    features -= features.mean(axis=1, keepdims=True)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    likeness = features @ features.T

    rng = np.random.default_rng(0)
    members = np.array([np.flatnonzero(clips.labels == label) for label in range(24)])
    hits = 0
    for _ in range(5000):
        classes = rng.choice(24, 5, replace=False)
        query, same = rng.choice(members[classes[0]], 2, replace=False)
        others = [rng.choice(members[label]) for label in classes[1:]]
        hits += likeness[query, same] > likeness[query, others].max()
    assert 0.35 < hits / 5000 < 0.75


def log_bands(samples: np.ndarray) -> np.ndarray:
    """Log power in 64 bands a mel-like distance apart, one column each 16 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(samples / 32768.0, 1024)[::256]
    power = np.abs(np.fft.rfft(frames * np.hanning(1024))) ** 2
    edges = 700.0 * (np.geomspace(1.0, 1.0 + 8000.0 / 700.0, 65) - 1.0)
    bands = np.digitize(np.fft.rfftfreq(1024, 1.0 / 16000.0), edges[1:-1])
    decibels = 10.0 * np.log10(np.array([power[:, bands == band].mean(axis=1) for band in np.unique(bands)]) + 1e-10)
    return np.maximum(decibels, decibels.max() - 80.0).ravel()


def test_importing_the_data_sets_is_cheap() -> None:
    program = "import sys, siamaudio.datasets; print([m for m in ('scipy', 'pandas', 'torch') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert output.stdout.strip() == "[]"
