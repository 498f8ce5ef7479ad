// ---- the head: global average pooling, affine map, softmax cross-entropy --------------------------------------------
//
// The formulas are those of mlp/losses.py: l = log(sum exp z_j) - sum_k q_k z_k, dL/dz = (p - q) / N, with the targets
// q = (1 - s) onehot + s / K. An image is small enough (100 classes) for one block to do it all.

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

// dL/dx: grad_logits @ W^T (N, C), divided by the number of pixels, for each of them. One block per image, one
// warp per channel. shared_memory: C numbers.
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
