// ---- statistics of gradients ----------------------------------------------------------------------------------------

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
