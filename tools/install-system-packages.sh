#!/bin/sh
# Installs the Debian packages that are missing: `build` for building and running, `test` for the tests as well.
# Without root, sudo or apt-get it names what is missing and stops.
set -eu

# A package is looked for by something that it brings, so that the same thing from elsewhere will do.
missing=""
need() { # need PACKAGE CHECK...: add PACKAGE unless CHECK succeeds
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
has_header() { echo "#include <$1>" | c++ -E -x c++ - ; }
# Debian keeps the server off the PATH.
has_postgres() { command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; }

need g++ c++ --version
need pkg-config pkg-config --version
need python3-venv python3 -c "import ensurepip, venv"
need python3-dev python3 -c "import os, sysconfig; os.stat(os.path.join(sysconfig.get_path('include'), 'Python.h'))"
need libsndfile1-dev pkg-config --exists sndfile
need libsoxr-dev pkg-config --exists soxr
need libkissfft-dev has_header kissfft/kissfft.hh
if [ "${1:-build}" = test ]; then
  need ccache ccache --version
  need libgtest-dev has_header gtest/gtest.h
  need chromium command -v chromium
  need chromium-driver command -v chromedriver
  need postgresql has_postgres
fi

[ -n "$missing" ] || exit 0
echo "system packages to install:$missing"
if ! command -v apt-get >/dev/null; then
  echo "no apt-get here; install the same with your own package manager, e.g. brew install libsndfile libsoxr kissfft pkg-config" >&2
  exit 1
fi
if [ "$(id -u)" = 0 ]; then
  as_root=""
elif command -v sudo >/dev/null; then
  as_root=sudo
else
  echo "neither root nor sudo: run as root: apt-get install$missing" >&2
  exit 1
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
