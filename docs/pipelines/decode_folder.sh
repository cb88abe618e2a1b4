#!/bin/sh
# Decode every recording in a folder with the shell's door.
# decode_folder.sh RECORDINGS RESULTS TARGET [OPTION OF `nwbdecode fit` ...]
set -eu
recordings=$1 results=$2 target=$3
shift 3
mkdir -p "$results"
failed=0
for recording in "$recordings"/*.nwb; do
    name=$(basename "$recording" .nwb)
    # The answer is {"status": "done" | "skipped" | "failed", ...}; exit code 1 only if it failed.
    if nwbdecode fit "$recording" --target "$target" --output "$results/${name}_decoded.nwb" \
        --exists skip --json "$@" >"$results/$name.json" 2>"$results/$name.log"; then
        echo "$name: $(grep -o '"status": "[a-z]*"' "$results/$name.json" | cut -d'"' -f4)"
    else
        failed=1
        echo "$name: failed, see $results/$name.log"
    fi
done
exit $failed
