#!/bin/sh
# Builds Gypsum into .venv: finds or installs a compiler and a Python, then lets pip do the rest.
# Called by `make install`; it says what it installs. Needs nothing but a shell and the network.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
APT_LOG=build/apt.log

say() { printf '%s\n' "gypsum: $*"; }
fail() { printf '%s\n' "gypsum: $*" >&2; exit 1; }

# A Python that can build the package: 3.11 or newer, with venv, pip and the C headers.
python_is_new() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python_is_whole() {
    "$1" -c '
import ensurepip, os, sys, sysconfig, venv
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' 2>/dev/null
}

# Sets `python` to the first whole one, and `partial` to the first that only lacks packages.
find_python() {
    python= partial=
    for candidate in ${PYTHON:-python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.14}; do
        python_is_new "$candidate" || continue
        if python_is_whole "$candidate"; then python=$candidate; return; fi
        [ -n "$partial" ] || partial=$candidate
    done
}

# Sets `compiler` to one that makes C++20 with OpenMP.
find_compiler() {
    compiler=
    probe=$(mktemp -d)
    printf '%s\n' '#include <omp.h>' '#include <concepts>' '#include <span>' \
        'int main() { return std::span<int>{}.size() + (omp_get_max_threads() < 1); }' > "$probe/a.cpp"
    for candidate in ${CXX:-c++ g++ g++-13 g++-12 g++-11 clang++}; do
        if "$candidate" -std=c++20 -fopenmp "$probe/a.cpp" -o "$probe/a" > /dev/null 2>&1; then
            compiler=$candidate
            break
        fi
    done
    rm -rf "$probe"
}

missing_packages() {
    packages=
    [ -n "$compiler" ] || packages="g++"
    if [ -z "$python" ]; then
        # The distribution names its default "python3" and others after their version.
        name=python3
        if [ -n "$partial" ]; then
            version=$("$partial" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
            default=$(/usr/bin/python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null || :)
            [ "$version" = "$default" ] || name=$version
        fi
        packages="${packages:+$packages }$name $name-dev $name-venv"
    fi
}

install_packages() {
    command -v apt-get > /dev/null ||
        fail "needs a C++20 compiler with OpenMP and Python 3.11 or newer with its headers and venv; please install them (on Debian: $packages) and run make again."
    if [ "$(id -u)" = 0 ]; then as_root=
    elif sudo -n true 2> /dev/null; then as_root="sudo"
    elif [ -t 0 ] && command -v sudo > /dev/null; then as_root="sudo"
    else fail "system packages are missing; please run 'sudo apt-get update && sudo apt-get install -y $packages' and then make again."
    fi
    say "installing system packages${as_root:+ with sudo}: $packages (log in $APT_LOG)"
    mkdir -p build
    if ! { $as_root apt-get update &&
           $as_root env DEBIAN_FRONTEND=noninteractive \
               apt-get install -y --no-install-recommends $packages; } > "$APT_LOG" 2>&1 < /dev/null
    then
        tail -n 5 "$APT_LOG" >&2
        fail "apt-get could not install $packages, see $APT_LOG; please install them and run make again."
    fi
}

find_compiler
find_python
missing_packages
if [ -n "$packages" ]; then
    install_packages
    find_compiler
    find_python
    [ -n "$compiler" ] || fail "found no C++20 compiler with OpenMP; please install GCC 11 or newer."
    [ -n "$python" ] || fail "found no Python 3.11 or newer with its headers and venv; please install one, or name it: make PYTHON=/path/to/python3."
fi

# A virtual environment is tied to its Python; make it anew when that is gone or was another one.
if ! "$VENV/bin/python" -m pip --version > /dev/null 2>&1 || ! python_is_new "$VENV/bin/python"; then
    say "making $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
fi

# The libraries are those that the tests ran with, so that they run the same everywhere.
pip_install() {
    if ! "$VENV/bin/python" -m pip install -qq --disable-pip-version-check -c constraints.txt "$@" \
        < /dev/null; then
        fail "pip could not install what Gypsum needs; the reason stands above."
    fi
}

# The build tools live in .venv, too: with them there, a second build only compiles what changed.
say "installing the build tools into $VENV: cmake, ninja, nanobind, scikit-build-core"
pip_install cmake ninja nanobind scikit-build-core
say "building Gypsum with $compiler and installing it with its libraries into $VENV"
export CXX="$compiler"
pip_install --no-build-isolation '.[dev]'
say "ready: $("$VENV/bin/python" -m pip --disable-pip-version-check list 2>/dev/null | grep -c '[0-9]') packages in $VENV, the program is $VENV/bin/gypsum"
