"""Fingerprints of spectrograms, and which clips have alike ones.

Whether the level rises faster in one band than in the next is the same in a copy of a recording, however loud it is and
whatever codec it went through: the signs of Haitsma and Kalker ("A highly robust audio fingerprinting system", ISMIR
2002). Here a sign counts by how far the level there is above the clip's mean, as noise and codecs change the softer
parts, and clips are compared at all shifts at once, by Fourier transforms along time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft
from tqdm.auto import tqdm

from siamaudio.errors import ParameterError
from siamaudio.features import Features

__all__ = ["Fingerprints"]

_NUM_BANDS = 32  # that a spectrogram is averaged to, at most about
_NUM_FRAMES = 128
_LEAST_OVERLAP = 0.25  # share of each fingerprint, by weight, that must be inside the overlap
# By so many standard deviations a similarity must be above that of independent signs. There are n²/2 pairs at a hundred
# shifts each, and neighbouring signs are not quite independent.
_LEAST_DEVIATIONS = 8.0
_BLOCK_CLIPS = 128  # that are compared with as many others at once


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Fingerprints:
    """What is compared of each clip.

    Attributes
    ----------
    signs : np.ndarray [shape=(clips, bands, frames), dtype=float32]
        Signs of the changes, with their weights, in [-1, 1].
    frames_per_step : int
        Frames of the spectrograms to each frame here.
    """

    signs: npt.NDArray[np.float32]
    frames_per_step: int

    @classmethod
    def of(cls, features: Features) -> Self:
        """Take fingerprints of clips, a block in memory at a time.

        Parameters
        ----------
        features : Features
            Logarithmic spectrograms; channels are averaged.

        Raises
        ------
        ParameterError
            The spectrograms have fewer than 4 bands or frames, or are not finite.
        """
        *_, num_bands, num_frames = features.shape
        if num_bands < 4 or num_frames < 4:
            raise ParameterError("features", f"{num_bands} bands x {num_frames} frames", "4 or more of each")
        per_band, per_step = max(1, num_bands // _NUM_BANDS), -(-num_frames // _NUM_FRAMES)
        blocks = [_signs(block.array, per_band, per_step) for block in features.iter_blocks()]
        shape = (0, num_bands // per_band - 1, num_frames // per_step - 1)
        return cls(
            signs=np.concatenate([np.empty(shape, dtype=np.float32), *blocks]),
            frames_per_step=per_step,
        )

    @property
    def num_silent(self) -> int:
        """Clips without any change of level."""
        return int((~self.signs.any(axis=(1, 2))).sum())

    def similar_pairs(self, min_similarity: float, *, progress: bool = False) -> list[tuple[int, int, float, int]]:
        """Find all pairs that are alike at some shift of up to half a clip.

        Parameters
        ----------
        min_similarity : float in (0, 1]
            Least normalised correlation of the two fingerprints' overlap.
        progress : bool
            Show a progress bar on stderr, from the second second on.

        Returns
        -------
        list of (first, second, similarity, shift)
            Most similar first; first < second; `shift` in frames of the spectrograms: the first clip at frame t + shift
            is alike the second at t.
        """
        found = []
        reliable = self._num_signs() ** 0.25
        num_blocks = -(-len(self.signs) // _BLOCK_CLIPS)
        blocks = tqdm(
            self._best_shifts(),
            total=num_blocks * (num_blocks + 1) // 2,
            desc="comparing clips",
            unit="block",
            delay=1,
            disable=not progress,
        )
        for rows, columns, similarity, shift in blocks:
            deviations = similarity * reliable[rows, None] * reliable[None, columns]
            alike = (similarity >= min_similarity) & (deviations >= _LEAST_DEVIATIONS)
            for row, column in np.argwhere(alike).tolist():
                first, second = rows.start + row, columns.start + column
                if first < second:
                    shift_frames = int(shift[row, column]) * self.frames_per_step
                    found.append((first, second, min(1.0, float(similarity[row, column])), shift_frames))
        return sorted(found, key=lambda pair: (-pair[2], pair))

    def _num_signs(self) -> npt.NDArray[np.float64]:
        """How many signs of full weight each fingerprint is worth.

        The correlation of independent signs with weights v and w varies by Σ v² w², which by Cauchy and Schwarz is
        √(Σ v⁴ Σ w⁴) at most.
        """
        squares = np.square(self.signs)
        sums = squares.sum(axis=(1, 2), dtype=np.float64)
        return sums**2 / np.maximum(np.einsum("cbt,cbt->c", squares, squares), 1e-12)

    def _best_shifts(self) -> Iterator[tuple[slice, slice, npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
        """Highest normalised correlation, and its shift, of one block of clips with another."""
        num_clips, _, num_steps = self.signs.shape
        most = num_steps // 2
        shifts = np.arange(-most, most + 1)
        # Long enough for no shift to meet the other end; circular correlation does the rest.
        length = next_fast_len(num_steps + most, real=True)
        spectra = np.ascontiguousarray(np.asarray(rfft(self.signs, length, axis=2)).transpose(2, 0, 1))
        first_scale, second_scale = self._scales(shifts)
        for first in range(0, num_clips, _BLOCK_CLIPS):
            rows = slice(first, min(first + _BLOCK_CLIPS, num_clips))
            for second in range(first, num_clips, _BLOCK_CLIPS):
                columns = slice(second, min(second + _BLOCK_CLIPS, num_clips))
                product = np.matmul(spectra[:, rows], spectra[:, columns].conj().transpose(0, 2, 1))
                circular = np.asarray(irfft(product.transpose(1, 2, 0), length, axis=2))
                correlation = np.concatenate([circular[..., length - most :], circular[..., : most + 1]], axis=2)
                correlation *= first_scale[rows, None]
                correlation *= second_scale[None, columns]
                best = correlation.argmax(axis=2)
                highest = np.take_along_axis(correlation, best[..., None], axis=2)[..., 0]
                yield rows, columns, highest, shifts[best]

    def _scales(self, shifts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return what normalises the correlation at each shift, for the first and for the second clip.

        One over the length of the part of the fingerprint that overlaps; 0 where that is too small a part.
        """
        num_clips, _, num_steps = self.signs.shape
        by_step = np.einsum("cbt,cbt->ct", self.signs, self.signs).astype(np.float64)
        up_to = np.concatenate([np.zeros((num_clips, 1)), np.cumsum(by_step, axis=1)], axis=1)
        whole = up_to[:, -1:]

        def scale(start: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
            inside = up_to[:, stop] - up_to[:, start]
            enough = (inside >= _LEAST_OVERLAP * whole) & (inside > 0)
            return (enough / np.sqrt(np.where(enough, inside, 1))).astype(np.float32)

        later, sooner = np.maximum(0, shifts), np.maximum(0, -shifts)
        return scale(later, num_steps - sooner), scale(sooner, num_steps - later)


def _signs(spectrograms: npt.NDArray[np.floating], per_band: int, per_step: int) -> npt.NDArray[np.float32]:
    levels = np.asarray(spectrograms, dtype=np.float32)
    if not np.isfinite(levels).all():
        raise ParameterError("features", "NaN or infinite values", "finite numbers")
    if levels.ndim == 4:
        levels = levels.mean(axis=1)
    num_clips, num_bands, num_frames = levels.shape
    num_bands, num_frames = num_bands // per_band, num_frames // per_step
    levels = levels[:, : num_bands * per_band, : num_frames * per_step]
    levels = levels.reshape(num_clips, num_bands, per_band, num_frames, per_step).mean(axis=(2, 4))
    changes = np.diff(np.diff(levels, axis=1), axis=2)
    around = (levels[:, 1:, 1:] + levels[:, :-1, 1:] + levels[:, 1:, :-1] + levels[:, :-1, :-1]) / 4
    mean, deviation = around.mean(axis=(1, 2), keepdims=True), around.std(axis=(1, 2), keepdims=True)
    weights = np.clip((around - mean) / np.where(deviation > 0, deviation, 1), 0, 1)
    # In digital silence there are no changes but those of rounding.
    least = 1e-4 * np.abs(changes).max(axis=(1, 2), keepdims=True)
    return np.where(np.abs(changes) > least, np.sign(changes) * weights, np.float32(0))
