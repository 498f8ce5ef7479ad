// ---- batches --------------------------------------------------------------------------------------------------------

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
