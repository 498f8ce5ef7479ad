// ---- products of matrices on the tensor cores -----------------------------------------------------------------------

#ifdef __CUDACC__
// D += A B on the tensor cores, by a whole warp: A is 16 x 8, B is 8 x 8, D is 16 x 8. Each thread holds a few numbers
// of each. With g = lane / 4 and t = lane % 4 they are
//     a[0] = A[g][t]    a[1] = A[g+8][t]    a[2] = A[g][t+4]    a[3] = A[g+8][t+4]
//     b[0] = B[t][g]    b[1] = B[t+4][g]
//     d[0] = D[g][2t]   d[1] = D[g][2t+1]   d[2] = D[g+8][2t]   d[3] = D[g+8][2t+1]
// A and B are TF32 (see to_tf32). D is float32; the tensor cores cut off when they add to it, rather than round.
__device__ __forceinline__ void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
        "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

// The nearest TF32, a float32 with 10 bits after the point and then zeros. Infinity and NaN stay what they are.
__device__ __forceinline__ float to_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}
#endif

// Float32 from TF32 ("3xTF32"). TF32 keeps 11 of float32's 24 bits. With x = h + l + rest, h = x rounded to TF32,
// l = x - h rounded to TF32,
//
//     x w = h_x h_w + (h_x l_w + l_x h_w) + l_x l_w + ...
//
// The last term, and those that are not written, are smaller than float32's rounding, so three products on the tensor
// cores take the place of one. Tensor cores cut off digits when they add: so their sums are short, begin at zero each
// time, and are added to the others by normal arithmetic. Reference: Ootomo and Yokota, Recovering single precision
// accuracy from Tensor Cores, 2022.

// A or B of a product, as multiply_add needs it. With SPLIT it is in two parts (for infinity and NaN the low one is
// NaN, and so is the result). Otherwise its numbers were rounded in shared memory already.
template <int SIZE, bool SPLIT>
struct Fragment {
  float high[SIZE], low[SIZE];
  __device__ __forceinline__ void set(int i, float x) {
    high[i] = SPLIT ? to_tf32(x) : x;
    if (SPLIT) low[i] = to_tf32(x - high[i]);
  }
};

template <bool SPLIT>
__device__ __forceinline__ void multiply_add(float (&d)[4], const Fragment<4, SPLIT> &a, const Fragment<2, SPLIT> &b) {
  if (SPLIT) {  // the small terms first
    multiply_add(d, a.low, b.high);
    multiply_add(d, a.high, b.low);
  }
  multiply_add(d, a.high, b.high);
}
