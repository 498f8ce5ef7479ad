// ---- learning rules -------------------------------------------------------------------------------------------------

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

// All weights at once: clipping, coupled decay, decoupled decay, rule. Null are: moments that the rule does not have,
// decays if all weights decay alike, squares (of gradient_squares) without clipping by norm. shared_memory: 32 numbers.
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

#define UPDATE(NAME, RULE)                                                                                             \
  extern "C" __global__ void NAME(float *weights, const float *grad, float *first, float *second, const float *decays, \
                                  const float *squares, const float *state, int size, int count) {                     \
    update<RULE>(weights, grad, first, second, decays, squares, state, size, count);                                   \
  }

UPDATE(update_gradient_descent, GradientDescent)
UPDATE(update_momentum, Momentum)
UPDATE(update_nesterov, Nesterov)
UPDATE(update_adagrad, AdaGrad)
UPDATE(update_rmsprop, RMSProp)
UPDATE(update_adam, Adam)
