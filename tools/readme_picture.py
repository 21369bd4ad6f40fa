"""Draw the README's picture from what `make demo` left in out/.

Usage: python tools/readme_picture.py, from the repository's root.
"""

from __future__ import annotations

import siamaudio as sa
from siamaudio import demo, plotting


def main() -> None:
    """Write docs/oneshot.png."""
    net = sa.SiameseNetwork.load("out/demo.siam")
    if net.split_ is None:
        raise SystemExit("out/demo.siam has no class split: run make demo")
    clips = sa.datasets.synthetic(demo.N_TRAIN + demo.N_TEST, demo.CLIPS_PER_CLASS)
    unseen = demo.FRONT_END.transform(clips, progress=False).select_classes(net.split_.test)
    net.front_end_ = unseen.front_end  # whole sounds, as in its training, without silence after them
    plotting.plot_pairs(net, unseen, num_queries=3, seed=4).savefig("docs/oneshot.png", dpi=72)


if __name__ == "__main__":
    main()
