// ---- convolution 3 x 3, stride 1, padding 1 -------------------------------------------------------------------------
//
// As a product of matrices (see mlp/layers/convolution.py) it is
//
//     y (pixels x F) = cols (pixels x 9 C) @ weights (9 C x F)
//
// but the columns are never written down ("implicit" GEMM): a block keeps a tile of the images in shared memory, with a
// border of one pixel, and reads it nine times, each time shifted by one tap (u, v) of the kernel:
//
//     y[pixel] = b + sum over taps (u, v) of  tile[pixel + (u, v)] (pixels x C) @ weights[u, v] (C x F)
//
// The gradient of the inputs is the same sum for dL/dy, with the kernel turned round and C and F exchanged.
// arrange_weights does that when it lays out the weights, so one kernel computes both.
//
// A block computes 16 MT WARPS pixels x NB channels: each warp MT tiles of 16 pixels and NB / 8 of 8 channels. A tile
// is `rows` whole rows of an image, or several whole images where they are small. The C input channels come in chunks
// of CK, which fit into shared memory.
//
// Channels in a fragment. A sum may be taken in any order, so "channel t" and "channel t + 4" of a matrix product over
// 8 channels may be the channels 2t and 2t + 1: these are neighbours in memory, and one load brings both.

// y = convolution of x + bias + addend; the last two may be null. weights: as arrange_weights leaves them.
// Grid: tiles x F / NB. partials: null, or (tiles, 3, F) for the statistics of y, see normalization_statistics.
template <int CK, int NB, int WARPS, int MT, bool SPLIT>
__device__ __forceinline__ void convolve(const float *x, const float *weights, const float *bias, const float *addend,
                                         float *y, float *partials, int N, int H, int W, int C, int F, int rows,
                                         int images) {
  constexpr int NT = NB / 8, THREADS = 32 * WARPS, S = pitch(CK);
  const Tile tile(blockIdx.x, N, H, W, rows, images);
  const int g = lane() / 4, t = lane() % 4, row = (W + 2) * S;
  float *const inputs = shared_memory;
  float *const kernel = shared_memory + images * (rows + 2) * row;  // (9, CK / 8, NT, 32 lanes, 2)

  int window[MT][2];
  for (int m = 0; m < MT; m++)
    for (int h = 0; h < 2; h++) window[m][h] = tile.window((warp() * MT + m) * 16 + 8 * h + g) * S + 2 * t;

  float sums[MT][NT][4] = {};
  for (int chunk = 0; chunk < C / CK; chunk++) {
    if (chunk > 0) __syncthreads();  // all threads have finished with the chunk before
    load_with_border<CK, WARPS>(inputs, x, chunk * CK, C, tile);
    const float *source = weights + (blockIdx.y * (C / CK) + chunk) * (9 * CK * NB);
    for (int i = 4 * threadIdx.x; i < 9 * CK * NB; i += 4 * THREADS) copy_ahead(kernel + i, source + i, true);
    wait_for_copies();
    if (!SPLIT) round_rows<CK, WARPS>(inputs, images * (rows + 2), W + 2);
    __syncthreads();

#pragma unroll 1
    for (int tap = 0; tap < 9; tap++) {
      const float *shifted = inputs + tap / 3 * row + tap % 3 * S;
      float sum[MT][NT][4] = {};
#pragma unroll 2  // all four at once would spill registers
      for (int k = 0; k < CK / 8; k++) {
        Fragment<2, SPLIT> b[NT];
#pragma unroll
        for (int n = 0; n < NT; n++) {
          const float2 w = *(const float2 *)(kernel + (((tap * (CK / 8) + k) * NT + n) * 32 + lane()) * 2);
          b[n].set(0, w.x);
          b[n].set(1, w.y);
        }
#pragma unroll
        for (int m = 0; m < MT; m++) {
          Fragment<4, SPLIT> a;
#pragma unroll
          for (int h = 0; h < 2; h++) {
            const float2 v = *(const float2 *)(shifted + window[m][h] + 8 * k);
            a.set(h, v.x);
            a.set(h + 2, v.y);
          }
#pragma unroll
          for (int n = 0; n < NT; n++) multiply_add<SPLIT>(SPLIT ? sum[m][n] : sums[m][n], a, b[n]);
        }
      }
      if (SPLIT)
#pragma unroll
        for (int m = 0; m < MT; m++)
#pragma unroll
          for (int n = 0; n < NT; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) sums[m][n][i] += sum[m][n][i];
    }
  }

  // Each thread has MT x 2 pixels, in each NT pairs of neighbouring channels.
  bool there[MT][2];
#pragma unroll
  for (int m = 0; m < MT; m++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      const int pixel = tile.pixel((warp() * MT + m) * 16 + 8 * h + g);
      there[m][h] = pixel >= 0;
      if (pixel < 0) continue;
#pragma unroll
      for (int n = 0; n < NT; n++) {
        const int channel = blockIdx.y * NB + 8 * n + 2 * t;
        float2 v = make_float2(sums[m][n][2 * h], sums[m][n][2 * h + 1]);
        if (bias) v = make_float2(v.x + bias[channel], v.y + bias[channel + 1]);
        if (addend) {
          const float2 a = *(const float2 *)(addend + pixel * F + channel);
          v = make_float2(v.x + a.x, v.y + a.y);
        }
        *(float2 *)(y + pixel * F + channel) = v;
        sums[m][n][2 * h] = v.x;
        sums[m][n][2 * h + 1] = v.y;
      }
    }
  if (!partials) return;

  // Statistics of the tile for every channel: its mean, then the sum of squares around it. Sums over pixels are sums
  // over m and h, over the 8 lanes with the same t, and over the warps.
  const float count = tile.count();
  float *const totals = shared_memory, *const squares = shared_memory + WARPS * NB;  // (WARPS, NB) each
  __syncthreads();  // the tile is no longer needed
  float mean[NT][2] = {};
  for (int round = 0; round < 2; round++) {
    float *const place = round == 0 ? totals : squares;
#pragma unroll
    for (int n = 0; n < NT; n++)
#pragma unroll
      for (int j = 0; j < 2; j++) {
        float sum = 0.f;
#pragma unroll
        for (int m = 0; m < MT; m++)
#pragma unroll
          for (int h = 0; h < 2; h++) {
            const float v = sums[m][n][2 * h + j] - mean[n][j];
            if (there[m][h]) sum += round == 0 ? v : v * v;
          }
        for (int mask = 4; mask < 32; mask *= 2) sum += __shfl_xor_sync(~0u, sum, mask);
        if (g == 0) place[warp() * NB + 8 * n + 2 * t + j] = sum;
      }
    __syncthreads();
    if (round == 0)
      for (int n = 0; n < NT; n++)
        for (int j = 0; j < 2; j++) {
          float sum = 0.f;
          for (int w = 0; w < WARPS; w++) sum += totals[w * NB + 8 * n + 2 * t + j];
          mean[n][j] = sum / count;
        }
  }
  if (threadIdx.x < NB) {
    float sum = 0.f, square = 0.f;
    for (int w = 0; w < WARPS; w++) {
      sum += totals[w * NB + threadIdx.x];
      square += squares[w * NB + threadIdx.x];
    }
    float *const mine = partials + blockIdx.x * 3 * F + blockIdx.y * NB + threadIdx.x;
    mine[0] = count;
    mine[F] = sum / count;
    mine[2 * F] = square;
  }
}

// Lay out the weights of all convolutions in the order in which `convolve` reads them, for both directions.
//
// table: a row of 10 integers for each convolution: where its weights (3, 3, C, F) begin in `flat`; C; F; C rounded up
// to CP, with zeros (the first convolution has C = 3); CK and NB of the forward direction, then of the backward one;
// where the results begin in `arranged`, forward and backward (-1: not wanted). Backward exchanges the two channel axes
// and turns the kernel.
// round: to TF32. Grid: any x convolutions x 2 directions.
extern "C" __global__ void arrange_weights(const float *flat, const int *table, float *arranged, int round) {
  const int *entry = table + blockIdx.y * 10;
  const bool backward = blockIdx.z == 1;
  const int C = entry[1], F = entry[2], CP = entry[3], begin = entry[8 + blockIdx.z];
  const int CK = entry[4 + 2 * blockIdx.z], NB = entry[5 + 2 * blockIdx.z], chunks = (backward ? F : CP) / CK;
  if (begin < 0) return;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < 9 * CP * F; i += gridDim.x * blockDim.x) {
    // i = ((((block * chunks + chunk) * 9 + tap) * CK / 8 + k) * NB / 8 + n) * 64 + 2 lane + j
    const int j = i % 2, g = i / 8 % 8, t = i / 2 % 4;
    int rest = i / 64;
    const int n = rest % (NB / 8), k = (rest /= NB / 8) % (CK / 8), tap = (rest /= CK / 8) % 9;
    const int chunk = (rest /= 9) % chunks, block = rest / chunks;
    const int in = chunk * CK + 8 * k + 2 * t + j, out = block * NB + 8 * n + g;
    const int c = backward ? out : in, f = backward ? in : out;
    const float w = c < C ? flat[entry[0] + ((backward ? 8 - tap : tap) * C + c) * F + f] : 0.f;
    arranged[begin + i] = round ? to_tf32(w) : w;
  }
}

// (rows, C) -> (rows, CP): the first convolution's images get channels of zeros.
extern "C" __global__ void pad_channels(const float *x, float *y, int rows, int C, int CP) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * CP; i += gridDim.x * blockDim.x)
    y[i] = i % CP < C ? x[i / CP * C + i % CP] : 0.f;
}

// The sizes that are used. CK and NB: channels in a chunk, of inputs and of outputs. There are two sizes of tiles: 256
// pixels with 8 warps, and 64 pixels with 4 warps for small images, which would give too few tiles for all
// multiprocessors. At most 128 registers for each thread, so that two blocks fit.
#define CONVOLUTION(CK, NB, SIZE, WARPS, MT, PRECISION, SPLIT)                                                         \
  extern "C" __global__ void __launch_bounds__(32 * WARPS, 2) convolve_##CK##_##NB##_##SIZE##_##PRECISION(             \
      const float *x, const float *weights, const float *bias, const float *addend, float *y, float *partials, int N,  \
      int H, int W, int C, int F, int rows, int images) {                                                              \
    convolve<CK, NB, WARPS, MT, SPLIT>(x, weights, bias, addend, y, partials, N, H, W, C, F, rows, images);            \
  }
#define CONVOLUTIONS(CK, NB)                                                                                           \
  CONVOLUTION(CK, NB, 256, 8, 2, float32, true)                                                                        \
  CONVOLUTION(CK, NB, 256, 8, 2, tf32, false)                                                                          \
  CONVOLUTION(CK, NB, 64, 4, 1, float32, true)                                                                         \
  CONVOLUTION(CK, NB, 64, 4, 1, tf32, false)

CONVOLUTIONS(8, 8)
CONVOLUTIONS(8, 32)
CONVOLUTIONS(16, 16)
CONVOLUTIONS(32, 32)
