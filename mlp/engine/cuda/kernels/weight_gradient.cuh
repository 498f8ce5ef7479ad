// ---- the gradient of a convolution's weights ------------------------------------------------------------------------
//
//     dL/dK[u, v, c, f] = sum over pixels of x[pixel + (u, v), c] dL/dy[pixel, f].
//
// This is a product of matrices as well, cols^T @ dL/dy, and its sum runs over the pixels: 100,000 of them for 9 C F
// results. So the blocks share the pixels: each takes every gridDim.x-th tile of 128 pixels and writes its part of the
// sum to `partials` (gridDim.x, 9, C, F), which sum_weight_gradient adds up. Nine warps, one for each tap (u, v).
// Here the 16 x 8 matrix A has channels of x as rows and pixels as columns, B has pixels as rows. Grid: any x
// (C / CK) (F / NB).
//
// Short runs. The tensor cores cut off digits when they add, always towards zero, so a long sum in one accumulator
// drifts: over all pixels of a block by about 1.5e-6 of its size. So the sum of each 8 pixels begins at zero and is
// added to the others by normal arithmetic, which rounds up as often as down. TF32 (not SPLIT) loses more in its
// factors: there one accumulator takes all pixels.
constexpr int GRADIENT_PIXELS = 128, GRADIENT_WARPS = 9;

template <int CK, int NB, bool SPLIT>
__device__ __forceinline__ void differentiate_weights(const float *x, const float *grad_y, float *partials, int N,
                                                      int H, int W, int C, int F, int rows, int images) {
  constexpr int MT = (CK + 15) / 16, NT = NB / 8, S = pitch(CK), D = pitch(NB), THREADS = 32 * GRADIENT_WARPS;
  const int g = lane() / 4, t = lane() % 4, tap = warp();
  const int channel = blockIdx.y / (F / NB) * CK, filter = blockIdx.y % (F / NB) * NB;
  const int tiles = (N + images - 1) / images * ((H + rows - 1) / rows);
  const int inputs_size = images * (rows + 2) * (W + 2) * S, shift = (tap / 3 * (W + 2) + tap % 3) * S + g;
  float *const inputs = shared_memory, *const grads = shared_memory + inputs_size;  // grads (128, D)
  int *const windows = (int *)(grads + GRADIENT_PIXELS * D);                        // (128)

  {  // what is the same for all tiles; pixels beyond a tile's end stay zero
    const Tile tile(0, N, H, W, rows, images);
    for (int p = threadIdx.x; p < GRADIENT_PIXELS; p += THREADS) windows[p] = tile.window(p) * S;
    for (int i = tile.size() * D + threadIdx.x; i < GRADIENT_PIXELS * D; i += THREADS) grads[i] = 0.f;
  }
  float sums[MT][NT][4] = {};
  for (int index = blockIdx.x; index < tiles; index += gridDim.x) {
    const Tile tile(index, N, H, W, rows, images);
    if (index > (int)blockIdx.x) __syncthreads();  // all threads have finished with the tile before
    load_with_border<CK, GRADIENT_WARPS>(inputs, x, channel, C, tile);
    for (int r = warp(); r < images * rows; r += GRADIENT_WARPS) {
      const int first = tile.pixel(r * W);
      for (int i = lane(); i < W * (NB / 4); i += 32) {
        const int column = i / (NB / 4), part = i % (NB / 4) * 4;
        const float *source = first >= 0 ? grad_y + (first + column) * F + filter + part : grad_y;
        copy_ahead(grads + (r * W + column) * D + part, source, first >= 0);
      }
    }
    wait_for_copies();
    if (!SPLIT) {
      round_rows<CK, GRADIENT_WARPS>(inputs, images * (rows + 2), W + 2);
      round_rows<NB, GRADIENT_WARPS>(grads, images * rows, W);
    }
    __syncthreads();

#pragma unroll 1
    for (int p = 0; p < GRADIENT_PIXELS; p += 8) {
      Fragment<2, SPLIT> b[NT];
#pragma unroll
      for (int n = 0; n < NT; n++) {
        b[n].set(0, grads[(p + t) * D + 8 * n + g]);
        b[n].set(1, grads[(p + t + 4) * D + 8 * n + g]);
      }
      const float *left = inputs + windows[p + t] + shift, *right = inputs + windows[p + t + 4] + shift;
#pragma unroll
      for (int m = 0; m < MT; m++) {
        Fragment<4, SPLIT> a;
#pragma unroll
        for (int h = 0; h < 2; h++) {
          const bool there = CK >= 16 || h == 0;  // 8 channels fill only half of the 16 rows
          a.set(h, there ? left[16 * m + 8 * h] : 0.f);
          a.set(h + 2, there ? right[16 * m + 8 * h] : 0.f);
        }
        float run[NT][4] = {};
#pragma unroll
        for (int n = 0; n < NT; n++) multiply_add<SPLIT>(SPLIT ? run[n] : sums[m][n], a, b[n]);
        if (SPLIT)
#pragma unroll
          for (int n = 0; n < NT; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) sums[m][n][i] += run[n][i];
      }
    }
  }

#pragma unroll
  for (int m = 0; m < MT; m++)
#pragma unroll
    for (int n = 0; n < NT; n++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        if (CK < 16 && h == 1) continue;
        const int c = channel + 16 * m + 8 * h + g;
        float *const place = partials + ((blockIdx.x * 9 + tap) * C + c) * F + filter + 8 * n + 2 * t;
        *(float2 *)place = make_float2(sums[m][n][2 * h], sums[m][n][2 * h + 1]);
      }
}

// grad (9, C, F) = sum of `count` partials (9, CP, F), CP >= C. 1024 threads for 32 results: a thread of each warp for
// each result.
extern "C" __global__ void __launch_bounds__(1024)
    sum_weight_gradient(const float *partials, const float *state, float *grad, int count, int C, int CP, int F) {
  const int i = blockIdx.x * 32 + lane(), tap = i / (C * F);
  const bool mine = i < 9 * C * F;
  float sum = 0.f;
  if (mine)
#pragma unroll 4
    for (int k = warp(); k < count; k += 32) sum += partials[(k * 9 + tap) * CP * F + i % (C * F)];
  sum = sum_over_warps(sum);
  if (mine && warp() == 0 && state[FINITE] != 0.f) grad[i] = sum;
}

// The sizes that are used, CK and NB channels of x and of dL/dy. At most 112 registers for each thread: two blocks fit.
#define WEIGHT_GRADIENT(CK, NB, PRECISION, SPLIT)                                                                      \
  extern "C" __global__ void __launch_bounds__(32 * GRADIENT_WARPS, 2) weight_gradient_##CK##_##NB##_##PRECISION(      \
      const float *x, const float *grad_y, float *partials, int N, int H, int W, int C, int F, int rows, int images) { \
    differentiate_weights<CK, NB, SPLIT>(x, grad_y, partials, N, H, W, C, F, rows, images);                            \
  }
#define WEIGHT_GRADIENTS(CK, NB)          \
  WEIGHT_GRADIENT(CK, NB, float32, true) \
  WEIGHT_GRADIENT(CK, NB, tf32, false)

WEIGHT_GRADIENTS(8, 8)
WEIGHT_GRADIENTS(8, 32)
WEIGHT_GRADIENTS(16, 16)
WEIGHT_GRADIENTS(32, 32)
