// ---- average pooling 2 x 2 ------------------------------------------------------------------------------------------

// y (N, H / 2, W / 2, C): means of four pixels; an odd last row or column is left out.
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
