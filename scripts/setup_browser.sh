#!/bin/sh
# Chromium (Debian's package) and the packages that drive and check it (npm, under target/), for `make test-browser`.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "no Chromium: install the package chromium, or say where one is with CHROMIUM=/path/to/chromium" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null
fi
if ! cmp -s tests/browser/package.json target/browser/package.json || [ ! -d target/browser/node_modules ]; then
    mkdir -p target/browser
    (cd target/browser && cp ../../tests/browser/package.json new.json && rm -rf node_modules \
        && mv new.json package.json && npm install --no-package-lock --no-audit --no-fund --ignore-scripts --silent)
fi
