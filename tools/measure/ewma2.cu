// Measures what it costs to evict by `ewma2` (docs/policies.md) inside the call that swaps a selection into hot buffers
// on an NVIDIA GPU: everything that the call does but the copying of rows.
//
//   ewma2 [--context 65536] [--steps 16] [--seed 1] > ewma2.csv
//
// README.md beside this file says how to build it and what the columns mean. Each call is compared with a plain
// reference on the CPU: a difference ends the program with status 1. Self-contained: CUDA 12, C++17.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace {

constexpr unsigned threads_per_block = 1024;  // one block a request, as in SGLang's hot-buffer kernel
constexpr unsigned warps_per_block = threads_per_block / 32;
constexpr unsigned selected = 2048;
constexpr unsigned ids_per_thread = selected / threads_per_block;
constexpr unsigned power_steps = 4096;  // 0.98^4096 is 1e-36
constexpr int measurements = 9;         // of which the median counts
constexpr unsigned warmup_steps = 16;

[[noreturn]] void fail(const std::string& message, int status) {
  std::fprintf(stderr, "ewma2: %s\n", message.c_str());
  std::exit(status);
}

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    fail(std::string(what) + ": " + cudaGetErrorString(error), 2);
  }
}
#define CHECK(call) check((call), #call)

/// Device memory that is freed at the end of its scope.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t size) : size_(size) {
    CHECK(cudaMalloc(&data_, std::max<std::size_t>(size, 1) * sizeof(T)));
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  T* data() const { return data_; }
  void copy_from(const std::vector<T>& host) {
    CHECK(cudaMemcpy(data_, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  void copy_from(const DeviceArray& other) {
    CHECK(cudaMemcpy(data_, other.data_, size_ * sizeof(T), cudaMemcpyDeviceToDevice));
  }
  std::vector<T> host() const {
    std::vector<T> copy(size_);
    CHECK(cudaMemcpy(copy.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost));
    return copy;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_;
};

// ---- State ----

/// What is known of an entry as of its last selection, in one 16-byte load. `where` is its slot, or -1, in an array by
/// entry; its entry in an array by slot.
struct alignas(16) Sums {
  float fast;
  float slow;
  std::uint32_t last_use;  ///< step
  std::int32_t where;
};

/// All arrays begin with the first request's part. `history=all` keeps sums by entry of the context, and
/// `history=residents` by slot.
struct Buffers {
  Sums* sums;
  std::int32_t* other;   ///< all: entry by slot. residents: slot by entry, or -1
  const double* powers;  ///< 0.8^n, then 0.98^n, n < power_steps
  std::uint32_t context;
  std::uint32_t slots;
};

constexpr std::uint32_t fetch = std::uint32_t{1} << 31U;  ///< in a returned slot: its row is to be copied there

// ---- Kernel ----

__device__ double decayed(float sum, const double* powers, std::uint32_t steps) {
  return __dmul_rn(sum, steps < power_steps ? __ldg(powers + steps) : 0.0);  // never fused: as the CPU rounds
}

__device__ Sums after_selection(const Sums& before, const double* powers, std::uint32_t now) {
  const std::uint32_t steps = now - before.last_use;
  return {__fadd_rn(__double2float_rn(decayed(before.fast, powers, steps)), 0.2F),
          __fadd_rn(__double2float_rn(decayed(before.slow, powers + power_steps, steps)), 0.02F), now, before.where};
}

/// (f + 0.003)(g + 0.003), a positive float, whose bits are in the order of the values.
__device__ std::uint32_t worth_bits(const Sums& sums, const double* powers, std::uint32_t now) {
  const std::uint32_t steps = now - sums.last_use;
  const double fast = __dadd_rn(decayed(sums.fast, powers, steps), 0.003);
  const double slow = __dadd_rn(decayed(sums.slow, powers + power_steps, steps), 0.003);
  return __float_as_uint(__double2float_rn(__dmul_rn(fast, slow)));
}

struct BlockSum {
  unsigned before;  ///< of the threads before this one
  unsigned total;
};

__device__ BlockSum block_sum(unsigned value, unsigned* warp_sums) {
  const unsigned lane = threadIdx.x % 32;
  const unsigned warp = threadIdx.x / 32;
  const auto inclusive = [lane](unsigned sum) {
    for (unsigned offset = 1; offset < 32; offset *= 2) {
      const unsigned other = __shfl_up_sync(0xFFFFFFFFU, sum, offset);
      sum += lane >= offset ? other : 0;
    }
    return sum;
  };
  const unsigned within = inclusive(value);
  __syncthreads();  // who reads the sums of the call before has done so
  if (lane == 31) {
    warp_sums[warp] = within;
  }
  __syncthreads();
  const unsigned warps = inclusive(warp_sums[lane]);
  const unsigned up_to_warp = __shfl_sync(0xFFFFFFFFU, warps, static_cast<int>((warp + 31) % 32));
  return {within - value + (warp == 0 ? 0 : up_to_warp), __shfl_sync(0xFFFFFFFFU, warps, 31)};
}
static_assert(warps_per_block == 32, "block_sum adds up one sum a lane");

/// What candidates are compared by, the first word first; the smallest leave.
struct Rank {
  std::uint32_t worth;
  std::uint32_t last_use;
  std::uint32_t entry;

  __device__ bool operator<(const Rank& other) const {
    return worth != other.worth         ? worth < other.worth
           : last_use != other.last_use ? last_use < other.last_use
                                        : entry < other.entry;
  }
  /// Ten bits of it, from the highest on. Worths lie within 0.003^2 and 1.01, of which 28 bits differ; steps and
  /// entries have 30 bits.
  __device__ unsigned digit(unsigned pass) const {
    constexpr std::uint32_t least_worth = 0x37000000;
    const unsigned shift = 20 - pass % 3 * 10;
    const std::uint32_t word = pass < 3 ? (worth - least_worth) << 2U : pass < 6 ? last_use : entry;
    return word >> shift & 1023U;
  }
};
constexpr unsigned passes = 9;
constexpr unsigned few = 64;  ///< as many are ranked by comparing each with each

struct Shared {
  unsigned warp_sums[warps_per_block];
  unsigned sizes[threads_per_block];  ///< by digit; then entries and slots of the misses
  unsigned digit;
  unsigned before;
  unsigned size;
  unsigned close_count;
  Rank close[few];
};

/// Chooses the `count` smallest of the candidates that `open` marks, bit by item of this thread: radix selection from
/// the highest digit, until the digit that holds the last one chosen has few candidates or all of them are chosen.
template <unsigned items>
__device__ unsigned choose(const Rank (&ranks)[items], unsigned open, unsigned count, Shared& shared) {
  unsigned chosen = 0;
  for (unsigned pass = 0; pass < passes; ++pass) {
    shared.sizes[threadIdx.x] = 0;
    __syncthreads();
#pragma unroll
    for (unsigned i = 0; i < items; ++i) {
      if ((open >> i & 1U) != 0) {
        atomicAdd(&shared.sizes[ranks[i].digit(pass)], 1U);
      }
    }
    __syncthreads();
    const unsigned size = shared.sizes[threadIdx.x];
    const unsigned before = block_sum(size, shared.warp_sums).before;
    if (before < count && count <= before + size) {
      shared.digit = threadIdx.x;
      shared.before = before;
      shared.size = size;
      shared.close_count = 0;
    }
    __syncthreads();
    const unsigned last = shared.digit;
    count -= shared.before;
#pragma unroll
    for (unsigned i = 0; i < items; ++i) {
      const unsigned bit = open & 1U << i;
      const unsigned digit = ranks[i].digit(pass);
      chosen |= digit < last ? bit : 0;
      open &= digit == last ? ~0U : ~bit;
    }
    if (shared.size == count) {
      return chosen | open;
    }
    if (shared.size <= few) {
      break;
    }
  }
#pragma unroll
  for (unsigned i = 0; i < items; ++i) {
    if ((open >> i & 1U) != 0) {
      shared.close[atomicAdd(&shared.close_count, 1U)] = ranks[i];
    }
  }
  __syncthreads();
#pragma unroll
  for (unsigned i = 0; i < items; ++i) {
    if ((open >> i & 1U) != 0) {
      unsigned smaller = 0;
      for (unsigned other = 0; other < shared.close_count; ++other) {
        smaller += shared.close[other] < ranks[i] ? 1 : 0;
      }
      chosen |= smaller < count ? 1U << i : 0;
    }
  }
  return chosen;
}

/// One call for a batch: `ids` are the selections, `returned` the slot of each id, marked `fetch` where it missed. The
/// buffers are full. As docs/policies.md defines it but for one thing that it leaves open: which miss gets which
/// victim's slot. Threads take them in their order here.
template <unsigned items, bool all_history>
__global__ void __launch_bounds__(threads_per_block)
    swap_in(Buffers buffers, const std::uint32_t* ids, std::uint32_t now, std::uint32_t* returned) {
  __shared__ Shared shared;
  __shared__ std::uint8_t named[items * threads_per_block];
  const unsigned thread = threadIdx.x;
  Sums* sums = buffers.sums + std::size_t{blockIdx.x} * (all_history ? buffers.context : buffers.slots);
  std::int32_t* other = buffers.other + std::size_t{blockIdx.x} * (all_history ? buffers.slots : buffers.context);
  ids += std::size_t{blockIdx.x} * selected;
  returned += std::size_t{blockIdx.x} * selected;
#pragma unroll
  for (unsigned i = 0; i < items; ++i) {
    named[i * threads_per_block + thread] = 0;
  }
  __syncthreads();

  // Hits are named and their sums moved on; misses are counted.
  std::uint32_t id[ids_per_thread];
  unsigned missed = 0;
#pragma unroll
  for (unsigned i = 0; i < ids_per_thread; ++i) {
    id[i] = ids[i * threads_per_block + thread];
    const std::int32_t slot = all_history ? sums[id[i]].where : other[id[i]];
    if (all_history) {
      sums[id[i]] = after_selection(sums[id[i]], buffers.powers, now);
    } else if (slot >= 0) {
      sums[slot] = after_selection(sums[slot], buffers.powers, now);
    }
    if (slot >= 0) {
      named[slot] = 1;
      returned[i * threads_per_block + thread] = static_cast<std::uint32_t>(slot);
    } else {
      missed |= 1U << i;
    }
  }
  BlockSum misses = block_sum(static_cast<unsigned>(__popc(missed)), shared.warp_sums);  // a barrier: `named` is whole
  if (misses.total == 0) {
    return;
  }

  Rank ranks[items];
  unsigned open = 0;
#pragma unroll
  for (unsigned i = 0; i < items; ++i) {
    const unsigned slot = i * threads_per_block + thread;
    ranks[i] = {0xFFFFFFFF, 0, 0};
    if (slot < buffers.slots && named[slot] == 0) {
      const std::int32_t entry = all_history ? other[slot] : sums[slot].where;
      const Sums resident = sums[all_history ? static_cast<unsigned>(entry) : slot];
      ranks[i] = {worth_bits(resident, buffers.powers, now), resident.last_use, static_cast<std::uint32_t>(entry)};
      open |= 1U << i;
    }
  }
  const unsigned victims = choose(ranks, open, misses.total, shared);

  // The n-th victim's slot takes the n-th miss, by way of a list in shared memory: as many at a time as it holds.
  BlockSum leaving = block_sum(static_cast<unsigned>(__popc(victims)), shared.warp_sums);
  for (unsigned first = 0; first < misses.total; first += threads_per_block) {
    unsigned at = leaving.before - first;
#pragma unroll
    for (unsigned i = 0; i < items; ++i) {
      if ((victims >> i & 1U) != 0) {
        const unsigned slot = i * threads_per_block + thread;
        if (at < threads_per_block) {
          shared.sizes[at] = slot;
          if (all_history) {
            sums[ranks[i].entry].where = -1;
          } else {
            other[ranks[i].entry] = -1;
          }
        }
        ++at;
      }
    }
    __syncthreads();
    at = misses.before - first;
#pragma unroll
    for (unsigned i = 0; i < ids_per_thread; ++i) {
      if ((missed >> i & 1U) != 0) {
        if (at < threads_per_block) {
          const unsigned slot = shared.sizes[at];
          returned[i * threads_per_block + thread] = slot | fetch;
          if (all_history) {
            sums[id[i]].where = static_cast<std::int32_t>(slot);
            other[slot] = static_cast<std::int32_t>(id[i]);
          } else {
            other[id[i]] = static_cast<std::int32_t>(slot);
            sums[slot] = {0.2F, 0.02F, now, static_cast<std::int32_t>(id[i])};
          }
        }
        ++at;
      }
    }
    __syncthreads();
  }
}

__global__ void __launch_bounds__(threads_per_block) nothing() {}

// ---- The reference ----

/// decay^n by repeated multiplication, as the simulator has it.
std::vector<double> power_table() {
  std::vector<double> powers;
  powers.reserve(2 * power_steps);
  for (const double decay : {0.8, 0.98}) {
    double power = 1;
    for (unsigned n = 0; n < power_steps; ++n) {
      powers.push_back(power);
      power *= decay;
    }
  }
  return powers;
}

/// One request's buffer, by the words of docs/policies.md, for residents sorted as a whole.
class Reference {
 public:
  Reference(std::uint32_t context, std::uint32_t slots, bool all_history)
      : all_history_(all_history), sums_(context, Sums{0, 0, 0, -1}) {
    for (std::uint32_t entry = 0; entry < slots; ++entry) {
      sums_[entry].where = 0;
    }
  }

  bool resident(std::uint32_t entry) const { return sums_[entry].where >= 0; }
  const Sums& operator[](std::uint32_t entry) const { return sums_[entry]; }

  void step(const std::uint32_t* ids, std::uint32_t now, const std::vector<double>& powers) {
    const double* slow_powers = powers.data() + power_steps;
    std::vector<std::uint8_t> is_named(sums_.size(), 0);
    std::size_t misses = 0;
    for (unsigned i = 0; i < selected; ++i) {
      Sums& entry = sums_[ids[i]];
      is_named[ids[i]] = 1;
      misses += entry.where < 0 ? 1 : 0;
      if (entry.where < 0 && !all_history_) {
        entry.fast = 0;
        entry.slow = 0;
      }
      const std::uint32_t steps = std::min(now - entry.last_use, power_steps - 1);
      entry.fast = static_cast<float>(entry.fast * powers[steps]) + 0.2F;
      entry.slow = static_cast<float>(entry.slow * slow_powers[steps]) + 0.02F;
      entry.last_use = now;
    }
    std::vector<std::tuple<float, std::uint32_t, std::uint32_t>> order;
    for (std::uint32_t id = 0; id < sums_.size(); ++id) {
      const Sums& entry = sums_[id];
      if (entry.where >= 0 && is_named[id] == 0) {
        const std::uint32_t steps = std::min(now - entry.last_use, power_steps - 1);
        const double worth = (entry.fast * powers[steps] + 0.003) * (entry.slow * slow_powers[steps] + 0.003);
        order.emplace_back(static_cast<float>(worth), entry.last_use, id);
      }
    }
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < misses; ++i) {
      sums_[std::get<2>(order[i])].where = -1;
    }
    for (unsigned i = 0; i < selected; ++i) {
      sums_[ids[i]].where = 0;
    }
  }

 private:
  bool all_history_;
  std::vector<Sums> sums_;  ///< by entry; `where` is 0 of residents
};

// ---- Measurement ----

struct Options {
  std::uint32_t context = 65536;  ///< entries of each request
  std::uint32_t steps = 16;       ///< calls of a graph
  std::uint64_t seed = 1;
};

struct Shape {
  bool all_history;
  std::uint32_t requests;
  std::uint32_t slots;
  std::uint32_t misses;  ///< of each request and call
};

/// A selection with so many misses: residents and others, each as likely as the next.
void draw(std::mt19937_64& random, const Reference& buffer, std::uint32_t context, std::uint32_t misses,
          std::uint32_t* ids) {
  std::vector<std::uint32_t> in;
  std::vector<std::uint32_t> out;
  for (std::uint32_t id = 0; id < context; ++id) {
    (buffer.resident(id) ? in : out).push_back(id);
  }
  const auto take = [&random](std::vector<std::uint32_t>& from, std::uint32_t count, std::uint32_t* to) {
    for (std::uint32_t i = 0; i < count; ++i) {
      std::swap(from[i], from[std::uniform_int_distribution<std::size_t>(i, from.size() - 1)(random)]);
      to[i] = from[i];
    }
  };
  take(out, misses, ids);
  take(in, selected - misses, ids + misses);
  std::shuffle(ids, ids + selected, random);
}

template <bool all_history>
void launch(cudaStream_t stream, const Shape& shape, const Buffers& buffers, const std::uint32_t* ids,
            std::uint32_t now, std::uint32_t* returned) {
  if (shape.slots <= 3 * threads_per_block) {
    swap_in<3, all_history><<<shape.requests, threads_per_block, 0, stream>>>(buffers, ids, now, returned);
  } else if (shape.slots <= 4 * threads_per_block) {
    swap_in<4, all_history><<<shape.requests, threads_per_block, 0, stream>>>(buffers, ids, now, returned);
  } else {
    swap_in<6, all_history><<<shape.requests, threads_per_block, 0, stream>>>(buffers, ids, now, returned);
  }
}

void launch(cudaStream_t stream, const Shape& shape, const Buffers& buffers, const std::uint32_t* ids,
            std::uint32_t now, std::uint32_t* returned) {
  if (shape.all_history) {
    launch<true>(stream, shape, buffers, ids, now, returned);
  } else {
    launch<false>(stream, shape, buffers, ids, now, returned);
  }
  CHECK(cudaGetLastError());
}

/// What the GPU has after a call, against the reference after it.
class Checker {
 public:
  Checker(const Shape& shape, std::uint32_t context) : shape_(shape), context_(context) {}

  void compare(const std::vector<Reference>& references, const std::vector<Sums>& sums,
               const std::vector<std::int32_t>& other, const std::vector<std::uint32_t>& ids,
               const std::vector<std::uint32_t>& returned, std::uint32_t now) const {
    const std::size_t by_entry = context_;
    const std::size_t by_slot = shape_.slots;
    for (std::uint32_t request = 0; request < shape_.requests; ++request) {
      const Sums* kept = sums.data() + request * (shape_.all_history ? by_entry : by_slot);
      const std::int32_t* places = other.data() + request * (shape_.all_history ? by_slot : by_entry);
      const std::uint32_t* chosen = ids.data() + std::size_t{request} * selected;
      const std::uint32_t* slots = returned.data() + std::size_t{request} * selected;
      const Reference& reference = references[request];
      for (std::uint32_t id = 0; id < context_; ++id) {
        const std::int32_t slot = shape_.all_history ? kept[id].where : places[id];
        expect((slot >= 0) == reference.resident(id), "residents", now, request, id);
        if (slot >= 0) {
          const std::int32_t back = shape_.all_history ? places[slot] : kept[slot].where;
          expect(back == static_cast<std::int32_t>(id), "the entry of a slot", now, request, id);
        }
        if (shape_.all_history || slot >= 0) {
          expect_equal(kept[shape_.all_history ? id : static_cast<std::uint32_t>(slot)], reference[id], now, request,
                       id);
        }
      }
      std::uint32_t fetched = 0;
      for (unsigned i = 0; i < selected; ++i) {
        fetched += (slots[i] & fetch) != 0 ? 1 : 0;
        const std::int32_t slot = shape_.all_history ? kept[chosen[i]].where : places[chosen[i]];
        expect((slots[i] & ~fetch) == static_cast<std::uint32_t>(slot), "a returned slot", now, request, chosen[i]);
      }
      expect(fetched == shape_.misses, "the number of misses", now, request, 0);
    }
  }

 private:
  static void expect(bool right, const char* what, std::uint32_t now, std::uint32_t request, std::uint32_t id) {
    if (!right) {
      fail(std::string("the reference differs in ") + what + ": step " + std::to_string(now) + ", request " +
               std::to_string(request) + ", entry " + std::to_string(id),
           1);
    }
  }
  static void expect_equal(const Sums& found, const Sums& expected, std::uint32_t now, std::uint32_t request,
                           std::uint32_t id) {
    expect(std::memcmp(&found.fast, &expected.fast, sizeof(float)) == 0 &&
               std::memcmp(&found.slow, &expected.slow, sizeof(float)) == 0 && found.last_use == expected.last_use,
           "the sums", now, request, id);
  }

  Shape shape_;
  std::uint32_t context_;
};

/// Microseconds of one of the calls that `record` puts on the stream, from graphs of `calls`; `restore` before each.
template <class Record, class Restore>
double graph_us(cudaStream_t stream, std::uint32_t calls, const Record& record, const Restore& restore) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  record();
  CHECK(cudaStreamEndCapture(stream, &graph));
  CHECK(cudaGraphInstantiate(&executable, graph, 0));
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  CHECK(cudaEventCreate(&start));
  CHECK(cudaEventCreate(&end));
  std::vector<double> times;
  for (int i = 0; i < measurements + 1; ++i) {  // the first one warms up
    restore();
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaEventRecord(start, stream));
    CHECK(cudaGraphLaunch(executable, stream));
    CHECK(cudaEventRecord(end, stream));
    CHECK(cudaEventSynchronize(end));
    float ms = 0;
    CHECK(cudaEventElapsedTime(&ms, start, end));
    if (i > 0) {
      times.push_back(static_cast<double>(ms) * 1000 / calls);
    }
  }
  CHECK(cudaEventDestroy(start));
  CHECK(cudaEventDestroy(end));
  CHECK(cudaGraphExecDestroy(executable));
  CHECK(cudaGraphDestroy(graph));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void measure(cudaStream_t stream, const Options& options, const Shape& shape) {
  std::mt19937_64 random(options.seed);
  const std::vector<double> powers = power_table();
  const std::size_t entries = std::size_t{shape.requests} * options.context;
  const std::size_t slots = std::size_t{shape.requests} * shape.slots;
  const std::size_t call_ids = std::size_t{shape.requests} * selected;
  DeviceArray<Sums> sums(shape.all_history ? entries : slots);
  DeviceArray<std::int32_t> other(shape.all_history ? slots : entries);
  DeviceArray<double> device_powers(powers.size());
  device_powers.copy_from(powers);
  DeviceArray<std::uint32_t> all_ids(options.steps * call_ids);
  DeviceArray<std::uint32_t> returned(call_ids);
  const Buffers buffers{sums.data(), other.data(), device_powers.data(), options.context, shape.slots};

  // Slot s of each request holds its entry s, never selected.
  std::vector<Sums> host_sums(shape.all_history ? entries : slots, Sums{0, 0, 0, -1});
  std::vector<std::int32_t> host_other(shape.all_history ? slots : entries, -1);
  for (std::uint32_t request = 0; request < shape.requests; ++request) {
    for (std::uint32_t slot = 0; slot < shape.slots; ++slot) {
      host_sums[std::size_t{request} * (shape.all_history ? options.context : shape.slots) + slot].where =
          static_cast<std::int32_t>(slot);
      host_other[std::size_t{request} * (shape.all_history ? shape.slots : options.context) + slot] =
          static_cast<std::int32_t>(slot);
    }
  }
  sums.copy_from(host_sums);
  other.copy_from(host_other);

  std::vector<Reference> references(shape.requests, Reference(options.context, shape.slots, shape.all_history));
  const Checker checker(shape, options.context);
  DeviceArray<Sums> first_sums(host_sums.size());
  DeviceArray<std::int32_t> first_other(host_other.size());
  std::vector<std::uint32_t> ids(call_ids);
  std::vector<std::uint32_t> recorded;
  for (std::uint32_t now = 1; now <= warmup_steps + options.steps; ++now) {
    if (now == warmup_steps + 1) {
      first_sums.copy_from(sums);
      first_other.copy_from(other);
    }
    for (std::uint32_t request = 0; request < shape.requests; ++request) {
      std::uint32_t* chosen = ids.data() + std::size_t{request} * selected;
      draw(random, references[request], options.context, shape.misses, chosen);
      references[request].step(chosen, now, powers);
    }
    all_ids.copy_from(ids);
    launch(stream, shape, buffers, all_ids.data(), now, returned.data());
    CHECK(cudaStreamSynchronize(stream));
    checker.compare(references, sums.host(), other.host(), ids, returned.host(), now);
    if (now > warmup_steps) {
      recorded.insert(recorded.end(), ids.begin(), ids.end());
    }
  }

  all_ids.copy_from(recorded);
  const auto restore = [&] {
    sums.copy_from(first_sums);
    other.copy_from(first_other);
  };
  const double us = graph_us(
      stream, options.steps,
      [&] {
        for (std::uint32_t call = 0; call < options.steps; ++call) {
          launch(stream, shape, buffers, all_ids.data() + call * call_ids, warmup_steps + 1 + call, returned.data());
        }
      },
      restore);
  checker.compare(references, sums.host(), other.host(), ids, returned.host(), warmup_steps + options.steps);
  const double empty_us = graph_us(
      stream, options.steps,
      [&] {
        for (std::uint32_t call = 0; call < options.steps; ++call) {
          nothing<<<shape.requests, threads_per_block, 0, stream>>>();
          CHECK(cudaGetLastError());
        }
      },
      restore);
  std::printf("%s,%u,%u,%u,%u,%u,%.2f,%.2f\n", shape.all_history ? "all" : "residents", shape.requests, selected,
              shape.slots, shape.misses, warmup_steps + options.steps, us, empty_us);
  std::fflush(stdout);
}

std::uint64_t integer(const char* option, const char* text, std::uint64_t least, std::uint64_t most) {
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0' || text[0] == '-' || value < least || value > most) {
    fail(std::string(option) + ": expected an integer from " + std::to_string(least) + " to " + std::to_string(most) +
             ", found " + text,
         2);
  }
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 >= argc) {
      fail(name + ": expected a value; options: --context N --steps N --seed N", 2);
    }
    if (name == "--context") {
      options.context = static_cast<std::uint32_t>(integer("--context", argv[i + 1], 16384, 1048576));
    } else if (name == "--steps") {
      options.steps = static_cast<std::uint32_t>(integer("--steps", argv[i + 1], 1, 256));
    } else if (name == "--seed") {
      options.seed = integer("--seed", argv[i + 1], 0, 1000000);
    } else {
      fail("unknown option " + name + "; known: --context --steps --seed", 2);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  int device = 0;
  cudaDeviceProp properties{};
  CHECK(cudaGetDevice(&device));
  CHECK(cudaGetDeviceProperties(&properties, device));
  cudaStream_t stream = nullptr;
  CHECK(cudaStreamCreate(&stream));
  std::printf("# %s, %d SMs, context %u, %u calls a graph\n", properties.name, properties.multiProcessorCount,
              options.context, options.steps);
  std::printf("history,requests,selected,slots,misses,checked_calls,us,us_empty\n");
  for (const bool all_history : {true, false}) {
    for (const std::uint32_t requests : {1, 8, 32}) {
      for (const std::uint32_t slots : {3072, 4096, 6144}) {
        for (const std::uint32_t misses : {0, 64, 256, 512, 1024}) {
          measure(stream, options, {all_history, requests, slots, misses});
        }
      }
    }
  }
  CHECK(cudaStreamDestroy(stream));
}
