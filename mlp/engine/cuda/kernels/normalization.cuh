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

// Statistics of the rows of each block, to partials (blocks, 3, C): their number, their mean, and the sum of squares
// around this mean. (The sum of y^2 would lose all digits where the mean is large.) If y comes from a convolution, the
// convolution has written them already. shared_memory: 4 blockDim.x + C numbers.
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
