"""The classes of the synthetic data set: each a name and a function that turns a `Scene` into a signal.

Pitch and timbre are drawn from ``scene.voice``, which the clips of one source share; timing, order and accents are
drawn from ``scene.take``, which is each clip's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

import numpy as np

from siamaudio.datasets import sound_blocks as blocks
from siamaudio.datasets.sound_blocks import Array, Scene

__all__ = ["CLASS_NAMES", "SOUNDS"]

# ------------------------------------------------------------------------------------------------- steady tones


def _fm_tone(scene: Scene) -> Array:
    carrier = blocks.log_uniform(scene.voice, 200.0, 1000.0)
    ratio = scene.voice.uniform(1.3, 1.5)
    brightness = 1.5 + 2.5 * np.sin(
        np.pi * scene.t * blocks.log_uniform(scene.take, 0.7, 1.4) + scene.take.uniform(0, 6.0)
    )
    sound = np.sin(blocks.phase(scene, carrier) + brightness * blocks.tone(scene, carrier * ratio))
    start = blocks.start(scene, 0.7)
    return sound * blocks.gate(scene, start, start + scene.take.uniform(0.6, 1.0) * scene.seconds, fade=0.08)


def _organ_chord(scene: Scene) -> Array:
    root = blocks.log_uniform(scene.voice, 130.0, 400.0)
    third = 1.26 if scene.voice.uniform() < 0.5 else 1.19
    stops = scene.voice.uniform(0.2, 1.0, 8)
    start = blocks.start(scene, 0.7)
    envelope = blocks.gate(scene, start, start + scene.take.uniform(0.6, 1.0) * scene.seconds, fade=0.1)
    return envelope * sum((blocks.harmonics(scene, root * ratio, stops) for ratio in (1.0, third, 1.5)), np.zeros(1))


def _sawtooth_buzz(scene: Scene) -> Array:
    frequency = blocks.log_uniform(scene.voice, 70.0, 280.0)
    length = blocks.log_uniform(scene.voice, 0.25, 0.6)
    grain = scene.part(length)
    beats = blocks.beats(scene, length * 1.35, jitter=0.1)
    buzz = blocks.rich(grain, frequency, slope=0.7, count=60) * blocks.gate(grain, 0.0, length)
    return blocks.place(scene, beats, [buzz] * len(beats))


def _robot_voice(scene: Scene) -> Array:
    carrier = blocks.log_uniform(scene.voice, 60.0, 180.0)
    length = blocks.log_uniform(scene.voice, 0.14, 0.24)
    beats = blocks.beats(scene, length * 1.15, jitter=0.05)
    grain = scene.part(length)
    grains: list[Array] = []
    for _ in beats:
        voice = blocks.rich(grain, blocks.log_uniform(scene.take, 100.0, 140.0), slope=0.5)
        formants = [scene.take.uniform(300.0, 900.0), scene.take.uniform(1000.0, 2400.0)]
        grains.append(blocks.resonate(grain, voice, formants, [90.0, 120.0]) * blocks.arch(grain))
    return blocks.place(scene, beats, grains) * np.sign(blocks.tone(scene, carrier))


# ------------------------------------------------------------------------------------------------------- sweeps


def _chirp(scene: Scene, *, upwards: bool) -> Array:
    low = blocks.log_uniform(scene.voice, 200.0, 900.0)
    high = low * blocks.log_uniform(scene.voice, 3.0, 6.0)
    grain = scene.part(blocks.log_uniform(scene.take, 0.35, 0.95))
    sweep = blocks.glide(grain, low, high) if upwards else blocks.glide(grain, high, low)
    colour = scene.voice.uniform(1.0, 2.5)
    return blocks.place(
        scene, [blocks.start(scene)], [blocks.rich(grain, sweep, slope=colour, count=6) * blocks.arch(grain)]
    )


def _chirp_up(scene: Scene) -> Array:
    return _chirp(scene, upwards=True)


def _chirp_down(scene: Scene) -> Array:
    return _chirp(scene, upwards=False)


def _laser_zaps(scene: Scene) -> Array:
    high = blocks.log_uniform(scene.voice, 2500.0, 6000.0)
    length = blocks.log_uniform(scene.voice, 0.09, 0.2)
    grain = scene.part(length)
    zap = blocks.rich(grain, blocks.glide(grain, high, high / 4, high / 10), slope=1.2, count=5) * blocks.decay(
        grain, length / 2
    )
    beats = blocks.beats(scene, length * blocks.log_uniform(scene.take, 1.2, 2.2), jitter=0.15)
    return blocks.place(scene, beats, [zap * blocks.accent(scene) for _ in beats])


def _noise_sweep(scene: Scene) -> Array:
    low = blocks.log_uniform(scene.voice, 250.0, 700.0)
    high = low * blocks.log_uniform(scene.voice, 5.0, 9.0)
    grain = scene.part(blocks.log_uniform(scene.take, 0.5, 1.1))
    path = (low, high, low) if scene.voice.uniform() < 0.5 else (low, high)
    whoosh = blocks.moving_noise(grain, blocks.glide(grain, *path), 0.3 * low + 100.0) * blocks.arch(
        grain, sharpness=1.0
    )
    return blocks.place(scene, [blocks.start(scene)], [whoosh])


def _zip_fastener(scene: Scene) -> Array:
    centre = blocks.log_uniform(scene.voice, 1500.0, 4000.0)
    grain = scene.part(blocks.log_uniform(scene.take, 0.4, 0.9))
    slow = blocks.log_uniform(scene.voice, 25.0, 45.0)
    teeth = blocks.pulses(grain, blocks.glide(grain, slow, slow * 5.0))
    rasp = blocks.spread(
        grain, teeth, blocks.band_noise(scene.part(0.01), centre, centre * 2.0) * blocks.decay(scene.part(0.01), 0.003)
    )
    return blocks.place(scene, [blocks.start(scene)], [rasp * np.linspace(0.4, 1.0, grain.num_frames)])


def _siren(scene: Scene, movement: Array) -> Array:
    low = blocks.log_uniform(scene.voice, 350.0, 800.0)
    span = scene.voice.uniform(0.6, 1.1)
    return blocks.rich(scene, low * np.exp(span * movement), slope=scene.voice.uniform(1.0, 1.8), count=10)


def _siren_wail(scene: Scene) -> Array:
    rate = blocks.log_uniform(scene.voice, 0.45, 0.9)
    return _siren(scene, 0.5 - 0.5 * np.cos(2.0 * np.pi * (rate * scene.t + scene.take.uniform())))


def _siren_yelp(scene: Scene) -> Array:
    rate = blocks.log_uniform(scene.voice, 2.8, 5.5)
    return _siren(scene, (rate * scene.t + scene.take.uniform()) % 1.0)


def _siren_hi_lo(scene: Scene) -> Array:
    rate = blocks.log_uniform(scene.voice, 1.2, 2.6)
    return _siren(scene, np.where((rate * scene.t + scene.take.uniform()) % 1.0 < 0.5, 0.0, 0.5))


# ----------------------------------------------------------------------------------------------- struck, plucked


def _bell(scene: Scene) -> Array:
    strike = blocks.log_uniform(scene.voice, 250.0, 1000.0)
    ratios = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.1]) * scene.voice.uniform(0.99, 1.01, 9)
    decays = scene.voice.uniform(0.5, 1.0) / np.sqrt(ratios)
    start = blocks.start(scene, 0.6)
    return blocks.place(scene, [start], [blocks.partials(scene, strike * ratios, decays)])


def _gong(scene: Scene) -> Array:
    lowest = blocks.log_uniform(scene.voice, 70.0, 180.0)
    frequencies = lowest * np.cumprod(scene.voice.uniform(1.05, 1.25, 22))
    body = blocks.partials(scene, frequencies, 0.9 / np.sqrt(frequencies / lowest))
    shimmer = (
        blocks.band_noise(scene, lowest * 8, lowest * 30) * np.minimum(scene.t / 0.15, 1.0) * np.exp(-scene.t / 0.4)
    )
    return blocks.place(scene, [blocks.start(scene, 0.65)], [body + 0.5 * shimmer])


def _plucked_string(scene: Scene) -> Array:
    open_string = blocks.log_uniform(scene.voice, 100.0, 330.0)
    where = scene.voice.uniform(0.1, 0.35)  # plucking a string at this share of its length mutes some harmonics
    numbers = np.arange(1, 26)
    amplitudes = np.sin(np.pi * numbers * where) / numbers
    beats = blocks.beats(scene, blocks.log_uniform(scene.take, 0.22, 0.5), jitter=0.1)
    grain = scene.part(0.7)
    grains: list[Array] = []
    for _ in beats:
        frequency = open_string * 2.0 ** (scene.take.integers(0, 8) / 12.0)
        # The upper harmonics die away first: a bright beginning over a dull remainder.
        bright = blocks.harmonics(grain, frequency, amplitudes * (numbers > 5)) * blocks.decay(grain, 0.07)
        dull = blocks.harmonics(grain, frequency, amplitudes[:5]) * blocks.decay(grain, 0.25)
        grains.append((bright + dull) * blocks.gate(grain, -1.0, 0.7, fade=0.1))
    return blocks.place(scene, beats, grains)


def _marimba(scene: Scene) -> Array:
    lowest = blocks.log_uniform(scene.voice, 180.0, 600.0)
    beats = blocks.beats(scene, blocks.log_uniform(scene.take, 0.13, 0.3), jitter=0.05)
    grain = scene.part(0.4)
    grains: list[Array] = []
    for _ in beats:
        frequency = lowest * 2.0 ** (int(scene.take.choice([0, 2, 4, 7, 9, 12])) / 12.0)
        grains.append(
            blocks.partials(grain, frequency * np.array([1.0, 3.93, 9.2]), [0.1, 0.03, 0.012]) * blocks.accent(scene)
        )
    return blocks.place(scene, beats, grains)


def _glass_break(scene: Scene) -> Array:
    brightness = blocks.log_uniform(scene.voice, 0.7, 1.4)
    start = blocks.start(scene, 0.7)
    count = int(scene.take.integers(25, 45))
    onsets = [start, *(start + scene.take.exponential(0.2, count))]
    crash = scene.part(0.08)
    grains: list[Array] = [4.0 * blocks.band_noise(crash, 1500.0 * brightness, 7000.0) * blocks.decay(crash, 0.02)]
    splinter = scene.part(0.15)
    for _ in range(count):
        frequencies = brightness * scene.take.uniform(1800.0, 6500.0, 2)
        grains.append(blocks.partials(splinter, frequencies, [0.03, 0.015]) * blocks.accent(scene, 0.9))
    return blocks.place(scene, onsets, grains)


def _thump(scene: Scene, centre_hz: float, *, seconds: float) -> Array:
    """Return a short dull blow: decaying noise in a body that resonates at one frequency."""
    grain = scene.part(6.0 * seconds)
    blow = grain.take.standard_normal(grain.num_frames) * blocks.decay(grain, seconds / 2.0, attack=0.0005)
    return blocks.resonate(grain, blow, [centre_hz, 2.3 * centre_hz], [0.3 * centre_hz, 0.6 * centre_hz])


def _knocks(scene: Scene) -> Array:
    centre = blocks.log_uniform(scene.voice, 180.0, 700.0)
    period = blocks.log_uniform(scene.voice, 0.13, 0.24)
    onsets = blocks.start(scene, 0.6) + period * np.arange(scene.take.integers(3, 6))
    return blocks.place(
        scene, onsets.tolist(), [_thump(scene, centre, seconds=0.03) * blocks.accent(scene) for _ in onsets]
    )


def _footsteps(scene: Scene) -> Array:
    centre = blocks.log_uniform(scene.voice, 70.0, 160.0)
    grit = blocks.log_uniform(scene.voice, 1200.0, 3500.0)
    beats = blocks.beats(scene, blocks.log_uniform(scene.voice, 0.33, 0.55), jitter=0.06)
    grain = scene.part(0.16)
    steps = [
        3.0 * np.pad(_thump(scene, centre, seconds=0.025), (0, grain.num_frames))[: grain.num_frames]
        + 0.4 * blocks.band_noise(grain, grit, 2.0 * grit) * blocks.arch(grain, sharpness=2.0)
        for _ in beats
    ]
    return blocks.place(scene, beats, steps)


def _clock_tick(scene: Scene) -> Array:
    centre = blocks.log_uniform(scene.voice, 1800.0, 4500.0)
    period = blocks.log_uniform(scene.voice, 0.2, 0.42)
    beats = blocks.beats(scene, period)
    grain = scene.part(0.03)
    tick = blocks.partials(grain, [centre, 1.62 * centre], [0.004, 0.003])
    tock = blocks.partials(grain, [0.8 * centre, 1.3 * centre], [0.004, 0.003])
    return blocks.place(scene, beats, [tick if index % 2 else tock for index in range(len(beats))])


def _heartbeat(scene: Scene) -> Array:
    centre = blocks.log_uniform(scene.voice, 60.0, 120.0)
    period = blocks.log_uniform(scene.voice, 0.5, 0.8)
    beats = blocks.beats(scene, period, jitter=0.03)
    lub = _thump(scene, centre, seconds=0.07)
    dub = 0.7 * _thump(scene, 1.4 * centre, seconds=0.05)
    onsets = [*beats, *(beat + 0.32 * period for beat in beats)]
    return blocks.place(scene, onsets, [lub] * len(beats) + [dub] * len(beats))


def _bouncing_ball(scene: Scene) -> Array:
    centre = blocks.log_uniform(scene.voice, 250.0, 1100.0)
    restitution = scene.voice.uniform(0.72, 0.84)
    strength = restitution ** np.arange(14)
    onsets = blocks.start(scene, 0.75) + np.cumsum(strength) * scene.take.uniform(0.22, 0.32)
    grain = scene.part(0.12)
    bounce = blocks.partials(grain, [centre, 2.1 * centre, 3.7 * centre], [0.03, 0.015, 0.008])
    return blocks.place(scene, onsets.tolist(), [level * bounce for level in strength])


# ------------------------------------------------------------------------------------------------ alarms, signals


def _alarm_beeps(scene: Scene) -> Array:
    frequency = blocks.log_uniform(scene.voice, 700.0, 2600.0)
    period = blocks.log_uniform(scene.voice, 0.14, 0.3)
    grain = scene.part(0.5 * period)
    beep = blocks.harmonics(grain, frequency, [1.0, 0.0, 0.4, 0.0, 0.2]) * blocks.gate(
        grain, 0.0, 0.5 * period, fade=0.004
    )
    beats = blocks.beats(scene, period)
    return blocks.place(scene, beats, [beep] * len(beats))


def _telephone_ring(scene: Scene) -> Array:
    frequency = blocks.log_uniform(scene.voice, 500.0, 1600.0)
    rate = scene.voice.uniform(16.0, 26.0)
    length = scene.voice.uniform(0.35, 0.5)
    grain = scene.part(length)
    clapper = np.exp(-6.0 * ((rate * grain.t) % 1.0))
    ring = (
        blocks.tone(grain, frequency) + blocks.tone(grain, 1.25 * frequency) + 0.4 * blocks.tone(grain, 2.7 * frequency)
    ) * clapper
    start = blocks.start(scene, 0.75)
    return blocks.place(scene, [start, start + length + 0.2], [ring * blocks.gate(grain, 0.0, length)] * 2)


def _morse(scene: Scene) -> Array:
    frequency = blocks.log_uniform(scene.voice, 450.0, 1400.0)
    unit = blocks.log_uniform(scene.voice, 0.04, 0.075)
    onsets: list[float] = []
    grains: list[Array] = []
    now = blocks.start(scene, 0.85)
    while now < scene.seconds:
        length = unit * (3 if scene.take.uniform() < 0.5 else 1)
        grain = scene.part(length)
        onsets.append(now)
        grains.append(blocks.tone(grain, frequency) * blocks.gate(grain, 0.0, length, fade=0.004))
        now += length + unit * (3 if scene.take.uniform() < 0.25 else 1)
    return blocks.place(scene, onsets, grains)


def _sonar_ping(scene: Scene) -> Array:
    frequency = blocks.log_uniform(scene.voice, 600.0, 2200.0)
    echo = scene.voice.uniform(0.25, 0.5)
    ping = blocks.tone(scene, blocks.glide(scene, frequency, 0.97 * frequency)) * blocks.decay(scene, 0.12, attack=0.01)
    onsets = blocks.start(scene, 0.7) + echo * np.arange(4)
    return blocks.place(scene, onsets.tolist(), [level * ping for level in (1.0, 0.4, 0.16, 0.06)])


def _car_horn(scene: Scene) -> Array:
    low = blocks.log_uniform(scene.voice, 280.0, 520.0)
    interval = scene.voice.uniform(1.18, 1.27)
    count = int(scene.take.integers(1, 4))
    length = scene.take.uniform(0.6, 0.9) / count
    grain = scene.part(length)
    honk = blocks.rich(grain, low, slope=0.6, count=20) + blocks.rich(grain, low * interval, slope=0.6, count=20)
    onsets = blocks.start(scene, 0.75) + (length + 0.09) * np.arange(count)
    return blocks.place(scene, onsets.tolist(), [honk * blocks.gate(grain, 0.0, length, fade=0.02)] * count)


def _cuckoo(scene: Scene) -> Array:
    high = blocks.log_uniform(scene.voice, 450.0, 1100.0)
    interval = scene.voice.uniform(1.2, 1.3)
    length = scene.voice.uniform(0.17, 0.26)
    grain = scene.part(length)
    call = [
        (blocks.harmonics(grain, frequency, [1.0, 0.15, 0.05]) + 0.02 * blocks.band_noise(grain, 800.0, 4000.0))
        * blocks.arch(grain)
        for frequency in (high, high / interval)
    ]
    start = blocks.start(scene, 0.8)
    onsets = start + length * np.array([0.0, 1.3, 3.2, 4.5])
    return blocks.place(scene, onsets.tolist(), call * 2)


# ------------------------------------------------------------------------------------------------------- noises


def _rain(scene: Scene) -> Array:
    drop = scene.part(0.006)
    grain = blocks.band_noise(drop, blocks.log_uniform(scene.voice, 900.0, 2500.0), 7000.0) * blocks.decay(
        drop, 0.0015, attack=0.0003
    )
    drops = blocks.spread(
        scene, blocks.random_clicks(scene, blocks.log_uniform(scene.voice, 200.0, 700.0), spread=0.7), grain
    )
    hush = blocks.band_noise(scene, blocks.log_uniform(scene.voice, 300.0, 1500.0), 7500.0)
    return drops / np.std(drops) + 0.6 * hush / np.std(hush)


def _fire_crackle(scene: Scene) -> Array:
    snap = scene.part(0.012)
    grain = blocks.band_noise(snap, blocks.log_uniform(scene.voice, 500.0, 1500.0), 6000.0) * blocks.decay(
        snap, 0.002, attack=0.0003
    )
    snaps = blocks.spread(
        scene, blocks.random_clicks(scene, blocks.log_uniform(scene.voice, 12.0, 35.0), spread=1.2), grain
    )
    rumble = blocks.band_noise(scene, 40.0, blocks.log_uniform(scene.voice, 120.0, 350.0)) * (
        1.0 + blocks.wander(scene, scene.take, 6.0)
    )
    return snaps / np.std(snaps) + 0.6 * rumble / np.std(rumble)


def _geiger(scene: Scene) -> Array:
    centre = blocks.log_uniform(scene.voice, 900.0, 4000.0)
    grain = blocks.partials(scene.part(0.008), [centre, 2.2 * centre], [0.0012, 0.0008])
    return blocks.spread(
        scene, blocks.random_clicks(scene, blocks.log_uniform(scene.voice, 10.0, 40.0), spread=0.1), grain
    )


def _wind(scene: Scene) -> Array:
    centre = blocks.log_uniform(scene.voice, 300.0, 1000.0)
    howl = blocks.moving_noise(scene, centre * np.exp(0.45 * blocks.wander(scene, scene.take, 2.5)), 0.12 * centre)
    gusts = 1.0 + 0.7 * blocks.wander(scene, scene.take, 2.0)
    return gusts * (howl / np.std(howl) + 0.5 * blocks.band_noise(scene, 50.0, 0.7 * centre))


def _surf(scene: Scene) -> Array:
    crest = scene.take.uniform(0.3, 0.9) * scene.seconds
    rise, fall = blocks.log_uniform(scene.voice, 0.25, 0.5), blocks.log_uniform(scene.voice, 0.2, 0.4)
    swell = np.exp(-np.abs(scene.t - crest) / np.where(scene.t < crest, rise, fall))
    deep = blocks.band_noise(scene, 80.0, blocks.log_uniform(scene.voice, 500.0, 1200.0))
    foam = blocks.band_noise(scene, 1000.0, blocks.log_uniform(scene.voice, 4000.0, 7500.0))
    return swell * deep / np.std(deep) + 0.7 * swell**2 * foam / np.std(foam)


def _steam_bursts(scene: Scene) -> Array:
    low = blocks.log_uniform(scene.voice, 1500.0, 4000.0)
    length = blocks.log_uniform(scene.voice, 0.15, 0.35)
    beats = blocks.beats(scene, length * blocks.log_uniform(scene.voice, 1.4, 2.2), jitter=0.15)
    grain = scene.part(length)
    return blocks.place(
        scene,
        beats,
        [blocks.band_noise(grain, low, 7500.0) * blocks.gate(grain, 0.0, length, fade=0.03) for _ in beats],
    )


def _hand_saw(scene: Scene) -> Array:
    centre = blocks.log_uniform(scene.voice, 700.0, 2200.0)
    teeth = blocks.log_uniform(scene.voice, 60.0, 130.0)
    beats = blocks.beats(scene, blocks.log_uniform(scene.voice, 0.2, 0.36), jitter=0.05)
    strokes: list[Array] = []
    for index in range(len(beats)):
        grain = scene.part(0.2)
        low = centre * (1.0 if index % 2 else 1.5)  # the stroke away and the stroke back
        rasp = 1.0 + 0.8 * blocks.tone(grain, teeth * (1.0 + 0.3 * blocks.arch(grain)))
        strokes.append(
            blocks.band_noise(grain, low, 2.2 * low) * rasp * blocks.arch(grain) * (1.0 if index % 2 else 0.6)
        )
    return blocks.place(scene, beats, strokes)


def _applause(scene: Scene) -> Array:
    rate = blocks.log_uniform(scene.voice, 40.0, 110.0)
    total = np.zeros(scene.num_frames)
    clap = scene.part(0.03)
    for _ in range(4):  # four kinds of hands
        centre = blocks.log_uniform(scene.voice, 700.0, 2200.0)
        grain = blocks.band_noise(clap, 0.7 * centre, 1.6 * centre) * blocks.decay(clap, 0.006, attack=0.0005)
        total += blocks.spread(scene, blocks.random_clicks(scene, rate / 4.0, spread=0.4), grain)
    return total


# ------------------------------------------------------------------------------------------------------ engines


def _engine_slow(scene: Scene) -> Array:
    rate = blocks.log_uniform(scene.voice, 14.0, 28.0)
    stroke = scene.part(0.08)
    blow = stroke.voice.standard_normal(stroke.num_frames) * blocks.decay(stroke, 0.012)
    resonances = [blocks.log_uniform(scene.voice, 70.0, 160.0), blocks.log_uniform(scene.voice, 250.0, 700.0)]
    grain = blocks.resonate(stroke, blow, resonances, [40.0, 120.0])
    firing = blocks.pulses(scene, rate * (1.0 + 0.12 * blocks.wander(scene, scene.take, 12.0)))
    return blocks.spread(scene, firing * (1.0 + 0.4 * blocks.wander(scene, scene.take, 20.0)), grain)


def _engine_fast(scene: Scene) -> Array:
    idle = blocks.log_uniform(scene.voice, 60.0, 130.0)
    crest = idle * blocks.log_uniform(scene.take, 1.5, 2.3)
    path = (idle, crest, idle) if scene.take.uniform() < 0.5 else (crest, idle, crest)
    revolutions = blocks.glide(scene, *path) * (1.0 + 0.02 * blocks.wander(scene, scene.take, 30.0))
    accents = scene.voice.uniform(0.2, 1.0, 40) / np.sqrt(np.arange(1, 41))
    return blocks.harmonics(scene, revolutions, accents) + 0.5 * blocks.band_noise(scene, 200.0, 1500.0)


def _propeller(scene: Scene) -> Array:
    rate = blocks.log_uniform(scene.voice, 9.0, 20.0)
    chop = np.exp(-5.0 * ((rate * scene.t + scene.take.uniform()) % 1.0))
    low = blocks.log_uniform(scene.voice, 60.0, 150.0)
    slap = blocks.band_noise(scene, low, blocks.log_uniform(scene.voice, 800.0, 2500.0))
    whine = blocks.rich(scene, rate * scene.voice.uniform(18.0, 30.0), slope=1.0, count=6)
    return slap / np.std(slap) * chop + 0.12 * whine


def _drill(scene: Scene) -> Array:
    speed = blocks.log_uniform(scene.voice, 180.0, 480.0)
    load = 1.0 - 0.25 * np.clip(blocks.wander(scene, scene.take, 2.5), 0.0, 1.0)
    start = blocks.start(scene, 0.8)
    spin_up = 1.0 - 0.7 * np.exp(-np.maximum(scene.t - start, 0.0) / 0.12)
    motor = blocks.rich(scene, speed * load * spin_up, slope=0.5, count=30)
    debris = blocks.band_noise(scene, 1500.0, 5000.0) * (1.1 - load)
    return (motor + 2.0 * debris) * blocks.gate(scene, start, scene.seconds + 1.0, fade=0.03)


# ---------------------------------------------------------------------------------------------- voices, animals


def _whistle(scene: Scene) -> Array:
    base = blocks.log_uniform(scene.voice, 800.0, 2000.0)
    vibrato = 1.0 + 0.012 * blocks.tone(scene, scene.voice.uniform(4.5, 7.0))
    steps = base * 2.0 ** (scene.take.integers(-4, 8, 6) / 12.0)
    start = blocks.start(scene, 0.75)
    envelope = blocks.gate(scene, start, start + scene.take.uniform(0.65, 0.95) * scene.seconds, fade=0.06)
    breath = 0.03 * blocks.band_noise(scene, base, 3.0 * base)
    return envelope * (blocks.harmonics(scene, blocks.glide(scene, *steps.tolist()) * vibrato, [1.0, 0.05]) + breath)


def _bird_trill(scene: Scene) -> Array:
    high = blocks.log_uniform(scene.voice, 3000.0, 6500.0)
    period = blocks.log_uniform(scene.voice, 0.05, 0.09)
    grain = scene.part(0.7 * period)
    syllable = blocks.tone(grain, blocks.glide(grain, high, high * scene.voice.uniform(0.55, 0.75))) * blocks.arch(
        grain
    )
    count = int(scene.take.integers(6, 13))
    onsets = blocks.start(scene, 0.65) + period * np.arange(count)
    return blocks.place(scene, onsets.tolist(), [syllable * level for level in np.linspace(0.4, 1.0, count)])


def _cricket(scene: Scene) -> Array:
    frequency = blocks.log_uniform(scene.voice, 2600.0, 6000.0)
    pulse = blocks.log_uniform(scene.voice, 0.018, 0.03)
    grain = scene.part(0.8 * pulse)
    tick = blocks.tone(grain, frequency) * blocks.arch(grain)
    per_chirp = int(scene.voice.integers(3, 6))
    beats = blocks.beats(scene, per_chirp * pulse + scene.voice.uniform(0.1, 0.25))
    onsets = [beat + pulse * index for beat in beats for index in range(per_chirp)]
    return blocks.place(scene, onsets, [tick] * len(onsets))


def _frog_croak(scene: Scene) -> Array:
    rate = blocks.log_uniform(scene.voice, 30.0, 65.0)
    formants = [blocks.log_uniform(scene.voice, 350.0, 700.0), blocks.log_uniform(scene.voice, 1100.0, 2200.0)]
    length = blocks.log_uniform(scene.voice, 0.2, 0.38)
    beats = blocks.beats(scene, length * blocks.log_uniform(scene.take, 1.3, 1.9), jitter=0.1)
    grain = scene.part(length)
    croaks = [
        blocks.resonate(grain, blocks.pulses(grain, blocks.glide(grain, rate, 1.25 * rate)), formants, [80.0, 160.0])
        * blocks.arch(grain)
        for _ in beats
    ]
    return blocks.place(scene, beats, croaks)


def _vowel(scene: Scene, formants_hz: Sequence[float]) -> Array:
    pitch = blocks.log_uniform(scene.voice, 90.0, 280.0)
    size = blocks.log_uniform(scene.voice, 0.9, 1.15)  # a small head raises all formants
    grain = scene.part(blocks.log_uniform(scene.take, 0.5, 1.1))
    melody = blocks.glide(grain, *(pitch * scene.take.uniform(0.85, 1.18, 4)).tolist())
    glottis = blocks.rich(grain, melody, slope=1.0, count=60)
    sound = blocks.resonate(grain, glottis, [size * formant for formant in formants_hz], [80.0, 100.0, 140.0])
    return blocks.place(scene, [blocks.start(scene)], [sound * blocks.arch(grain, sharpness=0.3)])


def _vowel_a(scene: Scene) -> Array:
    return _vowel(scene, (800.0, 1250.0, 2600.0))


def _vowel_i(scene: Scene) -> Array:
    return _vowel(scene, (290.0, 2250.0, 3000.0))


def _vowel_u(scene: Scene) -> Array:
    return _vowel(scene, (320.0, 780.0, 2300.0))


def _dog_bark(scene: Scene) -> Array:
    pitch = blocks.log_uniform(scene.voice, 250.0, 700.0)
    length = blocks.log_uniform(scene.voice, 0.1, 0.18)
    gaps = length * scene.take.uniform(1.4, 2.4, int(scene.take.integers(2, 5)))
    onsets = blocks.start(scene, 0.75) + np.cumsum(gaps) - gaps[0]
    grain = scene.part(length)
    barks: list[Array] = []
    for _ in onsets:
        voiced = blocks.rich(grain, blocks.glide(grain, 0.7 * pitch, pitch, 0.6 * pitch), slope=0.4, count=20)
        rough = voiced + 1.2 * blocks.band_noise(grain, pitch, 5.0 * pitch)
        barks.append(
            blocks.resonate(grain, rough, [2.0 * pitch, 4.5 * pitch], [pitch, pitch])
            * blocks.arch(grain)
            * blocks.accent(scene)
        )
    return blocks.place(scene, onsets.tolist(), barks)


def _cat_meow(scene: Scene) -> Array:
    pitch = blocks.log_uniform(scene.voice, 350.0, 800.0)
    grain = scene.part(blocks.log_uniform(scene.take, 0.5, 0.95))
    voiced = blocks.rich(
        grain, blocks.glide(grain, 0.75 * pitch, pitch, 0.95 * pitch, 0.7 * pitch), slope=0.8, count=16
    )
    # Mouth closed, open, closed: the bright part swells in the middle.
    closed = blocks.resonate(grain, voiced, [pitch], [0.5 * pitch])
    opened = blocks.resonate(grain, voiced, [2.8 * pitch, 5.0 * pitch], [pitch, pitch])
    return blocks.place(
        scene, [blocks.start(scene)], [(closed + 2.5 * opened * blocks.arch(grain, sharpness=3.0)) * blocks.arch(grain)]
    )


def _owl_hoot(scene: Scene) -> Array:
    pitch = blocks.log_uniform(scene.voice, 260.0, 620.0)
    short = scene.part(scene.voice.uniform(0.1, 0.16))
    long = scene.part(scene.voice.uniform(0.3, 0.42))
    hoots = [
        blocks.harmonics(grain, blocks.glide(grain, 0.94 * pitch, pitch, 0.9 * pitch), [1.0, 0.2, 0.08])
        * blocks.arch(grain)
        for grain in (short, short, long)
    ]
    onsets = blocks.start(scene, 0.7) + np.array([0.0, 0.24, 0.44]) * scene.take.uniform(0.9, 1.15)
    return blocks.place(scene, onsets.tolist(), hoots)


def _laughter(scene: Scene) -> Array:
    pitch = blocks.log_uniform(scene.voice, 130.0, 380.0)
    period = blocks.log_uniform(scene.voice, 0.15, 0.24)
    count = int(scene.take.integers(4, 8))
    grain = scene.part(0.6 * period)
    pitches = np.geomspace(1.3 * pitch, 0.8 * pitch, count)
    calls: list[Array] = []
    for now in pitches:
        breathy = blocks.rich(grain, blocks.glide(grain, float(now), 0.85 * float(now))) + 0.5 * blocks.band_noise(
            grain, 700.0, 5000.0
        )
        calls.append(
            blocks.resonate(grain, breathy, [750.0, 1300.0, 2700.0], [120.0, 150.0, 200.0]) * blocks.arch(grain)
        )
    onsets = blocks.start(scene, 0.7) + period * np.arange(count)
    return blocks.place(scene, onsets.tolist(), calls)


Sound = Callable[[Scene], Array]

_FAMILIES: tuple[Mapping[str, Sound], ...] = (
    {"siren_wail": _siren_wail, "chirp_up": _chirp_up, "noise_sweep": _noise_sweep, "siren_yelp": _siren_yelp}
    | {"laser_zaps": _laser_zaps, "zip_fastener": _zip_fastener, "chirp_down": _chirp_down}
    | {"siren_hi_lo": _siren_hi_lo},
    {"bell": _bell, "knocks": _knocks, "plucked_string": _plucked_string, "clock_tick": _clock_tick}
    | {"glass_break": _glass_break, "marimba": _marimba, "footsteps": _footsteps, "gong": _gong}
    | {"bouncing_ball": _bouncing_ball, "heartbeat": _heartbeat},
    {"rain": _rain, "hand_saw": _hand_saw, "surf": _surf, "fire_crackle": _fire_crackle, "wind": _wind}
    | {"steam_bursts": _steam_bursts, "geiger": _geiger, "applause": _applause},
    {"dog_bark": _dog_bark, "bird_trill": _bird_trill, "vowel_a": _vowel_a, "cricket": _cricket}
    | {"cat_meow": _cat_meow, "frog_croak": _frog_croak, "laughter": _laughter, "vowel_i": _vowel_i}
    | {"owl_hoot": _owl_hoot, "whistle": _whistle, "vowel_u": _vowel_u},
    {"telephone_ring": _telephone_ring, "morse": _morse, "car_horn": _car_horn, "alarm_beeps": _alarm_beeps}
    | {"sonar_ping": _sonar_ping, "cuckoo": _cuckoo},
    {"engine_fast": _engine_fast, "propeller": _propeller, "fm_tone": _fm_tone, "drill": _drill}
    | {"organ_chord": _organ_chord, "engine_slow": _engine_slow, "sawtooth_buzz": _sawtooth_buzz}
    | {"robot_voice": _robot_voice},
)

SOUNDS: Mapping[str, Sound] = {name: sound for family in _FAMILIES for name, sound in family.items()}

# One of each family in turn, so that the first n classes are a fair mixture for any n.
CLASS_NAMES: tuple[str, ...] = tuple(name for turn in zip_longest(*_FAMILIES) for name in turn if name is not None)
