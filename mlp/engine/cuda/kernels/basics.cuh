// The kernels of the CUDA engine: the textbook's formulas, cut into pieces for a GPU. All numbers are float32.
//
// A file for each family of kernels. mlp/engine/cuda/source.py joins them, in an order in which each may use those
// before it; `python -m mlp.engine.cuda.source` prints what is compiled.
//
// How to read it. A GPU runs a kernel as a grid of blocks; a block has some hundred threads, which share a small fast
// memory (shared_memory) and can wait for each other (__syncthreads). 32 threads in a row are a warp: they run in step,
// and can hand each other values directly (__shfl_xor_sync). Blocks cannot talk to each other: what one block needs
// from another must wait for the next kernel. mlp/engine/cuda/ops.py launches the kernels and says in which order.
//
//     N, H, W, C     images, their size, their channels: all arrays are channels last, so a pixel is C numbers in a row
//     F              output channels of a convolution; its weights are (3, 3, C, F)
//     rows           N H W: many kernels treat an array (N, H, W, C) as (rows, C)
//
// No atomics. Floating-point sums depend on their order, and atomic additions come in any order. Here every sum over
// the batch is taken in two steps: each block writes its partial sum to its own place, and another kernel adds the
// partial sums in a fixed order. The same inputs give the same bits in every run.
//
// From step to step only numbers in device memory change (`state` holds the learning rate and the like). So a whole
// step can be recorded once as a CUDA graph and replayed.
//
// The tests compile all this for the CPU as well, with their own versions of the parts between #ifdef __CUDACC__ and
// #endif.

extern __shared__ __align__(16) float shared_memory[];

#ifdef __CUDACC__

// Copy four numbers from global to shared memory while the thread continues; zeros where they are not `wanted`.
__device__ __forceinline__ void copy_ahead(float *shared, const float *global, bool wanted) {
  const unsigned address = (unsigned)__cvta_generic_to_shared(shared);
  const int bytes = wanted ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes) : "memory");
}

// Wait for the copies of this thread (for those of other threads, a __syncthreads is needed).
__device__ __forceinline__ void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }
#endif

// Places in `state`, see begin_step.
enum { FINITE, SLOT, LEARNING_RATE, WEIGHT_DECAY, DECOUPLED, CLIP_VALUE, CLIP_NORM, A, ONE_MINUS_A, B, ONE_MINUS_B, EPS,
       CORRECTION_A, ROOT_B, FROZEN };

__device__ __forceinline__ int lane() { return threadIdx.x % 32; }
__device__ __forceinline__ int warp() { return threadIdx.x / 32; }
__device__ __forceinline__ int smaller(int a, int b) { return a < b ? a : b; }

// The sum of `value` over all threads of the block, with the same bits in each thread. scratch: a number for each warp.
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
