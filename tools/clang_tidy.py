"""Run clang-tidy over the C++ sources that have changed since they last passed, two at a time.

Usage: python tools/clang_tidy.py BUILD_FOLDER, where CMake left its compile_commands.json.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Return 1 if clang-tidy complains, else 0."""
    build = Path(sys.argv[1])
    tidy = shutil.which("clang-tidy", path=os.fspath(Path(sys.executable).parent)) or "clang-tidy"
    passed_file = build / "clang-tidy-passed.json"
    passed = set(json.loads(passed_file.read_text())) if passed_file.exists() else set()

    sources = sorted(path for path in (ROOT / "cpp").rglob("*.cpp"))
    settings = [ROOT / ".clang-tidy", *sorted((ROOT / "cpp").rglob("*.h"))]
    common = hashlib.sha256(b"".join(path.read_bytes() for path in settings)).hexdigest()
    digests = {path: hashlib.sha256(common.encode() + path.read_bytes()).hexdigest() for path in sources}
    to_check = [path for path in sources if digests[path] not in passed]

    def check(path: Path) -> subprocess.CompletedProcess[str]:
        command = [tidy, "--quiet", "-p", os.fspath(build), os.fspath(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    failed = False
    with ThreadPoolExecutor(max_workers=2) as pool:
        for path, done in zip(to_check, pool.map(check, to_check), strict=True):
            if done.returncode == 0:
                passed.add(digests[path])
            else:
                failed = True
                print(done.stdout, done.stderr, sep="\n")
    passed_file.write_text(json.dumps(sorted(passed & set(digests.values()))))
    print(f"clang-tidy: {len(to_check)} of {len(sources)} files checked")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
