from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import siamaudio as sa


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings, which is no part of the repository."""
    named = os.environ.get("SIAMAUDIO_SHARED_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real recordings absent ({folder}): set SIAMAUDIO_SHARED_DATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's cache; subprocesses inherit this."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _figures_closed() -> Iterator[None]:
    """No test sees a figure that an earlier one left open, whatever their order."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt even where the tests run as a background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def synthetic_features(_own_cache: None) -> sa.Features:
    """Real audio files of 12 classes x 8 clips, small spectrograms."""
    front_end = sa.LogMel(sr=16000, n_fft=1024, hop_length=512, n_mels=32)
    return front_end.transform(sa.datasets.synthetic(12, 8), progress=False)


@pytest.fixture(scope="session")
def small_encoder() -> sa.ConvEncoder:
    """An encoder that trains in seconds."""
    return sa.ConvEncoder(
        blocks=(sa.ConvBlock(filters=8, kernel_size=3), sa.ConvBlock(filters=16, kernel_size=3)),
        dense=(sa.Dense(units=32),),
    )


@pytest.fixture(scope="session")
def trained(synthetic_features: sa.Features, small_encoder: sa.ConvEncoder) -> sa.SiameseNetwork:
    """A network trained on eight of the synthetic classes, two more for validation; nobody may change it."""
    train, validation, _ = synthetic_features.split_classes(8, 2, 2, seed=0)
    net = sa.SiameseNetwork(small_encoder, optimizer=sa.optimizers.Adam(lr=3e-3))
    return net.fit(train, validation=validation, epochs=4, seed=0, num_threads=2, progress=False)


@pytest.fixture(scope="session")
def unseen(synthetic_features: sa.Features) -> sa.Features:
    """The two classes that `trained` has not seen."""
    return synthetic_features.split_classes(8, 2, 2, seed=0)[2]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """Headless Chromium, or a skip that says what is absent."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium or chromedriver is absent: no page is opened in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    yield opened
    opened.quit()
