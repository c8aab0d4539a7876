#!/bin/sh
# The whole crash sweep of docs/reliability.md: every write, fsync, rename, open and unlink of init, ingest, report and
# export fails once with each sort of fault. Tens of minutes on two cores; prints how many faults and what broke.
set -eu
cd "$(dirname "$0")/.."
MSDATA_SWEEP=all cargo test --locked --test it -- sweep:: --nocapture
