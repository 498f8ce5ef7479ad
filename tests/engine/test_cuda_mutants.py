"""The tests of the kernels can fail: they notice a missing barrier, a missing bound, a wrong size."""

import numpy as np
import pytest
from cuda_emulation import EmulationError, smallest_instances

from mlp.engine import CudaEngine
from mlp.engine.cuda.source import joined_source
from mlp.layers import Affine, AvgPool2d, BatchNorm, Conv2d, GlobalAvgPool, LeakyReLU, Residual, Sequential
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy

TEXT = joined_source()
BARRIERS = [i + 1 for i, line in enumerate(TEXT.splitlines()) if "__syncthreads();" in line]


def a_step(module, order, skipped_line=0):
    """Run a training step that uses every kernel with a barrier; return everything it leaves."""
    module.set_order(order, skipped_line)
    rng = np.random.default_rng(0)

    def conv(C, F, bias=False):
        return Conv2d(C, F, 3, padding=1, bias=bias, rng=rng)

    body = Sequential(conv(8, 24), BatchNorm(24), LeakyReLU(0.1), conv(24, 8))  # 24: three chunks of channels
    layers = [conv(3, 8, bias=True), LeakyReLU(0.1), BatchNorm(8), AvgPool2d(2), Residual(body)]
    model = Sequential(*layers, GlobalAvgPool(), Affine(8, 40, rng=rng))
    engine = CudaEngine("cuda:0", xp=np, module=module)
    engine.gpu.multiprocessors = 1  # so that blocks have several tiles
    rule = Adam(1e-2, clip_norm=0.1)
    engine.bind(model, SoftmaxCrossEntropy(), rule, "weights")
    x = rng.standard_normal((5, 17, 16, 3)).astype(np.float32)  # tiles of 9 and 8 rows, of 4 images and 1
    engine.train_step(x, rng.integers(0, 40, 5))
    left = [rule.flat.data, rule.flat.grad, engine.log.rows[0], engine.statistics.tables, *model.state_dict().values()]
    return np.concatenate([array.ravel().astype(np.float64) for array in left])


@pytest.fixture(scope="module")
def expected(emulated):
    result = a_step(emulated, 0)
    assert np.isfinite(result).all()
    return result


@pytest.mark.parametrize("order", [1, 2])
def test_the_order_of_the_warps_does_not_matter(emulated, expected, order):
    np.testing.assert_array_equal(a_step(emulated, order), expected)


@pytest.mark.slow
@pytest.mark.parametrize("line", BARRIERS)
def test_a_missing_barrier_is_noticed(emulated, expected, line):
    try:
        noticed = any(not np.array_equal(a_step(emulated, order, line), expected) for order in range(2))
    except EmulationError:
        noticed = True
    finally:
        emulated.set_order(0)
    assert noticed, f"line {line} of the joined source may be left out: {TEXT.splitlines()[line - 1]}"


MUTANTS = [  # (text in the kernels, what stands there where MUTANT is true)
    ("n0 + image < N &&", "(MUTANT || n0 + image < N) &&"),  # pixels of images that are not there are written
    ("y0 + inside / W < H;", "(MUTANT || y0 + inside / W < H);"),  # and rows that are not there
    ("n < tile.N && y >= 0 && y < tile.H", "(MUTANT || n < tile.N) && y >= 0 && y < tile.H"),
    ("y >= 0 && y < tile.H", "(MUTANT || y >= 0) && y < tile.H"),
    ("column >= 1 && column", "(MUTANT || column >= 1) && column"),
    ("i < 9 * CP * F;", "i < 9 * CP * F + MUTANT;"),
    ("const bool mine = i < 9 * C * F;", "const bool mine = MUTANT || i < 9 * C * F;"),
    ("i < rows * CP;", "i < rows * CP + MUTANT;"),
    ("if (i >= size ||", "if ((!MUTANT && i >= size) ||"),
    ("i < pixels * C;", "i < pixels * C + MUTANT;"),
    ("i < N * OH * OW * quads;", "i < N * OH * OW * quads + MUTANT;"),
    ("i < N * H * W * quads;", "i < N * H * W * quads + MUTANT;"),
    ("smaller(begin + share, rows)", "begin + share + MUTANT"),
    ("kernel = shared_memory + images", "kernel = shared_memory + 8 * MUTANT + images"),  # beyond what was asked for
    ("grads + GRADIENT_PIXELS * D)", "grads + GRADIENT_PIXELS * D + 4 * MUTANT)"),
    ("8 - tap : tap)", "8 - tap + MUTANT * (2 * tap - 8) : tap)"),  # the kernel is not turned round
    ("n < NT; n++) multiply_add", "n < NT - MUTANT; n++) multiply_add"),
    ("sums[m][n][i] += run[n][i];", "sums[m][n][i] += MUTANT ? 0.f : run[n][i];"),
    ("low[i] = to_tf32(x - high[i]);", "low[i] = MUTANT ? x - high[i] : to_tf32(x - high[i]);"),  # not a TF32
    ("multiply_add(d, a.high, b.low);", "if (!MUTANT) multiply_add(d, a.high, b.low);"),
    ("state[FINITE] == 0.f) return;\n  float w", "(MUTANT || state[FINITE] == 0.f)) return;\n  float w"),
    ("total / (rows - 1)", "total / (rows - 1 + MUTANT)"),  # the biased variance
    ("wait_for_copies();\n    if (!SPLIT) round", "if (!MUTANT) wait_for_copies();\n    if (!SPLIT) round"),
    ("wait_for_copies();\n    if (!SPLIT) {", "if (!MUTANT) wait_for_copies();\n    if (!SPLIT) {"),
]


@pytest.fixture(scope="module")
def mutants(compiled_for_cpu):
    """All mutants in one module (only the smallest instances of the templates): `set_mutant` says which one it is."""
    text = smallest_instances(TEXT)
    for number, (original, mutant) in enumerate(MUTANTS, 1):
        assert text.count(original) >= 1, original
        text = text.replace(original, mutant.replace("MUTANT", f"(emulation::mutant == {number})"), 1)
    return compiled_for_cpu(text, optimize=False)


@pytest.mark.slow
def test_the_module_of_mutants_is_right_without_them(mutants, expected):
    mutants.set_mutant(0)
    np.testing.assert_array_equal(a_step(mutants, 0), expected)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, len(MUTANTS) + 1), ids=[original.strip()[-40:] for original, _ in MUTANTS])
def test_a_mutant_is_noticed(mutants, expected, number):
    mutants.set_mutant(number)
    try:
        noticed = not np.array_equal(a_step(mutants, 0), expected)
    except EmulationError:
        noticed = True
    finally:
        mutants.set_mutant(0)
    assert noticed


WRONG = {  # what a kernel of one block of 64 threads does with x, 64 numbers: what is said about it
    "x[threadIdx.x + 1] = 0.f;": "wrote beyond the ends of an array",
    "x[(int)threadIdx.x - 1] = 0.f;": "wrote beyond the ends of an array",
    "shared_memory[16 + threadIdx.x] = 0.f;": "wrote beyond the end of shared memory",
    "if (threadIdx.x < 32) __syncthreads();": "threads wait at a barrier for others that have ended",
    "if (threadIdx.x < 32) __syncthreads();\nelse __syncthreads();": "threads wait at different barriers",
    "if (threadIdx.x < 5) __shfl_xor_sync(~0u, 1.f, 1);": "some threads of a warp exchange numbers, others do not",
    "*(float4 *)(x + 1) = *(float4 *)x;": "at an address that is not a multiple of its size",
    "float4 v = *(float4 *)(x + 2); x[0] = v.x;": "at an address that is not a multiple of its size",
    "copy_ahead(shared_memory + 1, x, true);": "a copy needs multiples of 16 as addresses",
}


@pytest.fixture
def kernel_of(compiled_for_cpu):
    """A function from the body of a kernel (float *x, int n) to the kernel."""

    def make(body):
        text = "extern __shared__ __align__(16) float shared_memory[];\n"
        text += f'extern "C" __global__ void kernel(float *x, int n) {{\n{body}\n}}\n'
        return compiled_for_cpu(text, optimize=False).get_function("kernel")

    return make


def test_what_a_gpu_would_not_forgive_is_an_error(kernel_of):
    bodies = "".join(f"if (n == {i}) {{ {body} }}\n" for i, body in enumerate(WRONG))
    kernel = kernel_of(bodies)
    for i, message in enumerate(WRONG.values()):
        with pytest.raises(EmulationError, match=message):
            kernel((1,), (64,), (np.zeros(64, np.float32), np.int32(i)), shared_mem=256)


def test_arguments_are_taken_literally(kernel_of):
    x, n = np.zeros(64, np.float32), np.int32(64)
    kernel = kernel_of("if (threadIdx.x < n) x[threadIdx.x] = 1.f; // fine")
    kernel((1,), (64,), (x, n))
    assert x.all()
    for args in ((x, 64), (x, np.int64(64)), (x.astype(np.float64), n), (x[::2], n), (x,), (1.0, n)):
        with pytest.raises(EmulationError):
            kernel((1,), (64,), args)
    with pytest.raises(EmulationError, match="max_dynamic_shared_size_bytes"):
        kernel((1,), (64,), (x, n), shared_mem=50_000)
    with pytest.raises(EmulationError, match="block"):
        kernel((1,), (1056,), (x, n))


@pytest.mark.slow
def test_copies_happen_as_late_as_they_may(kernel_of):
    body = "copy_ahead(shared_memory, x, true);\nif (n) wait_for_copies();\nx[4] = shared_memory[0];"
    kernel = kernel_of(body)
    for wait in (0, 1):
        x = np.arange(8, dtype=np.float32) + 1
        kernel((1,), (1,), (x, np.int32(wait)), shared_mem=64)
        assert x[4] == 1.0 if wait else np.isnan(x[4])


def test_the_layout_of_a_matrix_product(kernel_of):
    """As the PTX manual has it: thread 4 g + t holds A[g][t], A[g+8][t], A[g][t+4], A[g+8][t+4]; B[t][g], B[t+4][g]."""
    body = """
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  const float *A = x, *B = x + 128;
  float *D = x + 192;
  float a[4] = {A[g * 8 + t], A[(g + 8) * 8 + t], A[g * 8 + t + 4], A[(g + 8) * 8 + t + 4]};
  float b[2] = {B[t * 8 + g], B[(t + 4) * 8 + g]}, d[4] = {};
  multiply_add(d, a, b);
  for (int i = 0; i < 4; i++) D[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];"""
    x = np.random.default_rng(0).integers(-8, 9, 320).astype(np.float32)
    kernel_of(body)((1,), (32,), (x, np.int32(0)))
    A, B, D = x[:128].reshape(16, 8), x[128:192].reshape(8, 8), x[192:].reshape(16, 8)
    np.testing.assert_array_equal(D, A @ B)
