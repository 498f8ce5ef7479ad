// ---- products of matrices on the tensor cores -----------------------------------------------------------------------

#ifdef __CUDACC__
// D += A B on the tensor cores, by a whole warp: A is 16 x 8, B is 8 x 8, D is 16 x 8. Each thread holds a few numbers
// of each. With g = lane / 4 and t = lane % 4 they are
//     a[0] = A[g][t]    a[1] = A[g+8][t]    a[2] = A[g][t+4]    a[3] = A[g+8][t+4]
//     b[0] = B[t][g]    b[1] = B[t+4][g]
//     d[0] = D[g][2t]   d[1] = D[g][2t+1]   d[2] = D[g+8][2t]   d[3] = D[g+8][2t+1]
// A and B are TF32: float32 of which only the first 10 bits after the point are looked at. D is float32; the tensor
// cores cut off when they add to it, rather than round.
__device__ __forceinline__ void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
        "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}
#endif

// Float32 from TF32 ("3xTF32"). TF32 keeps 11 of float32's 24 bits. With x = h + l, h = x rounded to TF32, l = x - h,
//
//     x w = h_x h_w + (h_x l_w + l_x h_w) + l_x l_w
//
// where the last term is below float32's rounding: three products on the tensor cores instead of one. Because these
// cut off when they add, the sum of each tap is begun at zero and added to the others by normal arithmetic. Reference:
// Ootomo and Yokota, Recovering single precision accuracy from Tensor Cores, 2022.

// To 10 bits after the point: half of the last of them is added, then the rest is cut off.
__device__ __forceinline__ float nearest_tf32(float x) {
  return __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u);
}

// A and B of a product as they are needed. SPLIT: x = high + low (for infinity and NaN low is NaN, and remains).
// Otherwise they were rounded in shared memory.
template <int SIZE, bool SPLIT>
struct Fragment {
  float high[SIZE], low[SIZE];
  __device__ __forceinline__ void set(int i, float x) {
    high[i] = SPLIT ? nearest_tf32(x) : x;
    if (SPLIT) low[i] = x - high[i];
  }
};

// The same, but infinity and NaN stay what they are.
__device__ __forceinline__ float rounded(float x) { return x - x == 0.f ? nearest_tf32(x) : x; }

template <bool SPLIT>
__device__ __forceinline__ void multiply_add(float (&d)[4], const Fragment<4, SPLIT> &a, const Fragment<2, SPLIT> &b) {
  if (SPLIT) {  // the small terms first
    multiply_add(d, a.low, b.high);
    multiply_add(d, a.high, b.low);
  }
  multiply_add(d, a.high, b.high);
}
