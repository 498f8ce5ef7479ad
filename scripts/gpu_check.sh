#!/usr/bin/env bash
# Test and time mlp on a GPU, in stages of a few minutes, on a machine where nothing can be installed.
#
#     bash scripts/gpu_check.sh                   all stages, at most eleven minutes
#     bash scripts/gpu_check.sh smoke             at most 2 minutes: does it compile, are the most telling tests right,
#                                                 how long do a step and each of its kernels take
#     bash scripts/gpu_check.sh torch             at most 4: a step beside PyTorch, eager, compiled and as a graph
#     bash scripts/gpu_check.sh train             at most 3: five epochs of CIFAR-100 (or of synthetic images where
#                                                 there is none), two of them again, which must give the same numbers,
#                                                 and two in TF32
#     bash scripts/gpu_check.sh sanitize          at most 2: convolutions under compute-sanitizer
#     bash scripts/gpu_check.sh pack              no stage: CIFAR-100 in three pieces, build/cifar100.tar.gz.1 to 3, for
#                                                 a machine that takes no larger files; `train` puts them together
#     bash scripts/gpu_check.sh --small smoke     the same in tiny sizes: tries the check, measures nothing
#
# Every number is printed and written as soon as it is known, so a stage that is interrupted keeps what it has. The
# folder $OUT (or a new one) gets a table, gpu_check.md, and gpu_check.tar.gz with all logs and numbers; a second call
# with the same folder continues both. The table says why something could not be measured.
#
# It needs Python with NumPy, CuPy, pytest, matplotlib and tqdm (PYTHON=... if it is not python3), and PyTorch for the
# comparison. mlp itself is taken from this checkout. CIFAR-100 is looked for in $MLP_DATA_DIR, then in the pieces.
set -u
cd "$(dirname "$0")/.." || exit 2
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
export PYTHONUNBUFFERED=1                         # logs have every line as soon as it is said
export OPENBLAS_NUM_THREADS=1                     # the cpu engine has threads of its own
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE          # they choose slow kernels
exec "${PYTHON:-python3}" scripts/gpu_check.py "$@"
