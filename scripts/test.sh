#!/usr/bin/env bash
# npm test: set up what is missing, the static checks, then every test. As root the live ones too.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh test
npx tsc --noEmit
npx biome check src test scripts
node scripts/check-layers.mjs
node scripts/generate.mjs --check
node scripts/run-tests.mjs
