#!/bin/sh
# Starts the service, makes the sample capture, and lets a browser without a window scan it by the page:
# sign-up, upload, scan, viewer, download, with pictures of each. Called by `make demo-web`.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "gypsum: $*"; }

if ! command -v chromium > /dev/null && ! command -v chromium-browser > /dev/null &&
   ! command -v google-chrome > /dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        say "installing Chromium (log in build/chromium.log)"
        mkdir -p build
        { apt-get update &&
          DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } \
            > build/chromium.log 2>&1 < /dev/null ||
            { say "Chromium can't be installed, see build/chromium.log." >&2; exit 1; }
    else
        say "needs a browser: install chromium (apt-get install chromium) and run make demo-web again." >&2
        exit 1
    fi
fi

[ -d demo/sample/photos ] || {
    say "making a sample capture of about 30 photos in demo/sample"
    .venv/bin/gypsum sample demo/sample
}
exec .venv/bin/python scripts/demo_web.py demo/sample/photos demo/web
