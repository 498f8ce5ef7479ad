// ---- passes over (rows, C), four channels per thread ----------------------------------------------------------------
//
// A thread keeps to its four channels, so it loads their parameters only once.

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

// The gradient before an activation, from the gradient after it.
__device__ __forceinline__ float4 through(float4 grad, float4 z, float slope) {
  return make_float4(z.x > 0.f ? grad.x : slope * grad.x, z.y > 0.f ? grad.y : slope * grad.y,
                     z.z > 0.f ? grad.z : slope * grad.z, z.w > 0.f ? grad.w : slope * grad.w);
}
