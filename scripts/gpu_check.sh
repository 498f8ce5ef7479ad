#!/usr/bin/env bash
# Everything there is to know about mlp on a GPU, in at most nine minutes, on a machine where nothing can be installed.
#
#     bash scripts/gpu_check.sh
#
# runs the GPU tests, the benchmark beside PyTorch, a short training (on CIFAR-100 if MLP_DATA_DIR names a folder that
# has it, else on synthetic images), and with more than two cores the CPU benchmark. Each part has a time limit of its
# own, so that the table at the end is always there; what could not be measured stands in it with the reason.
#
# It needs Python with NumPy, CuPy, pytest, matplotlib and tqdm (PYTHON=... for another than python3); PyTorch to be
# compared with. mlp itself is taken from this checkout. Logs, run folder and table go to $OUT, or to a new folder.
set -u
cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-python3}
out=${OUT:-$(mktemp -d)}
logs=$out/gpu_check
table=$out/gpu_check.md
mkdir -p "$logs"
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
export OPENBLAS_NUM_THREADS=1                     # the cpu engine has threads of its own
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE          # they choose slow kernels
failed=0

# row WHAT RESULT: add a line to the table.
row() {
    printf '| %s | %s |\n' "$1" "${2//|//}" >> "$table"
}

# part NAME SECONDS COMMAND...: run a command for at most so many seconds; its output goes to $log, its end to the screen.
part() {
    local name=$1 seconds=$2
    shift 2
    log=$logs/$name.log
    printf '\n== %s, at most %s s\n' "$name" "$seconds"
    timeout --signal=INT --kill-after=5 "$seconds" "$@" > "$log" 2>&1
    status=$?
    ending=
    case $status in 124 | 137) ending=" (stopped after $seconds s)" ;; esac
    tail -n 8 "$log"
}

# last_line: the last line of the log that says something.
last_line() {
    grep -v '^[[:space:]]*$' "$log" | tail -n 1
}

finish() {
    printf '\n'
    cat "$table"
    exit "$failed"
}
trap finish EXIT
trap 'failed=130; exit' INT TERM

printf '| what | result |\n| --- | --- |\n' > "$table"

part devices 30 "$python" scripts/devices.py --require-gpu
reason=
if [ "$status" -eq 0 ]; then
    row GPU "$(grep '^cuda:0' "$log" | tr -s ' ')"
else
    reason=$(last_line | sed 's/^no GPU *//')$ending
    row GPU "not measured: $reason"
fi
row CPU "$(grep '^cpu' "$log" | sed 's/^cpu *//')"
row versions "$("$python" -c '
import importlib.metadata, platform
names = ("numpy", "cupy-cuda12x", "cupy-cuda13x", "torch", "threadpoolctl")
found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
print("Python", platform.python_version() + ",", ", ".join(f"{n} {found[n]}" for n in names if n in found))
' 2>&1 | tail -n 1)"

# --- the tests: only the files that have some for a GPU, because others need packages that may be missing ---
if [ -n "$reason" ]; then
    row "GPU tests" "not measured: $reason"
else
    files=$(grep -rlE 'mark\.gpu' tests --include='test_*.py')
    # Without its accelerator CUB, CuPy compiles its sums in a moment instead of in several seconds each.
    # shellcheck disable=SC2086  # a list of files
    part tests 110 env CUPY_ACCELERATORS= "$python" -m pytest -m gpu -W default -p no:cacheprovider --continue-on-collection-errors $files
    row "GPU tests" "$(last_line)$ending"
    [ "$status" -eq 0 ] || failed=1
fi

# --- a training step, beside PyTorch; it says by itself what it cannot measure ---
part benchmark 220 "$python" scripts/benchmark_gpu.py --time-limit 205 --json "$logs/benchmark.json"
if grep -q '^| vgg' "$log"; then
    grep '^| vgg' "$log" | while IFS='|' read -r _ net variant precision ms _ ratio _; do
        set -- $net $precision $variant
        text=$(echo "$ms" | sed 's/^ *//; s/ *$//')
        case $text in not*) ;; *) text="$text ms a step" ;; esac
        [ -z "${ratio// /}" ] || text="$text; mlp cuda takes $(echo $ratio) of it"
        row "$1, batch 100, $2: ${*:3}" "$text"
    done
else
    row "GPU benchmark" "not measured: $(last_line)$ending"
    failed=1
fi

# --- a short training ---
images=synthetic
[ -z "${MLP_DATA_DIR:-}" ] || images=cifar100
what="training of VGG38 BN+RC, $images"
if [ -n "$reason" ]; then
    row "$what" "not measured: $reason"
else
    rm -rf "$logs/run"
    part training 90 "$python" scripts/train.py --model vgg38 --norm batch --residual --device cuda:0 \
        --dataset $images --epochs 5 --out "$logs/run"
    if [ -s "$logs/run/metrics.csv" ]; then
        row "$what" "$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
            { seconds = seconds sprintf(" %.1f", $at["seconds"]); loss = $at["train_loss"]; valid = $at["val_acc"] }
            END { printf "%d epochs,%s s; training loss %.3f, validation accuracy %.1f%%", NR - 1, seconds, loss, 100 * valid
            }' "$logs/run/metrics.csv")$ending"
    else
        row "$what" "not measured: $(last_line)$ending"
    fi
    [ "$status" -eq 0 ] || failed=1
fi

# --- the CPU, which is known on two cores ---
cores=$(nproc)
what="CPU, VGG38 BN+RC, batch 100, $cores threads"
if [ "$cores" -le 2 ]; then
    row "$what" "not measured: it has been on two cores, and here are no more"
else
    against=torch
    "$python" -c 'import torch' 2> /dev/null || against=none
    part cpu_benchmark 75 "$python" scripts/benchmark.py --nets vgg38_bn_rc --batch-sizes 100 --rounds 6 \
        --threads "$cores" --against $against
    cells=$(awk -F ' *[|] *' '/^[|] net/ { split($0, head) }
        /^[|] vgg/ { for (i = 4; i < NF; i++) text = text (i > 4 ? "; " : "") head[i] " " $i } END { print text }' "$log")
    row "$what" "${cells:-not measured: $(last_line)$ending}"
fi
