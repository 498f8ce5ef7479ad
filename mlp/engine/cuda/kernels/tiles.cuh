// ---- tiles of images in shared memory -------------------------------------------------------------------------------

// How many numbers a pixel with so many channels takes in shared memory: 8 or 24 modulo 32, so that the loads of a warp
// are spread over all 32 banks.
__host__ __device__ constexpr int pitch(int channels) { return channels % 16 == 8 ? channels : channels + 8; }

// Which pixels a block works on: `rows` rows from y0 on, of `images` images from n0 on.
struct Tile {
  int N, H, W, rows, images, n0, y0;
  __device__ __forceinline__ Tile(int index, int N, int H, int W, int rows, int images)
      : N(N), H(H), W(W), rows(rows), images(images) {
    const int strips = (H + rows - 1) / rows;
    n0 = index / strips * images;
    y0 = index % strips * rows;
  }
  __device__ __forceinline__ int size() const { return images * rows * W; }
  // How many pixels there are: the last rows of an image, and the last images, may not fill the tile.
  __device__ __forceinline__ int count() const { return smaller(images, N - n0) * smaller(rows, H - y0) * W; }
  // The number of pixel p among all pixels of the batch, or -1 where there is none.
  __device__ __forceinline__ int pixel(int p) const {
    const int image = p / (rows * W), inside = p % (rows * W);
    const bool there = image < images && n0 + image < N && y0 + inside / W < H;
    return there ? ((n0 + image) * H + y0) * W + inside : -1;
  }
  // Where the 3 x 3 window of pixel p begins in the tile with its border, in pixels; 0 for pixels that are not there.
  __device__ __forceinline__ int window(int p) const {
    const int image = p / (rows * W), inside = p % (rows * W);
    return image < images ? (image * (rows + 2) + inside / W) * (W + 2) + inside % W : 0;
  }
};

// Copy CK channels of a tile and its border to shared memory, (images, rows + 2, W + 2, pitch(CK)); a warp takes a row.
template <int CK, int WARPS>
__device__ __forceinline__ void load_with_border(float *shared, const float *x, int channel, int C, const Tile &tile) {
  for (int r = warp(); r < tile.images * (tile.rows + 2); r += WARPS) {
    const int n = tile.n0 + r / (tile.rows + 2), y = tile.y0 + r % (tile.rows + 2) - 1;
    const bool inside = n < tile.N && y >= 0 && y < tile.H;
    const int first = (n * tile.H + y) * tile.W - 1;  // the pixel left of the image
    for (int i = lane(); i < (tile.W + 2) * (CK / 4); i += 32) {
      const int column = i / (CK / 4), part = i % (CK / 4) * 4;
      const bool wanted = inside && column >= 1 && column <= tile.W;
      const float *source = wanted ? x + (first + column) * C + channel + part : x;
      copy_ahead(shared + (r * (tile.W + 2) + column) * pitch(CK) + part, source, wanted);
    }
  }
}

// Round what was copied to TF32: each thread rounds the numbers that it has copied itself, so it need not wait for
// others. There are `rows` rows of `width` pixels with CHANNELS numbers.
template <int CHANNELS, int WARPS>
__device__ __forceinline__ void round_rows(float *shared, int rows, int width) {
  for (int r = warp(); r < rows; r += WARPS)
    for (int i = lane(); i < width * (CHANNELS / 4); i += 32) {
      const int pixel = r * width + i / (CHANNELS / 4), part = i % (CHANNELS / 4) * 4;
      float4 *const place = (float4 *)(shared + pixel * pitch(CHANNELS) + part);
      const float4 v = *place;
      *place = make_float4(to_tf32(v.x), to_tf32(v.y), to_tf32(v.z), to_tf32(v.w));
    }
}
