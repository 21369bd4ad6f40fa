"""siamaudio download: data sets and YAMNet's weights."""

from __future__ import annotations

from pathlib import Path

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, check_folder, check_output, print_json
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "SEE_ALSO", "download"]

EXAMPLES = """\
siamaudio download speech_commands_v0.02 words
siamaudio download https://github.com/karolpiczak/ESC-50/archive/master.zip ESC-50
siamaudio download yamnet yamnet.safetensors --class-map yamnet_class_map.csv
"""
SEE_ALSO = "synthetic, features"


def download(
    source: str,
    folder: Path | None = None,
    /,
    *,
    checksum: str | None = None,
    class_map: Path | None = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Fetch a data set, check it and unpack it; or YAMNet's weights.

    Parameters
    ----------
    source
        speech_commands_v0.01, speech_commands_v0.02, mnist, fashion_mnist, the address of a file (an archive is
        unpacked), or yamnet.
    folder
        What shall hold the files, by default one in the user's cache; what is there already is not fetched again. For
        yamnet, the file *.safetensors that its weights are written to.
    checksum
        sha256:... or md5:... of the file at an address, or of YAMNet's; without it, what was fetched is not checked.
    class_map
        For yamnet: yamnet_class_map.csv, which has the names of its classes.
    """
    is_yamnet = source == "yamnet"
    if is_yamnet and folder is None:
        raise ParameterError("FOLDER", "none", "a file *.safetensors for YAMNet's weights")
    if class_map is not None and not is_yamnet:
        raise ParameterError("--class-map", str(class_map), "none, or one with yamnet")
    if is_yamnet and folder is not None:
        check_output(folder, (".safetensors",), option="FOLDER")
    elif folder is not None:
        check_folder(folder, option="FOLDER")
    if dry_run:
        sources = sa.datasets.downloads()
        if not is_yamnet and source not in sources and not source.startswith(("http://", "https://")):
            raise ParameterError("source", source, f"an address (http, https), yamnet, {', '.join(sources)}")
        target = "a folder of the user's cache" if folder is None else str(folder)
        if json:
            print_json({"dry_run": True, "source": source, "path": target})
            return
        print(f"{target}: would hold {source}")
        return
    if is_yamnet and folder is not None:
        sa.models.Yamnet.download(checksum=checksum, class_map=class_map).save(folder)
        place = folder
    else:
        place = sa.datasets.download(source, folder, checksum=checksum)
    if json:
        print_json({"source": source, "path": str(place)})
        return
    print(f"{place}: {source}")
