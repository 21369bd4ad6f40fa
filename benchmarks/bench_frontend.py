"""The log-mel front end beside librosa, torch and kaldi-native-fbank, on real recordings.

benchmarks/README.md says what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import kaldi_native_fbank as knf
import librosa
import numpy as np
import numpy.typing as npt
import scipy.fft
import soundfile
import torch

import siamaudio as sa
from harness import (
    RESULTS,
    BenchmarkError,
    Contender,
    Report,
    Unit,
    aligned,
    alternate,
    describe_machine,
    shared_data,
    watch_other_load,
)

FloatArray = npt.NDArray[np.float32]

SR, N_FFT, HOP, N_MELS, SECONDS = 44100, 2048, 512, 128, 5
SAMPLES = SR * SECONDS
THREADS = (1, 2)
TOP_DB = 80.0

# All compute in float32, so that bands 80 dB below a clip's loudest hold some rounding noise of each one's FFT.
TOLERANCE_DB = 0.01

PACKAGES = ("kaldi-native-fbank", "librosa", "numpy", "scipy", "soundfile", "torch")
WRITTEN = {"wav": "PCM_16", "ogg": "VORBIS"}

LOG_MEL = sa.LogMel(sr=SR, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS, top_db=TOP_DB, duration=SECONDS)
FRAMES = LOG_MEL.num_frames(SAMPLES)


# ---- ours


def ours_from_files(paths: Sequence[str], threads: int) -> FloatArray:
    """Read and transform files; the one place that knows how the package is asked for it."""
    spectrograms, _, failed = LOG_MEL.transform_files(list(paths), num_threads=threads)
    if failed:
        raise BenchmarkError(f"{failed[0][1]} cannot be read: {failed[0][2]}")
    return spectrograms


# ---- the peers


def librosa_log_mel(y: FloatArray) -> FloatArray:
    power = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS)
    return librosa.power_to_db(power, top_db=TOP_DB)


def librosa_from_file(path: str) -> FloatArray:
    y, _ = soundfile.read(path, dtype="float32")
    return librosa_log_mel(librosa.util.fix_length(y, size=SAMPLES))


def loop(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    return [function(item) for item in items]


def pool(function: Callable[[Any], Any], items: Iterable[Any], threads: int) -> list[Any]:
    with ThreadPoolExecutor(threads) as executor:
        return list(executor.map(function, items))


@functools.cache
def torch_constants() -> tuple[torch.Tensor, torch.Tensor]:
    mel = librosa.filters.mel(sr=SR, n_fft=N_FFT, n_mels=N_MELS)
    return torch.hann_window(N_FFT), torch.from_numpy(mel)


def torch_log_mel(y: torch.Tensor) -> torch.Tensor:
    window, mel = torch_constants()
    spectrum = torch.stft(y, N_FFT, HOP, window=window, pad_mode="constant", return_complex=True)
    decibels = 10 * torch.log10((mel @ spectrum.abs().square()).clamp_min(1e-10))
    return torch.maximum(decibels, decibels.amax((-2, -1), keepdim=True) - TOP_DB)


def torch_comparable(spectrograms: list[torch.Tensor]) -> FloatArray:
    return torch.cat([s.reshape(-1, N_MELS, FRAMES) for s in spectrograms]).numpy()


@functools.cache
def kaldi_options() -> knf.FbankOptions:
    """Kaldi's front end set to compute what ours does, all but the decibels and the padding at the ends."""
    options = knf.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq = SR
    frame.frame_length_ms = 1000 * N_FFT / SR + 1e-4  # it rounds down to samples
    frame.frame_shift_ms = 1000 * HOP / SR + 1e-4
    frame.window_type = "hann"
    frame.dither = 0.0
    frame.preemph_coeff = 0.0
    frame.remove_dc_offset = False
    mel.num_bins = N_MELS
    mel.low_freq = 0.0
    mel.high_freq = SR / 2
    mel.is_librosa = True
    options.eps = 1e-10  # the floor of the logarithm
    return options


def kaldi_log_mel(padded: FloatArray) -> FloatArray:
    """Return natural logarithms [frames, bands] of a clip with n_fft / 2 zeros at both ends."""
    fbank = knf.OnlineFbank(kaldi_options())
    fbank.accept_waveform(SR, padded.tolist())  # takes arrays too, but more slowly
    fbank.input_finished()
    return np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])


def kaldi_comparable(logarithms: list[FloatArray]) -> FloatArray:
    decibels = np.stack(logarithms).swapaxes(1, 2) * (10 / math.log(10))
    return np.maximum(decibels, decibels.max(axis=(1, 2), keepdims=True) - TOP_DB)


def skipped_peers() -> dict[str, str]:
    """Peers that are not run, and why."""
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError) as error:
        reason = f"no build that goes with torch {torch.__version__} is installed ({type(error).__name__})"
    else:
        reason = "installed, but not timed"
    return {"torchaudio": f"{reason}; its MelSpectrogram is torch.stft and a matrix product, as the torch rows are"}


# ---- side by side


def compare_in_memory(report: Report, clips: FloatArray) -> None:
    unit = Unit("ns/frame", 1e9 / (len(clips) * FRAMES))
    tensor = torch.from_numpy(clips)
    padded = list(np.pad(clips, ((0, 0), (N_FFT // 2, N_FFT // 2))))
    for threads in THREADS:
        peers = [
            Contender(
                "librosa, plain loop",
                lambda: loop(librosa_log_mel, clips),
                threads,
                target=10 if threads == 1 else 20,
            ),
            Contender("torch.stft, clip by clip", lambda: loop(torch_log_mel, tensor), threads, torch_comparable, 6),
            Contender(
                "torch.stft, 8 clips a call",
                lambda: loop(torch_log_mel, tensor.split(8)),
                threads,
                torch_comparable,
                6,
            ),
        ]
        if threads == 1:
            peers.append(
                Contender("kaldi-native-fbank", lambda: loop(kaldi_log_mel, padded), 1, kaldi_comparable, target=30)
            )
        else:
            name = f"librosa, pool of {threads}"
            peers.append(Contender(name, lambda threads=threads: pool(librosa_log_mel, clips, threads)))
        report.compare(
            Contender("siamaudio", lambda threads=threads: LOG_MEL(clips, num_threads=threads)),
            peers,
            area="log-mel in memory",
            work=f"{len(clips)} clips of {SECONDS} s",
            threads=threads,
            unit=unit,
            tolerance=TOLERANCE_DB,
        )


def compare_files(report: Report, files: dict[str, list[str]]) -> None:
    targets = {"wav": 8, "flac": 3, "ogg": 2}
    for extension, target in targets.items():
        paths = files[extension]
        for threads in THREADS:
            peers = [
                Contender(
                    "soundfile + librosa, plain loop",
                    lambda paths=paths: loop(librosa_from_file, paths),
                    threads,
                    target=target,
                )
            ]
            if threads > 1:
                call = lambda paths=paths, threads=threads: pool(librosa_from_file, paths, threads)  # noqa: E731
                peers.append(Contender(f"soundfile + librosa, pool of {threads}", call, target=target))
            report.compare(
                Contender("siamaudio", lambda paths=paths, threads=threads: ours_from_files(paths, threads)),
                peers,
                area="files to log-mel",
                work=f"{len(paths)} {extension.upper()} of {SECONDS} s",
                threads=threads,
                unit=Unit("ms/clip", 1e3 / len(paths)),
                tolerance=TOLERANCE_DB,
            )


# ---- ours alone: how far from the limits, and how the time grows


def frame_operations() -> float:
    """Floating-point operations that one frame needs: window, FFT, power, non-zero mel weights, logarithms."""
    mel_weights = np.count_nonzero(librosa.filters.mel(sr=SR, n_fft=N_FFT, n_mels=N_MELS))
    return N_FFT + 2.5 * N_FFT * math.log2(N_FFT) + 3 * (N_FFT // 2 + 1) + 2 * mel_weights + 10 * N_MELS


def measure_limits(report: Report, files: dict[str, list[str]], *, rounds: int, min_seconds: float) -> dict[str, Any]:
    """Measure what no code on one thread of this machine can undercut, and what its parts take alone.

    A limit is the machine's best, so the fastest round counts, beside the median of ours.
    """

    def fastest(contenders: list[Contender]) -> tuple[str, float]:
        times = alternate(contenders, rounds=rounds, min_seconds=min_seconds)
        pairs = zip((contender.name for contender in contenders), map(min, times), strict=True)
        return min(pairs, key=lambda pair: pair[1])

    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((1024, 1024), dtype=np.float32)
    tensor = torch.from_numpy(matrix)
    gemm_name, gemm = fastest(
        [Contender("numpy", lambda: matrix @ matrix), Contender("torch", lambda: tensor @ tensor)],
    )
    block = rng.standard_normal(1 << 24, dtype=np.float32)  # 64 MiB, larger than the caches
    target = np.empty_like(block)
    _, copy = fastest([Contender("numpy", lambda: np.copyto(target, block))])
    frames = rng.standard_normal((2048, N_FFT), dtype=np.float32)
    frames_tensor = torch.from_numpy(frames)
    fft_name, fft = fastest(
        [
            Contender("scipy", lambda: scipy.fft.rfft(frames, workers=1)),
            Contender("scipy, 64 frames a call", lambda: loop(scipy.fft.rfft, np.split(frames, 32))),
            Contender("torch", lambda: torch.fft.rfft(frames_tensor)),
            Contender("torch, 64 frames a call", lambda: loop(torch.fft.rfft, frames_tensor.split(64))),
        ],
    )
    gflops = 2 * 1024**3 / gemm / 1e9
    gigabytes = 2 * block.nbytes / copy / 1e9
    arithmetic = frame_operations() / gflops
    memory = 4 * (HOP + N_MELS) / gigabytes
    ours = our_seconds(report, "log-mel in memory", "") * 1e9
    decode = {}
    for extension, paths in files.items():
        _, seconds = fastest([Contender("sa.load", lambda paths=paths: loop(sa.load, paths))])
        alone = seconds / len(paths) * 1e3
        whole = our_seconds(report, "files to log-mel", extension.upper()) * 1e3
        decode[extension] = {"decode_ms": alone, "whole_ms": whole, "decode_share": alone / whole}
    return {
        "sgemm": {"by": gemm_name, "GFLOP/s": gflops},
        "copy": {"GB/s": gigabytes},
        "fft_alone": {"by": fft_name, "ns_per_frame": fft / len(frames) * 1e9},
        "operations_per_frame": frame_operations(),
        "arithmetic_ns_per_frame": arithmetic,
        "memory_ns_per_frame": memory,
        "limit_ns_per_frame": max(arithmetic, memory),
        "ours_ns_per_frame": ours,
        "ours_clips_per_second": 1e9 / (ours * FRAMES),
        "share_of_limit": max(arithmetic, memory) / ours,
        "decode": decode,
    }


def our_seconds(report: Report, area: str, work: str) -> float:
    """Return our median seconds on one thread, a frame or a clip, in the rows of an area that name `work`."""
    row = next(row for row in report.rows if row.area == area and work in row.work and row.threads == 1)
    count = report.settings["clips"] * (FRAMES if area == "log-mel in memory" else 1)
    return statistics.median(row.ours_seconds) / count


def measure_growth(
    clips: FloatArray, counts: Sequence[int], lengths: Sequence[float], *, rounds: int, min_seconds: float
) -> list[dict[str, Any]]:
    """Time ours over numbers of clips and lengths of clips, on each number of threads."""
    signal = clips.reshape(-1)

    def shapes() -> Iterator[tuple[str, FloatArray]]:
        for count in counts:
            yield "number of clips", clips[:count]
        for clips_a_call in (1, 16):
            for seconds in lengths:
                samples = round(seconds * SR)
                if clips_a_call * samples <= signal.size and (clips_a_call == 1 or seconds <= 60):
                    part = signal[: clips_a_call * samples]
                    yield f"length, {clips_a_call} a call", part.reshape(clips_a_call, samples)

    found = []
    for series, y in shapes():
        frames = len(y) * LOG_MEL.num_frames(y.shape[1])
        calls = [
            Contender(f"{threads}", lambda y=y, threads=threads: LOG_MEL(y, num_threads=threads)) for threads in THREADS
        ]
        times = alternate(calls, rounds=rounds, min_seconds=min_seconds)
        found.append(
            {
                "series": series,
                "clips": len(y),
                "seconds_per_clip": y.shape[1] / SR,
                "times": {str(threads): seconds for threads, seconds in zip(THREADS, times, strict=True)},
                "ns_per_frame": {
                    str(threads): statistics.median(seconds) / frames * 1e9
                    for threads, seconds in zip(THREADS, times, strict=True)
                },
            }
        )
    return found


def print_limits(limits: dict[str, Any]) -> None:
    gemm, fft = limits["sgemm"], limits["fft_alone"]
    print(f"""
Limits, one thread
  arithmetic {limits["arithmetic_ns_per_frame"]:,.0f} ns/frame: {limits["operations_per_frame"]:,.0f} operations \
at {gemm["GFLOP/s"]:.0f} GFLOP/s, which sgemm of {gemm["by"]} reaches
  memory     {limits["memory_ns_per_frame"]:,.0f} ns/frame: samples in and decibels out \
at {limits["copy"]["GB/s"]:.1f} GB/s, which a copy reaches
  FFT alone  {fft["ns_per_frame"]:,.0f} ns/frame, {fft["by"]} (the fastest of the libraries here, no bound)
  ours       {limits["ours_ns_per_frame"]:,.0f} ns/frame, {limits["ours_clips_per_second"]:,.0f} clips/s: \
{limits["share_of_limit"]:.0%} of the arithmetic or memory limit""")
    for extension, decode in limits["decode"].items():
        print(
            f"  {extension.upper():<5}decoding alone (sa.load) {decode['decode_ms']:.2f} ms/clip, "
            f"{decode['decode_share']:.0%} of the {decode['whole_ms']:.2f} ms of the whole"
        )


def print_growth(growth: list[dict[str, Any]]) -> None:
    heading = ("ours over", "clips", "seconds each", *(f"ns/frame, {t} thr." for t in THREADS), "gain of threads")
    lines: list[tuple[str, ...]] = [heading]
    for point in growth:
        by_threads = [point["ns_per_frame"][str(threads)] for threads in THREADS]
        gain = f"{by_threads[0] / by_threads[-1]:.2f}"
        numbers = (f"{nanoseconds:,.0f}" for nanoseconds in by_threads)
        lines.append((point["series"], str(point["clips"]), f"{point['seconds_per_clip']:g}", *numbers, gain))
    print("\n" + aligned(lines, right=range(1, len(heading))))


# ---- the run


def read_clips(paths: Sequence[Path]) -> FloatArray:
    clips = np.zeros((len(paths), SAMPLES), dtype=np.float32)
    for clip, path in zip(clips, paths, strict=True):
        y, sr = soundfile.read(path, dtype="float32")
        if sr != SR or y.ndim != 1:
            raise BenchmarkError(f"{path} should be mono at {SR} Hz, but is at {sr} Hz with shape {y.shape}")
        clip[: min(len(y), SAMPLES)] = y[:SAMPLES]
    return clips


def files_by_format(flac: Sequence[Path], clips: FloatArray, folder: Path) -> dict[str, list[str]]:
    """Return the FLAC files as they are, and the same clips written to `folder` in the other formats."""
    files = {"flac": [str(path) for path in flac]}
    for extension, subtype in WRITTEN.items():
        files[extension] = [str(folder / f"{i}.{extension}") for i in range(len(clips))]
        for path, clip in zip(files[extension], clips, strict=True):
            soundfile.write(path, clip, SR, subtype=subtype)
    return files


def run(quick: bool, out: Path) -> None:
    audio = sorted((shared_data("esc50-fold4") / "audio").glob("*.flac"))
    if quick:
        audio = audio[:3]
    step = 1 if quick else 10
    rounds, min_seconds = (2, 0.0) if quick else (7, 0.05)
    clips = read_clips(audio)
    few = np.ascontiguousarray(clips[::step])
    settings = {"quick": quick, "clips": len(few), "log_mel": LOG_MEL.to_dict()}
    report = Report("frontend", rounds, min_seconds, settings, describe_machine(PACKAGES), skipped=skipped_peers())
    with tempfile.TemporaryDirectory() as folder, watch_other_load() as load:
        files = files_by_format(audio[::step], few, Path(folder))
        compare_in_memory(report, few)
        compare_files(report, files)
        limits = measure_limits(report, files, rounds=rounds, min_seconds=min_seconds)
        counts = (1, 3) if quick else (1, 2, 4, 10, 40, 100, 400)
        lengths = (0.1, 1) if quick else (0.1, 0.5, 1, 5, 30, 120, 600)
        growth = measure_growth(clips, counts, lengths, rounds=min(rounds, 5), min_seconds=min_seconds)
    report.environment |= load
    report.extras = {"limits": limits, "growth": growth}
    report.write(out)
    print(report)
    print_limits(limits)
    print_growth(growth)
    print(f"\nAll times: {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three clips, some seconds: shows that it runs, no more")
    parser.add_argument("--out", type=Path, help="JSON file (default: results/frontend.json, quick: frontend-quick)")
    options = parser.parse_args()
    name = "frontend-quick.json" if options.quick else "frontend.json"
    try:
        run(options.quick, options.out or RESULTS / name)
    except BenchmarkError as error:
        sys.exit(f"bench_frontend: {error}")


if __name__ == "__main__":
    main()
