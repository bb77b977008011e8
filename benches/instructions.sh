#!/usr/bin/env bash
# Instructions per operation, counted by callgrind, against the ceilings in instructions.txt.
#
#     benches/instructions.sh            compare; fails if one grew by more than its tolerance
#     benches/instructions.sh --record   write what is measured as the new ceilings
#
# Each operation is run COUNT and 2 x COUNT times; the difference, divided by COUNT, is its cost,
# start-up left out. The numbers repeat to a fraction of an instruction on one toolchain and
# differ a little between toolchains. They say nothing about cache misses or contention.
set -euo pipefail
cd "$(dirname "$0")"

count=192000 # divisible by the batches of 16, 48 and 64
ceilings=instructions.txt
tolerance=5 # per cent, for newly recorded operations
operations=(get get_with_cas session_get_64 visit_many_16 overwrite insert_new insert_full increment
    text_get text_multi_get text_set meta_get)

# Valgrind lacks the barrier that our own epoch needs, except with one thread.
export RUSTFLAGS="--cfg caskade_epoch" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-../target}/instructions
cargo build --quiet --release -p caskade-bench --bin instructions
program=$CARGO_TARGET_DIR/release/instructions

instructions() { # OPERATION COUNT
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p'
}

per_operation() { # OPERATION
    local once twice
    once=$(instructions "$1" "$count")
    twice=$(instructions "$1" $((2 * count)))
    awk -v once="$once" -v twice="$twice" -v count="$count" \
        'BEGIN { if (once <= 0 || twice <= once) exit 1; printf "%.1f", (twice - once) / count }'
}

if [[ ${1:-} == --record ]]; then
    {
        echo "# Instructions per operation: name, ceiling, tolerance in per cent. See instructions.sh."
        for operation in "${operations[@]}"; do
            echo "$operation $(per_operation "$operation") $tolerance"
        done
    } >"$ceilings.new"
    mv "$ceilings.new" "$ceilings"
    cat "$ceilings"
    exit
fi

failed=0
printf '%-16s %10s %10s %8s\n' operation ceiling measured change
for operation in "${operations[@]}"; do
    read -r _ ceiling tolerance < <(grep "^$operation " "$ceilings") || {
        echo "$operation has no ceiling in $ceilings" >&2
        exit 1
    }
    measured=$(per_operation "$operation")
    awk -v name="$operation" -v was="$ceiling" -v is="$measured" -v tolerance="$tolerance" 'BEGIN {
        change = (is - was) / was * 100
        printf "%-16s %10.1f %10.1f %+7.1f%%%s\n", name, was, is, change,
            (change > tolerance) ? "  TOO MANY" : ""
        exit (change > tolerance)
    }' || failed=1
done
exit "$failed"
