// Enough of CUDA to run the engine's kernels on the CPU, for tests: slow, but strict.
//
// Blocks run one after the other. Every thread of a block is a fibre with a stack of its own, that runs until it has
// to wait for others: at a barrier, or where a warp's threads exchange numbers. Between two barriers the warps run one
// after the other, each as far as it gets. That is the greatest possible distance between warps, so a missing barrier
// shows: a warp reads what another has not written yet, or overwrites what another still has to read. The order of the
// warps is ascending, descending or shuffled (emulation::order): whichever of two runs first, some order shows it.
//
// Shared memory holds NaN when a block begins, and must hold NaN beyond its end when the block is done. Copies begun
// by copy_ahead happen as late as they may, in wait_for_copies. Loads and stores of 2 or 4 numbers check alignment.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__
#define __align__(n) __attribute__((aligned(n)))

struct Index {
  unsigned x, y, z;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

constexpr int SHARED_FLOATS = 232448 / 4, GUARD_FLOATS = 1024;  // the most that a block may ask for on sm_90
enum State { RUNNING, AT_BARRIER, IN_WARP, DONE };

struct Copy {
  float *to;
  const float *from;
  bool wanted;
};
struct Fibre {
  ucontext_t first;
  jmp_buf context;
  bool started;
  State state;
  int line;  // of the barrier that it waits at
  std::vector<char> stack;
  std::vector<Copy> copies;
};
struct Slot {  // what a thread shows to its warp; two of them, so that nobody is overtaken
  double value;
  float a[4], b[2];
};

static std::vector<Fibre> fibres;
static std::vector<Slot> slots[2];
static std::vector<int> turn;  // which slot a thread uses next
static jmp_buf scheduler;
static int current;
static std::function<void()> body;
static char message[200];
static int order, skipped_line;  // 0 ascending, 1 descending, more: seed of a shuffle; a barrier that does nothing
static int mutant;               // for sources with several faults, of which one is switched on

static void fail(const char *text) {
  if (!message[0]) snprintf(message, sizeof message, "%s (block %u, thread %d)", text, blockIdx.x, current);
}

static void wait(State state) {
  Fibre &f = fibres[current];
  f.state = state;
  if (!_setjmp(f.context)) _longjmp(scheduler, 1);
}

// What a fibre does: the same thread of one block after the other. To begin with a new stack costs three system calls.
static void enter() {
  for (;;) {
    body();
    wait(DONE);
  }
}

static void run(int i) {
  current = i;
  threadIdx = {unsigned(i), 0, 0};
  Fibre &f = fibres[i];
  if (_setjmp(scheduler)) return;
  if (f.started) _longjmp(f.context, 1);
  f.started = true;
  setcontext(&f.first);
}

// Run a warp until all of its threads are at a barrier or done.
static void run_warp(int begin, int end) {
  for (;;) {
    for (int i = begin; i < end; i++)
      if (fibres[i].state == RUNNING) run(i);
    int in_warp = 0, at_barrier = 0;
    for (int i = begin; i < end; i++) {
      in_warp += fibres[i].state == IN_WARP;
      at_barrier += fibres[i].state == AT_BARRIER;
    }
    if (!in_warp) return;
    if (at_barrier || in_warp < end - begin) return fail("some threads of a warp exchange numbers, others do not");
    for (int i = begin; i < end; i++) fibres[i].state = RUNNING;
  }
}

static void run_block(int threads, std::mt19937 &random) {
  if ((int)fibres.size() < threads) fibres.resize(threads);
  for (auto &s : slots) s.assign(threads, Slot());
  turn.assign(threads, 0);
  for (int i = 0; i < threads; i++) {
    Fibre &f = fibres[i];
    f.copies.clear();
    if (f.state != DONE) {  // it is new, or a block has failed in the middle
      f.stack.resize(32 << 10);
      f.started = false;
      getcontext(&f.first);
      f.first.uc_stack.ss_sp = f.stack.data();
      f.first.uc_stack.ss_size = f.stack.size();
      makecontext(&f.first, enter, 0);
    }
    f.state = RUNNING;
  }
  std::vector<int> warps;
  for (int w = 0; w < threads; w += 32) warps.push_back(order == 1 ? (threads - 1) / 32 * 32 - w : w);
  for (;;) {
    if (order > 1) std::shuffle(warps.begin(), warps.end(), random);
    for (int w : warps) {
      run_warp(w, std::min(threads, w + 32));
      if (message[0]) return;
    }
    int done = 0;
    for (int i = 0; i < threads; i++) {
      done += fibres[i].state == DONE;
      if (fibres[i].line != fibres[0].line && fibres[i].state == AT_BARRIER) fail("threads wait at different barriers");
    }
    if (done == threads) return;
    if (done) fail("threads wait at a barrier for others that have ended");
    if (message[0]) return;
    for (int i = 0; i < threads; i++) fibres[i].state = RUNNING;
  }
}

}  // namespace emulation

alignas(16) float shared_memory[emulation::SHARED_FLOATS + emulation::GUARD_FLOATS];

namespace emulation {

static void launch(Index grid, Index block, size_t shared_bytes, std::function<void()> kernel) {
  std::mt19937 random(order);
  message[0] = 0;
  gridDim = grid;
  blockDim = block;
  body = kernel;
  const size_t end = shared_bytes / 4 + GUARD_FLOATS;
  static float untouched[GUARD_FLOATS];
  memset(untouched, 0xff, sizeof untouched);
  for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
      for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
        memset(shared_memory, 0xff, end * 4);
        run_block(block.x, random);
        if (memcmp(&shared_memory[shared_bytes / 4], untouched, sizeof untouched))
          fail("wrote beyond the end of shared memory");
        if (message[0]) return;
      }
}

template <class T>
const T &aligned(const T &value) {
  if ((uintptr_t)&value % sizeof(T)) fail("float2 or float4 at an address that is not a multiple of its size");
  return value;
}

// Show `slot` to the warp and return all 32 slots.
static Slot *exchange(const Slot &mine) {
  const int me = current, which = turn[me];
  turn[me] = 1 - which;
  slots[which][me] = mine;
  wait(IN_WARP);
  return &slots[which][me / 32 * 32];
}

}  // namespace emulation

struct alignas(8) float2 {
  float x, y;
  float2() = default;
  float2(float x, float y) : x(x), y(y) {}
  float2(const float2 &o) : x(emulation::aligned(o).x), y(o.y) {}
  float2 &operator=(const float2 &o) {
    emulation::aligned(*this);
    x = emulation::aligned(o).x;
    y = o.y;
    return *this;
  }
};
struct alignas(16) float4 {
  float x, y, z, w;
  float4() = default;
  float4(float x, float y, float z, float w) : x(x), y(y), z(z), w(w) {}
  float4(const float4 &o) : x(emulation::aligned(o).x), y(o.y), z(o.z), w(o.w) {}
  float4 &operator=(const float4 &o) {
    emulation::aligned(*this);
    x = emulation::aligned(o).x;
    y = o.y;
    z = o.z;
    w = o.w;
    return *this;
  }
};
static inline float2 make_float2(float x, float y) { return float2(x, y); }
static inline float4 make_float4(float x, float y, float z, float w) { return float4(x, y, z, w); }

#define __syncthreads() emulation::barrier(__LINE__)
namespace emulation {
static inline void barrier(int line) {
  if (line == skipped_line) return;
  fibres[current].line = line;
  wait(AT_BARRIER);
}
}  // namespace emulation

template <class T>
static inline T __shfl_xor_sync(unsigned, T value, int mask) {
  emulation::Slot mine{};
  mine.value = value;
  const int me = emulation::current;
  return (T)emulation::exchange(mine)[me % 32 ^ mask].value;
}

static inline unsigned __float_as_uint(float f) {
  unsigned u;
  memcpy(&u, &f, 4);
  return u;
}
static inline float __uint_as_float(unsigned u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }

// What the kernels have in PTX.
static inline void copy_ahead(float *shared, const float *global, bool wanted) {
  if ((uintptr_t)shared % 16 || (uintptr_t)global % 16) emulation::fail("a copy needs multiples of 16 as addresses");
  emulation::fibres[emulation::current].copies.push_back({shared, global, wanted});
}
static inline void wait_for_copies() {
  auto &copies = emulation::fibres[emulation::current].copies;
  for (auto &c : copies) c.wanted ? memcpy(c.to, c.from, 16) : memset(c.to, 0, 16);
  copies.clear();
}
static inline float to_tf32(float x) {  // cvt.rna: half of the last of 10 bits is added, then the rest is cut off
  return x - x == 0.f ? __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u) : x;
}
static inline float checked_tf32(float x) {
  if (x == x && __float_as_uint(x) & 0x1fffu) emulation::fail("a factor on the tensor cores that is no TF32");
  return x;
}

namespace emulation {

// How a tensor core adds 8 products to d. "exact": with all bits, and one cut at the end. "aligned", as Hopper's were
// found to do: before, every term is cut two bits behind the last bit of the largest of them.
enum Adder { EXACT, ALIGNED };
static int adder;

static inline float sum_on_tensor_core(float d, const double (&products)[8]) {
  double sum = d;
  for (double p : products) sum += p;
  if (adder == ALIGNED && std::fabs(sum) < INFINITY) {
    double largest = std::fabs(d);
    for (double p : products) largest = std::max(largest, std::fabs(p));
    if (largest > 0) {
      const double unit = std::ldexp(1.0, std::ilogb(largest) - 25);
      sum = (double)(long long)(d / unit);
      for (double p : products) sum += (double)(long long)(p / unit);
      sum *= unit;
    }
  }
  float result = (float)sum;  // cut off
  if (std::fabs((double)result) > std::fabs(sum)) result = std::nextafterf(result, 0.f);
  return result;
}

}  // namespace emulation

static inline void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  emulation::Slot mine{};
  const int me = emulation::current % 32, g = me / 4, t = me % 4;
  for (int i = 0; i < 4; i++) mine.a[i] = checked_tf32(a[i]);
  for (int i = 0; i < 2; i++) mine.b[i] = checked_tf32(b[i]);
  const emulation::Slot *all = emulation::exchange(mine);
  for (int i = 0; i < 4; i++) {
    const int row = g, high = i / 2, column = 2 * t + i % 2;  // D[row + 8 high][column]
    double products[8];
    for (int k = 0; k < 8; k++)
      products[k] = (double)all[row * 4 + k % 4].a[high + 2 * (k / 4)] * all[column * 4 + k % 4].b[k / 4];
    d[i] = emulation::sum_on_tensor_core(d[i], products);
  }
}
