"""How close two spectrograms have to be, and why."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Two float32 computations of the same sums in another order.
RELATIVE = 1e-4

# A Fourier transform in float32 leaves noise in every bin. KissFFT computes its twiddle factors from phases rounded to
# float32; what was seen, for n_fft from 154 to 4096, is 3e-7 to 9e-7 of the largest bin's magnitude.
NOISE_MAGNITUDE = 1e-6

# What that noise e makes of powers m**2: 2 m e, which exceeds RELATIVE * m**2 by e**2 / RELATIVE at most.
NOISE_POWER = NOISE_MAGNITUDE**2 / RELATIVE

# 1e-4 of a power are 4e-4 dB; this leaves room for single-precision decibels of up to 100 (8e-6) and is far below what
# anything can hear or learn from.
DECIBELS = 1e-2

# Natural logarithm of powers: RELATIVE, plus the rounding of numbers up to 30 in single precision.
NEPERS = 1.2e-4


def assert_powers_close(got: npt.NDArray[np.float32], expected: npt.NDArray[np.floating], *, power: float = 2) -> None:
    """Powers, or magnitudes (`power` 1): to RELATIVE, or to the noise that the clip's largest value leaves."""
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    wide = expected.astype(np.float64)
    noise = NOISE_POWER if power == 2 else NOISE_MAGNITUDE
    tolerance = RELATIVE * np.abs(wide) + noise * np.abs(wide).max()
    difference = np.abs(got - wide)
    if (difference > tolerance).any():
        worst = np.unravel_index(np.argmax(difference / np.maximum(tolerance, 1e-300)), got.shape)
        raise AssertionError(f"{got[worst]} is not {expected[worst]} at {worst}; the largest is {wide.max()}")


def assert_decibels_close(
    got: npt.NDArray[np.float32], expected: npt.NDArray[np.floating], *, power: float = 2
) -> None:
    """Decibels: to DECIBELS, and as powers or magnitudes."""
    step = 20 / power
    loudest = float(expected.max())
    as_power, expected_power = (10 ** ((levels.astype(np.float64) - loudest) / step) for levels in (got, expected))
    assert_powers_close(as_power.astype(np.float32), expected_power, power=power)
    assert got.dtype == np.float32
    noise = NOISE_POWER if power == 2 else NOISE_MAGNITUDE
    tolerance = DECIBELS + step * np.log10(1 + noise / expected_power)
    assert (np.abs(got.astype(np.float64) - expected) <= tolerance).all()
