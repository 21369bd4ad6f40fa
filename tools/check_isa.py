"""Check that the kernels for wider instruction sets share no code with the rest of the program.

Of a template or inline function that several source files compile, the linker keeps one copy. Were that one compiled
for AVX-512, the program would die on processors without it. So whatever the kernels' files define for the linker to
share must be of their own lane width, which no other file uses.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

# How templates over the lane width, and over what else a file alone has, are written in the names of functions.
OWN = {"avx2": "ILi8E", "avx512": "ILi16E(?!Lb1E)", "avx512vnni": "ILi16ELb1E"}


def shared_code(archive: str) -> list[str]:
    """Weak functions of an archive's members that are not templates over the member's own lane width."""
    listing = subprocess.run(["nm", "--defined-only", archive], check=True, capture_output=True, text=True).stdout
    found: list[str] = []
    member, own = "", ""
    for line in listing.splitlines():
        if match := re.match(r".*_(avx\w+)\.cpp.*:$", line):
            member, own = match[1], OWN[match[1]]
        elif (fields := line.split()) and fields[-2:-1] == ["W"] and not re.search(own, fields[-1]):
            found.append(f"{member}: {fields[-1]}")
    if not member:
        raise SystemExit(f"{archive} holds no kernels")
    return found


def main() -> None:
    """Check the archive that is named on the command line."""
    if shutil.which("nm") is None:
        raise SystemExit("nm is missing: apt-get install binutils")
    found = shared_code(sys.argv[1])
    if found:
        raise SystemExit("code that the linker may give to every processor:\n" + "\n".join(found))


if __name__ == "__main__":
    main()
