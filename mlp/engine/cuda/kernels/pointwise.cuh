// ---- normalization, shortcut, activation: the passes over all numbers -----------------------------------------------

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

// partials (blocks, 2, C): sum e and sum e x_hat over the rows of each block. Without moments only sum e is computed,
// the gradient of a bias; with slope 1 z is not read. shared_memory: 8 blockDim.x numbers.
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
