// Every kernel of the CUDA engine: the textbook's formulas, cut into pieces for a GPU. All numbers are float32.
//
// How to read it. A GPU runs a kernel as a grid of blocks; a block has some hundred threads, which share a small fast
// memory (shared_memory) and can wait for each other (__syncthreads). 32 threads in a row are a warp: they go in step,
// and may hand each other values directly (__shfl_xor_sync). Blocks know nothing of each other: what one block needs
// from another must wait for the next kernel. mlp/engine/cuda/ops.py launches them and says in which order.
//
//     N, H, W, C     images, their size, their channels: all arrays are channels last, so a pixel is C numbers in a row
//     F              output channels of a convolution, weights are (3, 3, C, F)
//     rows           what is left of an array when only the last axis is kept: N H W
//
// No atomics. Floating-point sums depend on their order, and atomic additions come in any order. Here every sum over
// the batch is taken in two steps: each block writes its partial sum to a place of its own, and another kernel adds
// the partial sums in a fixed order. The same inputs give the same bits, in every run.
//
// Nothing but numbers in device memory changes from step to step (`state` holds learning rate and the like), so that
// a whole step can be recorded once as a CUDA graph and replayed.
//
// The tests compile this file for the CPU as well, with their own version of what is inside the first #ifdef.

extern __shared__ __align__(16) float shared_memory[];

#ifdef __CUDACC__
// D += A B on the tensor cores, by a whole warp: A is 16 x 8, B is 8 x 8, D is 16 x 8. Each thread holds a few numbers
// of each. With g = lane / 4 and t = lane % 4 they are
//     a[0] = A[g][t]    a[1] = A[g+8][t]    a[2] = A[g][t+4]    a[3] = A[g+8][t+4]
//     b[0] = B[t][g]    b[1] = B[t+4][g]
//     d[0] = D[g][2t]   d[1] = D[g][2t+1]   d[2] = D[g+8][2t]   d[3] = D[g+8][2t+1]
// A and B are TF32: float32 of which only the first 10 bits after the point are looked at. D is float32; the tensor
// cores cut off when they add to it, rather than round.
__device__ __forceinline__ void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
        "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

// Copy four numbers from global to shared memory while the thread goes on; zeros where they are not `wanted`.
__device__ __forceinline__ void copy_ahead(float *shared, const float *global, bool wanted) {
  const unsigned address = (unsigned)__cvta_generic_to_shared(shared);
  const int bytes = wanted ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes) : "memory");
}

// Wait for the copies of this thread (the other threads' need a __syncthreads).
__device__ __forceinline__ void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }
#endif

// Places in `state`, see begin_step.
enum { FINITE, SLOT, LEARNING_RATE, WEIGHT_DECAY, DECOUPLED, CLIP_VALUE, CLIP_NORM, A, ONE_MINUS_A, B, ONE_MINUS_B, EPS,
       CORRECTION_A, ROOT_B, FROZEN };

__device__ __forceinline__ int lane() { return threadIdx.x % 32; }
__device__ __forceinline__ int warp() { return threadIdx.x / 32; }
__device__ __forceinline__ int smaller(int a, int b) { return a < b ? a : b; }

// The sum of `value` over all threads of the block, the same bits in each of them. scratch: one number for each warp.
template <typename Number>
__device__ __forceinline__ Number block_sum(Number value, Number *scratch) {
  for (int mask = 16; mask > 0; mask /= 2) value += __shfl_xor_sync(~0u, value, mask);
  __syncthreads();  // the scratch may still be read, from the sum before
  if (lane() == 0) scratch[warp()] = value;
  __syncthreads();
  Number total = 0;
  for (int w = 0; w < (int)blockDim.x / 32; w++) total += scratch[w];
  return total;
}

__device__ __forceinline__ float block_maximum(float value, float *scratch) {
  for (int mask = 16; mask > 0; mask /= 2) value = fmaxf(value, __shfl_xor_sync(~0u, value, mask));
  __syncthreads();
  if (lane() == 0) scratch[warp()] = value;
  __syncthreads();
  float largest = scratch[0];
  for (int w = 1; w < (int)blockDim.x / 32; w++) largest = fmaxf(largest, scratch[w]);
  return largest;
}

// The sum of `mine` over the 32 warps of a block of 1024 threads, for each lane. shared_memory: 1024 numbers.
__device__ __forceinline__ float sum_over_warps(float mine) {
  __syncthreads();  // the numbers of the sum before may still be read
  shared_memory[threadIdx.x] = mine;
  __syncthreads();
  float sum = 0.f;
  for (int w = 0; w < 32; w++) sum += shared_memory[w * 32 + lane()];
  return sum;
}

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
// The gradient of the inputs is the same sum for dL/dy, with the kernel turned round and C and F exchanged. That is
// done where the weights are laid out (arrange_weights), so one kernel computes both.
//
// A block computes 16 MT WARPS pixels x NB channels: each warp MT tiles of 16 pixels and NB / 8 of 8 channels. A tile
// is `rows` whole rows of an image, or several whole images where they are small. The C input channels come in chunks
// of CK, which fit into shared memory.
//
// Channels in a fragment. A sum may be taken in any order, so "channel t" and "channel t + 4" of a matrix product of 8
// channels may be the channels 2t and 2t + 1: these are neighbours in memory, and come with one load. A pixel of the
// tile takes pitch(CK) numbers, 8 or 24 modulo 32: then the loads of a warp fall into all 32 banks of shared memory.
//
// Float32 from TF32 ("3xTF32"). TF32 keeps 11 of float32's 24 bits. With x = h + l, h = x rounded to TF32, l = x - h,
//
//     x w = h_x h_w + (h_x l_w + l_x h_w) + l_x l_w
//
// where the last term is below float32's rounding: three products on the tensor cores instead of one. Because these
// cut off when they add, the sum of each tap is begun at zero and added to the others by normal arithmetic. Reference:
// Ootomo and Yokota, Recovering single precision accuracy from Tensor Cores, 2022.

__host__ __device__ constexpr int pitch(int channels) { return channels % 16 == 8 ? channels : channels + 8; }

// To 10 bits after the point: half of the last of them is added, then the rest is cut off.
__device__ __forceinline__ float nearest_tf32(float x) {
  return __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u);
}

// A and B of a product as they are needed. SPLIT: x = high + low (for infinity and NaN low is NaN, and remains).
// Otherwise they were rounded in shared memory.
template <int SIZE, bool SPLIT>
struct Fragment {
  float high[SIZE], low[SIZE];
  __device__ __forceinline__ void set(int i, float x) {
    high[i] = SPLIT ? nearest_tf32(x) : x;
    if (SPLIT) low[i] = x - high[i];
  }
};

// The same, but infinity and NaN stay what they are.
__device__ __forceinline__ float rounded(float x) { return x - x == 0.f ? nearest_tf32(x) : x; }

template <bool SPLIT>
__device__ __forceinline__ void multiply_add(float (&d)[4], const Fragment<4, SPLIT> &a, const Fragment<2, SPLIT> &b) {
  if (SPLIT) {  // the small terms first
    multiply_add(d, a.low, b.high);
    multiply_add(d, a.high, b.low);
  }
  multiply_add(d, a.high, b.high);
}

// Which pixels a block works on: `rows` rows from y0 on, of `images` images from n0 on.
struct Tile {
  int N, H, W, rows, images, n0, y0;
  __device__ __forceinline__ Tile(int index, int N, int H, int W, int rows, int images)
      : N(N), H(H), W(W), rows(rows), images(images) {
    const int strips = (H + rows - 1) / rows;
    n0 = index / strips * images;
    y0 = index % strips * rows;
  }
  __device__ __forceinline__ int size() const { return images * rows * W; }
  // Pixels that are really there: the last rows of an image, and the last images, may not fill the tile.
  __device__ __forceinline__ int count() const { return smaller(images, N - n0) * smaller(rows, H - y0) * W; }
  // The number of pixel p among all pixels of the batch, or -1 where there is none.
  __device__ __forceinline__ int pixel(int p) const {
    const int image = p / (rows * W), inside = p % (rows * W);
    const bool there = image < images && n0 + image < N && y0 + inside / W < H;
    return there ? ((n0 + image) * H + y0) * W + inside : -1;
  }
  // Where the 3 x 3 window of pixel p begins in the tile with its border, in pixels; any place for those not there.
  __device__ __forceinline__ int window(int p) const {
    const int image = p / (rows * W), inside = p % (rows * W);
    return image < images ? (image * (rows + 2) + inside / W) * (W + 2) + inside % W : 0;
  }
};

// Copy CK channels of a tile and its border to shared memory, (images, rows + 2, W + 2, pitch(CK)); a warp takes a row.
template <int CK, int WARPS>
__device__ __forceinline__ void load_with_border(float *shared, const float *x, int channel, int C, const Tile &tile) {
  for (int r = warp(); r < tile.images * (tile.rows + 2); r += WARPS) {
    const int n = tile.n0 + r / (tile.rows + 2), y = tile.y0 + r % (tile.rows + 2) - 1;
    const bool inside = n < tile.N && y >= 0 && y < tile.H;
    const int first = (n * tile.H + y) * tile.W - 1;  // the pixel left of the image
    for (int i = lane(); i < (tile.W + 2) * (CK / 4); i += 32) {
      const int column = i / (CK / 4), part = i % (CK / 4) * 4;
      const bool wanted = inside && column >= 1 && column <= tile.W;
      const float *source = wanted ? x + (first + column) * C + channel + part : x;
      copy_ahead(shared + (r * (tile.W + 2) + column) * pitch(CK) + part, source, wanted);
    }
  }
}

// Round what has been copied to TF32: each thread the numbers that it copied itself, so that it need not wait for
// others. The `rows` rows have `width` pixels of CHANNELS numbers.
template <int CHANNELS, int WARPS>
__device__ __forceinline__ void round_rows(float *shared, int rows, int width) {
  for (int r = warp(); r < rows; r += WARPS)
    for (int i = lane(); i < width * (CHANNELS / 4); i += 32) {
      const int pixel = r * width + i / (CHANNELS / 4), part = i % (CHANNELS / 4) * 4;
      float4 *const place = (float4 *)(shared + pixel * pitch(CHANNELS) + part);
      const float4 v = *place;
      *place = make_float4(rounded(v.x), rounded(v.y), rounded(v.z), rounded(v.w));
    }
}

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
    if (chunk > 0) __syncthreads();  // all have done with the chunk before
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
#pragma unroll
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
// to_tf32: round them. Grid: any x convolutions x 2 directions.
extern "C" __global__ void arrange_weights(const float *flat, const int *table, float *arranged, int to_tf32) {
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
    arranged[begin + i] = to_tf32 ? rounded(w) : w;
  }
}

// The gradient of the weights: dL/dK[u, v, c, f] = sum over pixels of x[pixel + (u, v), c] dL/dy[pixel, f].
//
// A product of matrices as well, cols^T @ dL/dy, in which the sum runs over the pixels: 100,000 of them for 9 C F
// results. So the pixels are dealt out: each block takes every gridDim.x-th tile of 128 pixels and writes its share
// to `partials` (gridDim.x, 9, C, F), which sum_weight_gradient adds up. Six warps: warp 0, 1, 2 take a row u of the
// kernel each (three taps, which share dL/dy) and half of the pixels; 3, 4, 5 the other half.
// Here the 16 x 8 matrix A has channels of x as rows and pixels as columns, B has pixels as rows. Grid: any x
// (C / CK) (F / NB).
constexpr int GRADIENT_PIXELS = 128, GRADIENT_WARPS = 6;

template <int CK, int NB, bool SPLIT>
__device__ __forceinline__ void differentiate_weights(const float *x, const float *grad_y, float *partials, int N,
                                                      int H, int W, int C, int F, int rows, int images) {
  constexpr int MT = (CK + 15) / 16, NT = NB / 8, S = pitch(CK), D = pitch(NB), THREADS = 32 * GRADIENT_WARPS;
  const int g = lane() / 4, t = lane() % 4, u = warp() % 3, half = warp() / 3;
  const int channel = blockIdx.y / (F / NB) * CK, filter = blockIdx.y % (F / NB) * NB;
  const int tiles = (N + images - 1) / images * ((H + rows - 1) / rows);
  const int inputs_size = images * (rows + 2) * (W + 2) * S;
  float *const inputs = shared_memory, *const grads = shared_memory + inputs_size;  // grads (128, D)
  int *const windows = (int *)(grads + GRADIENT_PIXELS * D);                        // (128)

  {  // what is the same for all tiles; pixels beyond a tile's end stay zero
    const Tile tile(0, N, H, W, rows, images);
    for (int p = threadIdx.x; p < GRADIENT_PIXELS; p += THREADS) windows[p] = tile.window(p) * S;
    for (int i = tile.size() * D + threadIdx.x; i < GRADIENT_PIXELS * D; i += THREADS) grads[i] = 0.f;
  }
  float sums[3][MT][NT][4] = {};
  for (int index = blockIdx.x; index < tiles; index += gridDim.x) {
    const Tile tile(index, N, H, W, rows, images);
    if (index > (int)blockIdx.x) __syncthreads();  // all have done with the tile before
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
    for (int p = 8 * half; p < GRADIENT_PIXELS; p += 16) {
      Fragment<2, SPLIT> b[NT];
#pragma unroll
      for (int n = 0; n < NT; n++) {
        b[n].set(0, grads[(p + t) * D + 8 * n + g]);
        b[n].set(1, grads[(p + t + 4) * D + 8 * n + g]);
      }
      const float *left = inputs + windows[p + t] + u * (W + 2) * S + g;
      const float *right = inputs + windows[p + t + 4] + u * (W + 2) * S + g;
#pragma unroll
      for (int v = 0; v < 3; v++)
#pragma unroll
        for (int m = 0; m < MT; m++) {
          Fragment<4, SPLIT> a;
#pragma unroll
          for (int h = 0; h < 2; h++) {
            const bool there = CK >= 16 || h == 0;  // 8 channels fill only half of the 16 rows
            a.set(h, there ? left[v * S + 16 * m + 8 * h] : 0.f);
            a.set(h + 2, there ? right[v * S + 16 * m + 8 * h] : 0.f);
          }
#pragma unroll
          for (int n = 0; n < NT; n++) multiply_add<SPLIT>(sums[v][m][n], a, b[n]);
        }
    }
  }

  // The two halves of the pixels meet in shared memory, (3, 3 MT NT 4, 32 lanes).
  constexpr int SUMS = 3 * MT * NT * 4;
  float *const other = shared_memory + u * SUMS * 32 + lane();
  __syncthreads();
  if (half == 1)
#pragma unroll
    for (int i = 0; i < SUMS; i++) other[i * 32] = sums[i / (4 * NT * MT)][i / (4 * NT) % MT][i / 4 % NT][i % 4];
  __syncthreads();
  if (half == 1) return;
#pragma unroll
  for (int v = 0; v < 3; v++)
#pragma unroll
    for (int m = 0; m < MT; m++)
#pragma unroll
      for (int n = 0; n < NT; n++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
          if (CK < 16 && h == 1) continue;
          const int c = channel + 16 * m + 8 * h + g;
          const float *mine = &sums[v][m][n][2 * h], *others = other + (((v * MT + m) * NT + n) * 4 + 2 * h) * 32;
          float *const place = partials + ((blockIdx.x * 9 + 3 * u + v) * C + c) * F + filter + 8 * n + 2 * t;
          *(float2 *)place = make_float2(mine[0] + others[0], mine[1] + others[32]);
        }
}

// grad (9, C, F) = sum of `count` partials (9, CP, F), CP >= C. 1024 threads for 32 results: one of each warp for each.
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

// (rows, C) -> (rows, CP): the first convolution's images get channels of zeros.
extern "C" __global__ void pad_channels(const float *x, float *y, int rows, int C, int CP) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * CP; i += gridDim.x * blockDim.x)
    y[i] = i % CP < C ? x[i / CP * C + i % CP] : 0.f;
}

// ---- normalization, shortcut, activation ----------------------------------------------------------------------------
//
// Forward (the numbers are those of mlp/layers/batch_norm.py), with m = rows:
//
//     x_hat = (y - mean) inv_std             moments (2, C): mean, inv_std = 1 / sqrt(var + eps)
//     a = gamma x_hat + beta + shortcut      each part may be missing
//     z = max(a, slope a)                    slope 1: no activation
//
// Backward, with e = dL/dz where z > 0, else slope dL/dz (z > 0 exactly where a > 0, so a is not kept):
//
//     dL/dbeta = sum e        dL/dgamma = sum e x_hat        dL/dshortcut = e
//     dL/dy = gamma inv_std (e - (dL/dbeta + x_hat dL/dgamma) / m)
//
// All are passes over (rows, C) in which a thread keeps its four channels, so that it loads their moments only once.

struct Columns {  // the place of a thread: blockDim.x is a multiple of C / 4
  int channel, line, lines;
  __device__ __forceinline__ explicit Columns(int C) {
    channel = threadIdx.x % (C / 4) * 4;
    line = threadIdx.x / (C / 4);
    lines = blockDim.x / (C / 4);
  }
};

__device__ __forceinline__ float4 load4(const float *p) { return *(const float4 *)p; }
__device__ __forceinline__ void store4(float *p, float4 v) { *(float4 *)p = v; }
// Parameters begin anywhere in the flat array, so they are loaded one by one.
__device__ __forceinline__ float4 gather4(const float *p) { return make_float4(p[0], p[1], p[2], p[3]); }
__device__ __forceinline__ float4 operator+(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
__device__ __forceinline__ float4 operator-(float4 a, float4 b) {
  return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
}
__device__ __forceinline__ float4 operator*(float4 a, float4 b) {
  return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}
__device__ __forceinline__ float4 operator*(float4 a, float s) {
  return make_float4(a.x * s, a.y * s, a.z * s, a.w * s);
}
__device__ __forceinline__ float4 zero4() { return make_float4(0.f, 0.f, 0.f, 0.f); }

// What comes through an activation backward.
__device__ __forceinline__ float4 through(float4 grad, float4 z, float slope) {
  return make_float4(z.x > 0.f ? grad.x : slope * grad.x, z.y > 0.f ? grad.y : slope * grad.y,
                     z.z > 0.f ? grad.z : slope * grad.z, z.w > 0.f ? grad.w : slope * grad.w);
}

// Statistics of the rows of each block, to partials (blocks, 3, C): their number, their mean, and the sum of squares
// around this mean. (The sum of y^2 instead would lose all digits where the mean is large.) Where y comes from a
// convolution, that has done it already. shared_memory: 4 blockDim.x + C numbers.
extern "C" __global__ void normalization_statistics(const float *y, float *partials, int rows, int C) {
  const Columns at(C);
  const int share = (rows + gridDim.x - 1) / gridDim.x;
  const int begin = smaller(blockIdx.x * share, rows), end = smaller(begin + share, rows);
  float *const lines = shared_memory, *const means = shared_memory + 4 * blockDim.x;
  float *const mine = partials + blockIdx.x * 3 * C;
  float4 mean = zero4();
  for (int round = 0; round < 2; round++) {
    float4 sum = zero4();
    for (int i = begin + at.line; i < end; i += at.lines) {
      const float4 d = load4(y + i * C + at.channel) - mean;
      sum = sum + (round == 0 ? d : d * d);
    }
    store4(lines + at.line * C + at.channel, sum);
    __syncthreads();
    for (int c = threadIdx.x; c < C; c += blockDim.x) {
      float total = 0.f;
      for (int l = 0; l < at.lines; l++) total += lines[l * C + c];
      if (round == 0) means[c] = end > begin ? total / (end - begin) : 0.f;
      if (round == 0) mine[c] = end - begin;
      mine[(1 + round) * C + c] = round == 0 ? means[c] : total;
    }
    __syncthreads();
    mean = load4(means + at.channel);
  }
}

// From the statistics of `count` blocks to those of all rows: the mean of the means, and
// the sum of squares = squares within the blocks + squares of the blocks' means around the common one.
// Then the running statistics, unless a probe asked: running <- (1 - r) running + r new, with the unbiased variance.
// 32 channels a block.
extern "C" __global__ void __launch_bounds__(1024)
    normalization_finish(const float *partials, const float *state, float *moments, float *running_mean,
                         float *running_var, int count, int rows, int C, float eps, float momentum) {
  const int c = blockIdx.x * 32 + lane();
  const bool mine = c < C;
  float sum = 0.f, square = 0.f;
  if (mine)
#pragma unroll 4
    for (int k = warp(); k < count; k += 32) sum += partials[k * 3 * C + c] * partials[(k * 3 + 1) * C + c];
  const float mean = sum_over_warps(sum) / rows;
  if (mine)
#pragma unroll 4
    for (int k = warp(); k < count; k += 32) {
      const float d = partials[(k * 3 + 1) * C + c] - mean;
      square += partials[(k * 3 + 2) * C + c] + partials[k * 3 * C + c] * d * d;
    }
  const float total = sum_over_warps(square);
  if (!mine || warp() > 0) return;
  moments[c] = mean;
  moments[C + c] = 1.f / sqrtf(total / rows + eps);
  if (state[FROZEN] != 0.f) return;
  running_mean[c] = (1.f - momentum) * running_mean[c] + momentum * mean;
  running_var[c] = (1.f - momentum) * running_var[c] + momentum * (total / (rows - 1));
}

// The moments for evaluation.
extern "C" __global__ void normalization_from_running(const float *running_mean, const float *running_var,
                                                      float *moments, int C, float eps) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= C) return;
  moments[c] = running_mean[c];
  moments[C + c] = 1.f / sqrtf(running_var[c] + eps);
}

// z = max(a, slope a), a = gamma (y - mean) inv_std + beta + shortcut; moments and shortcut may be null.
extern "C" __global__ void pointwise(const float *y, const float *moments, const float *gamma, const float *beta,
                                     const float *shortcut, float *z, int rows, int C, float slope) {
  const Columns at(C);
  float4 mean = zero4(), scale = make_float4(1.f, 1.f, 1.f, 1.f), shift = zero4();
  if (moments) {
    mean = load4(moments + at.channel);
    scale = load4(moments + C + at.channel) * gather4(gamma + at.channel);
    shift = gather4(beta + at.channel);
  }
  for (int i = blockIdx.x * at.lines + at.line; i < rows; i += gridDim.x * at.lines) {
    float4 a = (load4(y + i * C + at.channel) - mean) * scale + shift;
    if (shortcut) a = a + load4(shortcut + i * C + at.channel);
    store4(z + i * C + at.channel, make_float4(fmaxf(a.x, slope * a.x), fmaxf(a.y, slope * a.y),
                                               fmaxf(a.z, slope * a.z), fmaxf(a.w, slope * a.w)));
  }
}

// partials (blocks, 2, C): sum e and sum e x_hat over the rows of each block. Without moments sum e alone is wanted,
// the gradient of a bias; slope 1 does not look at z. shared_memory: 8 blockDim.x numbers.
extern "C" __global__ void pointwise_gradient_sums(const float *grad_z, const float *z, const float *y,
                                                   const float *moments, float *partials, int rows, int C,
                                                   float slope) {
  const Columns at(C);
  float4 mean = zero4(), inv_std = zero4(), sum = zero4(), product = zero4();
  if (moments) {
    mean = load4(moments + at.channel);
    inv_std = load4(moments + C + at.channel);
  }
  for (int i = blockIdx.x * at.lines + at.line; i < rows; i += gridDim.x * at.lines) {
    float4 e = load4(grad_z + i * C + at.channel);
    if (slope != 1.f) e = through(e, load4(z + i * C + at.channel), slope);
    sum = sum + e;
    if (moments) product = product + e * ((load4(y + i * C + at.channel) - mean) * inv_std);
  }
  float *const lines = shared_memory;  // (lines, 2, C)
  store4(lines + 2 * at.line * C + at.channel, sum);
  store4(lines + (2 * at.line + 1) * C + at.channel, product);
  __syncthreads();
  for (int c = threadIdx.x; c < 2 * C; c += blockDim.x) {
    float total = 0.f;
    for (int l = 0; l < at.lines; l++) total += lines[l * 2 * C + c];
    partials[blockIdx.x * 2 * C + c] = total;
  }
}

// Add up: grad_beta = sum e, grad_gamma = sum e x_hat, and both divided by the number of rows to means (2, C).
// grad_gamma and means may be null. 32 channels a block of 1024 threads.
extern "C" __global__ void __launch_bounds__(1024)
    pointwise_gradient_finish(const float *partials, const float *state, float *grad_gamma, float *grad_beta,
                              float *means, int count, int rows, int C) {
  const int c = blockIdx.x * 32 + lane();
  const bool mine = c < C;
  float sum = 0.f, product = 0.f;
  if (mine)
#pragma unroll 4
    for (int k = warp(); k < count; k += 32) {
      sum += partials[k * 2 * C + c];
      product += partials[(k * 2 + 1) * C + c];
    }
  sum = sum_over_warps(sum);
  product = sum_over_warps(product);
  if (!mine || warp() > 0) return;
  if (means) {
    means[c] = sum / rows;
    means[C + c] = product / rows;
  }
  if (state[FINITE] == 0.f) return;
  grad_beta[c] = sum;
  if (grad_gamma) grad_gamma[c] = product;
}

// dL/dy and dL/dshortcut = e, either of which may be null; `add_y`, `add_shortcut`: add to what is there already.
// grad_shortcut may be the same array as grad_z; without moments grad_y may be, too.
extern "C" __global__ void pointwise_backward(const float *grad_z, const float *z, const float *y,
                                              const float *moments, const float *gamma, const float *means,
                                              float *grad_y, float *grad_shortcut, int add_y, int add_shortcut,
                                              int rows, int C, float slope) {
  const Columns at(C);
  float4 mean = zero4(), inv_std = zero4(), scale = make_float4(1.f, 1.f, 1.f, 1.f), mean_e = zero4(), mean_p = zero4();
  if (moments) {
    mean = load4(moments + at.channel);
    inv_std = load4(moments + C + at.channel);
    scale = inv_std * gather4(gamma + at.channel);
    mean_e = load4(means + at.channel);
    mean_p = load4(means + C + at.channel);
  }
  for (int i = blockIdx.x * at.lines + at.line; i < rows; i += gridDim.x * at.lines) {
    const int place = i * C + at.channel;
    float4 e = load4(grad_z + place);
    if (slope != 1.f) e = through(e, load4(z + place), slope);
    if (grad_shortcut) store4(grad_shortcut + place, add_shortcut ? e + load4(grad_shortcut + place) : e);
    if (!grad_y) continue;
    if (moments) e = (e - mean_e - (load4(y + place) - mean) * inv_std * mean_p) * scale;
    store4(grad_y + place, add_y ? e + load4(grad_y + place) : e);
  }
}

// ---- average pooling 2 x 2 ------------------------------------------------------------------------------------------

// y (N, H / 2, W / 2, C): the mean of four pixels; an odd last row or column has no influence.
extern "C" __global__ void average_pool(const float *x, float *y, int N, int H, int W, int C) {
  const int OH = H / 2, OW = W / 2, quads = C / 4;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < N * OH * OW * quads; i += gridDim.x * blockDim.x) {
    const int pixel = i / quads, row = pixel / OW, n = row / OH;
    const float *p = x + ((n * H + row % OH * 2) * W + pixel % OW * 2) * C + i % quads * 4;
    store4(y + i * 4, (load4(p) + load4(p + C) + load4(p + W * C) + load4(p + W * C + C)) * 0.25f);
  }
}

// Every pixel of a window gets a quarter of its gradient.
extern "C" __global__ void average_pool_backward(const float *grad_y, float *grad_x, int add, int N, int H, int W,
                                                 int C) {
  const int OH = H / 2, OW = W / 2, quads = C / 4;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < N * H * W * quads; i += gridDim.x * blockDim.x) {
    const int pixel = i / quads, row = pixel / W, h = row % H / 2, w = pixel % W / 2;
    float4 v = zero4();
    if (h < OH && w < OW) v = load4(grad_y + ((row / H * OH + h) * OW + w) * C + i % quads * 4) * 0.25f;
    store4(grad_x + i * 4, add ? v + load4(grad_x + i * 4) : v);
  }
}

// ---- concatenation --------------------------------------------------------------------------------------------------

// part (rows, C) -> the channels first .. first + C - 1 of joined (rows, F), C, F and first multiples of 4.
extern "C" __global__ void join_channels(const float *part, float *joined, int rows, int C, int F, int first) {
  const int quads = C / 4;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * quads; i += gridDim.x * blockDim.x)
    store4(joined + i / quads * F + first + i % quads * 4, load4(part + i * 4));
}

// The way back: those channels of joined (rows, F) -> part (rows, C), or added to it.
extern "C" __global__ void cut_channels(const float *joined, float *part, int add, int rows, int C, int F, int first) {
  const int quads = C / 4;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * quads; i += gridDim.x * blockDim.x) {
    const float4 v = load4(joined + i / quads * F + first + i % quads * 4);
    store4(part + i * 4, add ? v + load4(part + i * 4) : v);
  }
}

// ---- the head: global average pooling, affine map, softmax cross-entropy --------------------------------------------
//
// The formulas are those of mlp/losses.py: l = log(sum exp z_j) - sum_k q_k z_k, dL/dz = (p - q) / N, with the targets
// q = (1 - s) onehot + s / K. Small enough (100 images, 100 classes) that one block an image does it all.

// x (N, pixels, C) -> pooled (N, C), logits (N, K), grad_logits (N, K; null in evaluation), and for each image its loss
// and whether it is right. A target outside 0 .. K - 1 makes the loss NaN. shared_memory: C + K + 32 numbers.
extern "C" __global__ void head_forward(const float *x, const float *weight, const float *bias, const int *targets,
                                        float *pooled, float *logits, float *grad_logits, float *losses, float *right,
                                        int pixels, int C, int K, float smoothing, float inverse_N) {
  float *const mean = shared_memory, *const z = shared_memory + C, *const scratch = z + K;
  const int n = blockIdx.x, target = targets[n];
  for (int c = threadIdx.x; c < C; c += blockDim.x) {
    float sum = 0.f;
    for (int p = 0; p < pixels; p++) sum += x[(n * pixels + p) * C + c];
    mean[c] = pooled[n * C + c] = sum / pixels;
  }
  __syncthreads();
  float largest = -3.402823466e38f;
  for (int k = threadIdx.x; k < K; k += blockDim.x) {
    float sum = 0.f;
    for (int c = 0; c < C; c++) sum += mean[c] * weight[c * K + k];
    z[k] = logits[n * K + k] = bias ? sum + bias[k] : sum;
    largest = fmaxf(largest, z[k]);
  }
  largest = block_maximum(largest, scratch);
  float exps = 0.f, total = 0.f, first = K;  // first: the smallest k with the largest logit
  for (int k = threadIdx.x; k < K; k += blockDim.x) {
    exps += expf(z[k] - largest);
    total += z[k] - largest;
    if (z[k] == largest) first = fminf(first, k);
  }
  exps = block_sum(exps, scratch);
  total = block_sum(total, scratch);
  first = -block_maximum(-first, scratch);
  if (threadIdx.x == 0) {
    const bool valid = target >= 0 && target < K;
    const float wanted = valid ? (1.f - smoothing) * (z[target] - largest) + smoothing * total / K : 0.f / 0.f;
    losses[n] = logf(exps) - wanted;
    right[n] = first == target;
  }
  if (!grad_logits) return;
  for (int k = threadIdx.x; k < K; k += blockDim.x)
    grad_logits[n * K + k] =
        (expf(z[k] - largest) / exps - smoothing / K - (k == target ? 1.f - smoothing : 0.f)) * inverse_N;
}

// One block: the batch's row in the log (slots, 3), which is mean loss, images that are right, N; and whether the loss
// is finite: if not, gradients and weights stay as they are. shared_memory: 32 numbers.
extern "C" __global__ void batch_metrics(const float *losses, const float *right, float *state, float *log, int N) {
  float loss = 0.f, count = 0.f;
  for (int n = threadIdx.x; n < N; n += blockDim.x) {
    loss += losses[n];
    count += right[n];
  }
  loss = block_sum(loss, shared_memory) / N;
  count = block_sum(count, shared_memory);
  if (threadIdx.x > 0) return;
  float *row = log + (int)state[SLOT] * 3;
  row[0] = loss;
  row[1] = count;
  row[2] = N;
  state[FINITE] = fabsf(loss) <= 3.402823466e38f;
}

// dL/dW = pooled^T @ grad_logits (C, K) and dL/db; a thread for each result.
extern "C" __global__ void head_weight_gradient(const float *pooled, const float *grad_logits, const float *state,
                                                float *grad_weight, float *grad_bias, int N, int C, int K) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x, c = i / K, k = i % K;
  if (c > C || state[FINITE] == 0.f) return;
  float sum = 0.f;
#pragma unroll 4
  for (int n = 0; n < N; n++) sum += (c < C ? pooled[n * C + c] : 1.f) * grad_logits[n * K + k];
  if (c < C)
    grad_weight[i] = sum;
  else if (grad_bias)
    grad_bias[k] = sum;
}

// dL/dx: grad_logits @ W^T (N, C), divided by the number of pixels, for each of them. A block an image, a warp a
// channel. shared_memory: C numbers.
extern "C" __global__ void head_input_gradient(const float *grad_logits, const float *weight, float *grad_x,
                                               int pixels, int C, int K) {
  const int n = blockIdx.x;
  for (int c = warp(); c < C; c += blockDim.x / 32) {
    float sum = 0.f;
    for (int k = lane(); k < K; k += 32) sum += grad_logits[n * K + k] * weight[c * K + k];
    for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(~0u, sum, mask);
    if (lane() == 0) shared_memory[c] = sum / pixels;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < pixels * C; i += blockDim.x) grad_x[n * pixels * C + i] = shared_memory[i % C];
}

// ---- gradients and weights ------------------------------------------------------------------------------------------

// What changes from step to step, by one thread, before the step's other kernels.
extern "C" __global__ void begin_step(float *state, float slot, float learning_rate, float weight_decay,
                                      float decoupled, float clip_value, float clip_norm, float a, float one_minus_a,
                                      float b, float one_minus_b, float eps, float correction_a, float root_b,
                                      float frozen) {
  state[SLOT] = slot;
  state[LEARNING_RATE] = learning_rate;
  state[WEIGHT_DECAY] = weight_decay;
  state[DECOUPLED] = decoupled;
  state[CLIP_VALUE] = clip_value;
  state[CLIP_NORM] = clip_norm;
  state[A] = a;
  state[ONE_MINUS_A] = one_minus_a;
  state[B] = b;
  state[ONE_MINUS_B] = one_minus_b;
  state[EPS] = eps;
  state[CORRECTION_A] = correction_a;
  state[ROOT_B] = root_b;
  state[FROZEN] = frozen;
}

// Statistics of the gradient of each tensor (see gradient_statistics.py), a block each: last (4, tensors) of this step,
// sums (4, tensors) over the steps. In double: squares of vanishing gradients underflow in float32.
// offsets (tensors + 1): where they begin. shared_memory: 32 doubles.
extern "C" __global__ void gradient_statistics(const float *grad, const int *offsets, const float *state, double *sums,
                                               double *last, int tensors) {
  double *const scratch = (double *)shared_memory;
  const int begin = offsets[blockIdx.x], end = offsets[blockIdx.x + 1];
  if (state[FINITE] == 0.f) return;
  double size = 0., square = 0., zeros = 0.;
  float largest = 0.f;
#pragma unroll 4
  for (int i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const float g = fabsf(grad[i]);
    size += g;
    square += (double)g * g;
    zeros += g == 0.f;
    largest = fmaxf(largest, g);
  }
  const double n = end - begin;
  double results[4];
  results[0] = block_sum(size, scratch) / n;
  results[1] = sqrt(block_sum(square, scratch));
  results[2] = block_maximum(largest, (float *)scratch);
  results[3] = block_sum(zeros, scratch) / n;
  if (threadIdx.x > 0) return;
  for (int j = 0; j < 4; j++) {
    last[j * tensors + blockIdx.x] = results[j];
    sums[j * tensors + blockIdx.x] += results[j];
  }
}

__device__ __forceinline__ float within(float g, float bound) {
  return bound > 0.f ? fminf(fmaxf(g, -bound), bound) : g;
}

// For clipping by norm: squares (blocks) of the gradient's numbers, each within clip_value. shared_memory: 32 numbers.
extern "C" __global__ void gradient_squares(const float *grad, const float *state, float *squares, int size) {
  float sum = 0.f;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x) {
    const float g = within(grad[i], state[CLIP_VALUE]);
    sum += g * g;
  }
  sum = block_sum(sum, shared_memory);
  if (threadIdx.x == 0) squares[blockIdx.x] = sum;
}

// The rules: how far a weight goes, given its gradient g and two moments (see mlp/learning_rules).
struct GradientDescent {
  __device__ static float change(const float *s, float g, float &, float &) { return s[LEARNING_RATE] * g; }
};
struct Momentum {
  __device__ static float change(const float *s, float g, float &v, float &) {
    v = s[A] * v + g;
    return s[LEARNING_RATE] * v;
  }
};
struct Nesterov {
  __device__ static float change(const float *s, float g, float &v, float &) {
    v = s[A] * v + g;
    return s[LEARNING_RATE] * (g + s[A] * v);
  }
};
struct AdaGrad {
  __device__ static float change(const float *s, float g, float &sum, float &) {
    sum += g * g;
    return s[LEARNING_RATE] * g / (sqrtf(sum) + s[EPS]);
  }
};
struct RMSProp {
  __device__ static float change(const float *s, float g, float &v, float &) {
    v = s[A] * v + s[ONE_MINUS_A] * (g * g);
    return s[LEARNING_RATE] * g / (sqrtf(v) + s[EPS]);
  }
};
struct Adam {  // CORRECTION_A = 1 - b1^t, ROOT_B = sqrt(1 - b2^t)
  __device__ static float change(const float *s, float g, float &m, float &v) {
    m = s[A] * m + s[ONE_MINUS_A] * g;
    v = s[B] * v + s[ONE_MINUS_B] * (g * g);
    return s[LEARNING_RATE] / s[CORRECTION_A] * m / (sqrtf(v) / s[ROOT_B] + s[EPS]);
  }
};

// All weights at once: clipping, coupled decay, decoupled decay, rule. Moments that a rule has not, and decays (null:
// all decay), may be null. squares: of gradient_squares, null without clipping by norm. shared_memory: 32 numbers.
template <typename Rule>
__device__ __forceinline__ void update(float *weights, const float *grad, float *first, float *second,
                                       const float *decays, const float *squares, const float *state, int size,
                                       int count) {
  float factor = 1.f;
  if (squares) {
    float sum = 0.f;
    for (int k = threadIdx.x; k < count; k += blockDim.x) sum += squares[k];
    factor = fminf(1.f, state[CLIP_NORM] / (sqrtf(block_sum(sum, shared_memory)) + 1e-6f));
  }
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size || state[FINITE] == 0.f) return;
  float w = weights[i], g = within(grad[i], state[CLIP_VALUE]) * factor;
  float a = first ? first[i] : 0.f, b = second ? second[i] : 0.f;
  const float decay = decays ? decays[i] : 1.f;
  g += state[WEIGHT_DECAY] * decay * w;
  w -= state[LEARNING_RATE] * state[DECOUPLED] * decay * w;
  weights[i] = w - Rule::change(state, g, a, b);
  if (first) first[i] = a;
  if (second) second[i] = b;
}

// ---- data -----------------------------------------------------------------------------------------------------------

// A batch from images that stay on the device as bytes: crop, flip, normalize. Image b of the batch is number
// order[first + b]; its window begins at offsets (., 2) in the image with `padding` black pixels around it, and is
// mirrored where flips is 1. Offsets and flips may be null: nothing is cropped. constants (2, C): scale, shift.
// The two roundings are those of mlp.data.normalize, so that the numbers are the same to the last bit.
extern "C" __global__ void make_batch(const unsigned char *images, const int *labels, const int *order,
                                      const unsigned char *offsets, const unsigned char *flips, const float *constants,
                                      float *x, int *targets, int first, int N, int H, int W, int C, int padding) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < N * H * W * C; i += gridDim.x * blockDim.x) {
    const int c = i % C, column = i / C % W, row = i / (C * W) % H, b = i / (C * W * H), image = order[first + b];
    int from_row = row, from_column = column;
    if (offsets) {
      from_row += offsets[2 * image] - padding;
      from_column = (flips[image] ? W - 1 - column : column) + offsets[2 * image + 1] - padding;
    }
    float byte = 0.f;
    if (from_row >= 0 && from_row < H && from_column >= 0 && from_column < W)
      byte = images[(((long long)image * H + from_row) * W + from_column) * C + c];
    x[i] = __fadd_rn(__fmul_rn(byte, constants[c]), constants[C + c]);
    if (i % (H * W * C) == 0) targets[b] = labels[image];
  }
}

// ---- the templates, for the sizes that are used ---------------------------------------------------------------------
//
// CK and NB: channels in a chunk, of inputs and of outputs. Two sizes of tiles: 256 pixels, with 8 warps, and 64
// pixels, with 4, for small images, of which there would be too few tiles for all multiprocessors. At most 128 (or
// 168) registers a thread, so that two blocks fit.

#define CONVOLUTION(CK, NB, SIZE, WARPS, MT, PRECISION, SPLIT)                                                         \
  extern "C" __global__ void __launch_bounds__(32 * WARPS, 2) convolve_##CK##_##NB##_##SIZE##_##PRECISION(             \
      const float *x, const float *weights, const float *bias, const float *addend, float *y, float *partials, int N,  \
      int H, int W, int C, int F, int rows, int images) {                                                              \
    convolve<CK, NB, WARPS, MT, SPLIT>(x, weights, bias, addend, y, partials, N, H, W, C, F, rows, images);            \
  }
#define WEIGHT_GRADIENT(CK, NB, PRECISION, SPLIT)                                                                      \
  extern "C" __global__ void __launch_bounds__(32 * GRADIENT_WARPS, 2) weight_gradient_##CK##_##NB##_##PRECISION(      \
      const float *x, const float *grad_y, float *partials, int N, int H, int W, int C, int F, int rows, int images) { \
    differentiate_weights<CK, NB, SPLIT>(x, grad_y, partials, N, H, W, C, F, rows, images);                            \
  }
#define CONVOLUTIONS(CK, NB)                                                                                           \
  CONVOLUTION(CK, NB, 256, 8, 2, float32, true)                                                                        \
  CONVOLUTION(CK, NB, 256, 8, 2, tf32, false)                                                                          \
  CONVOLUTION(CK, NB, 64, 4, 1, float32, true)                                                                         \
  CONVOLUTION(CK, NB, 64, 4, 1, tf32, false)                                                                           \
  WEIGHT_GRADIENT(CK, NB, float32, true)                                                                               \
  WEIGHT_GRADIENT(CK, NB, tf32, false)
#define UPDATE(NAME, RULE)                                                                                             \
  extern "C" __global__ void NAME(float *weights, const float *grad, float *first, float *second, const float *decays, \
                                  const float *squares, const float *state, int size, int count) {                     \
    update<RULE>(weights, grad, first, second, decays, squares, state, size, count);                                   \
  }

CONVOLUTIONS(8, 8)
CONVOLUTIONS(8, 32)
CONVOLUTIONS(16, 16)
CONVOLUTIONS(32, 32)

UPDATE(update_gradient_descent, GradientDescent)
UPDATE(update_momentum, Momentum)
UPDATE(update_nesterov, Nesterov)
UPDATE(update_adagrad, AdaGrad)
UPDATE(update_rmsprop, RMSProp)
UPDATE(update_adam, Adam)
