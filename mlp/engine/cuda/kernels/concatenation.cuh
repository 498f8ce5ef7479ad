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
