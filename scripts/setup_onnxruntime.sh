#!/bin/sh
# Puts the CPU library of ONNX Runtime where msdata looks for it (see src/encoder/runtime.rs).
#
#   setup_onnxruntime.sh [DIR]     default: the data directory, $MSDATA_HOME, else
#                                  $XDG_DATA_HOME/msdata, else ~/.local/share/msdata
#
# Takes it from the wheel `onnxruntime`, with pip, from whatever index pip is set up for. Does nothing if
# that version is there already. Linux (x86_64, aarch64) and macOS; needs python3 with pip.
set -eu

version=1.31.1
dir=${1:-${MSDATA_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/msdata}}
case $(uname -s) in
    Darwin) library=libonnxruntime.$version.dylib ;;
    *) library=libonnxruntime.so.$version ;;
esac

if [ -s "$dir/$library" ]; then
    exit 0
fi
if ! python3 -m pip --version >/dev/null 2>&1; then
    echo "error: python3 with pip is needed to fetch ONNX Runtime" >&2
    exit 1
fi

mkdir -p "$dir"
# Beside its goal, so that the last step is a rename: a library that is there is whole.
work=$(mktemp -d "$dir/.onnxruntime.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "fetching onnxruntime $version into $dir" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --dest "$work" "onnxruntime==$version" >&2
python3 - "$work" "$library" <<'PYTHON'
import glob, shutil, sys, zipfile

work, library = sys.argv[1:]
[wheel] = glob.glob(work + "/*.whl")
with zipfile.ZipFile(wheel) as archive:
    names = [n for n in archive.namelist() if n.rsplit("/", 1)[-1] == library]
    if not names:
        sys.exit(f"error: {wheel} holds no {library}")
    with archive.open(names[0]) as source, open(f"{work}/{library}", "wb") as goal:
        shutil.copyfileobj(source, goal)
PYTHON
mv "$work/$library" "$dir/$library"
