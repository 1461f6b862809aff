// Measures gathers of KV rows on an NVIDIA GPU, as data/hardware/ holds them for one H200.
//
//   gather --shape gather      [--pool-gb 48] > gather.csv
//   gather --shape reservation [--misses FILE] > reservation.csv
//   gather --shape basics
//
// README.md beside this file says how to build it and what the columns mean. Self-contained: CUDA 12, C++17.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int threads_per_block = 128;
constexpr int rows_per_block = threads_per_block / 32;
constexpr int blocks_per_multiprocessor = 16;
constexpr int measurements = 9;  // of which the median counts

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "gather: %s\n", message.c_str());
  std::exit(2);
}

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    fail(std::string(what) + ": " + cudaGetErrorString(error));
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
  std::size_t size() const { return size_; }
  void copy_from(const std::vector<T>& host) {
    CHECK(cudaMemcpy(data_, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
  }

 private:
  T* data_ = nullptr;
  std::size_t size_;
};

// ---- Kernels ----

__device__ std::uint64_t nanoseconds() {
  std::uint64_t ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  return ns;
}

__device__ std::uint32_t mixed(const uint4& value) {
  return value.x ^ value.y ^ value.z ^ value.w;
}

/// Rows may be written by the gather of the step before, so they are not read through the read-only cache.
__device__ uint4 load(const uint4* address) {
  uint4 value;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "l"(address));
  return value;
}

/// 128 threads, 16 blocks a multiprocessor: 32 registers a thread. The loops below are unrolled by four, but so few
/// registers leave two 16-byte loads of a lane in flight, 1 KiB a warp. A lane whose last load has no partner waits for
/// it alone: 656-byte rows (41 loads for 32 lanes) take two rounds of latency, as 1,152-byte rows do, and 4,096-byte
/// rows four.
#define DSASIM_GATHER_BOUNDS __launch_bounds__(threads_per_block, blocks_per_multiprocessor)

/// One store a warp, so that the loads are not dropped.
__device__ void finish(std::uint32_t sum, std::uint64_t warp, int lane, std::uint32_t* sums) {
  for (int offset = 16; offset > 0; offset /= 2) {
    sum ^= __shfl_xor_sync(0xFFFFFFFFU, sum, offset);
  }
  if (lane == 0) {
    sums[warp] = sum;
  }
}

/// One warp gathers one row at a time: `vectors` 16-byte parts from each of `count` byte offsets in the pool; no parts
/// reads the offsets only. This is the kernel that data/hardware/ and the analytic model speak of. Its parameters are
/// loose, not a struct: nvcc 13 then keeps the loop over small rows short (128-byte rows, 131,072 of them: 9.7 us
/// hot, with a struct 12.1).
__global__ void DSASIM_GATHER_BOUNDS gather(const std::uint64_t* offsets, std::uint64_t count, int vectors,
                                            const char* pool, std::uint32_t* sums) {
  const std::uint64_t warp = (static_cast<std::uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  const std::uint64_t warps = static_cast<std::uint64_t>(gridDim.x) * blockDim.x / 32;
  const int lane = static_cast<int>(threadIdx.x % 32);
  std::uint32_t sum = 0;
  for (std::uint64_t i = warp; i < count; i += warps) {
    const std::uint64_t offset = offsets[i];
    sum ^= static_cast<std::uint32_t>(offset);
    const auto* row = reinterpret_cast<const uint4*>(pool + offset);
#pragma unroll 4
    for (int at = lane; at < vectors; at += 32) {
      sum ^= mixed(row[at]);
    }
  }
  finish(sum, warp, lane, sums);
}

struct ReservationArguments {
  const std::uint32_t* rows;   ///< number of each row: in the slots if the highest bit is 1, else in the pool
  const std::uint32_t* fills;  ///< number of the slot that a row is copied to, or no_slot; null if none is copied
  std::uint32_t count;
  int vectors;
  const char* pool;
  char* slots;
  std::uint64_t row_bytes;
  std::uint64_t* clock;  ///< first start and last end
  std::uint32_t* sums;   ///< by warp
};
constexpr std::uint32_t no_slot = ~std::uint32_t{0};
constexpr std::uint32_t in_slots = std::uint32_t{1} << 31U;

/// The same with a reservation: rows come from slots or from the pool, missed ones are copied to their slots.
__global__ void DSASIM_GATHER_BOUNDS gather_reserved(ReservationArguments a) {
  if (threadIdx.x == 0) {
    atomicMin(reinterpret_cast<unsigned long long*>(a.clock), nanoseconds());
  }
  const std::uint64_t warp = (static_cast<std::uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  const std::uint64_t warps = static_cast<std::uint64_t>(gridDim.x) * blockDim.x / 32;
  const int lane = static_cast<int>(threadIdx.x % 32);
  std::uint32_t sum = 0;
  for (std::uint64_t i = warp; i < a.count; i += warps) {
    const std::uint32_t number = a.rows[i];
    const std::uint32_t fill = a.fills == nullptr ? no_slot : a.fills[i];
    sum ^= number;
    const char* from = (number & in_slots) != 0 ? a.slots : a.pool;
    const auto* row = reinterpret_cast<const uint4*>(from + (number & ~in_slots) * a.row_bytes);
    auto* slot = fill == no_slot ? nullptr : reinterpret_cast<uint4*>(a.slots + fill * a.row_bytes);
#pragma unroll 4
    for (int at = lane; at < a.vectors; at += 32) {
      const uint4 value = load(row + at);
      sum ^= mixed(value);
      if (slot != nullptr) {
        slot[at] = value;
      }
    }
  }
  finish(sum, warp, lane, a.sums);
  __syncthreads();
  if (threadIdx.x == 0) {
    atomicMax(reinterpret_cast<unsigned long long*>(a.clock + 1), nanoseconds());
  }
}

__global__ void stream_through(const uint4* data, std::size_t vectors, std::uint32_t* sink) {
  std::uint32_t sum = 0;
  const std::size_t stride = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < vectors; i += stride) {
    sum ^= mixed(load(data + i));
  }
  if (sum == 0x9E3779B9U) {
    *sink = sum;
  }
}

/// Goes on where the last call ended: cycles[1].
__global__ void chase(const std::uint64_t* next, int steps, std::uint64_t* cycles) {
  std::uint64_t at = cycles[1];
  const long long start = clock64();
  for (int i = 0; i < steps; ++i) {
    at = *reinterpret_cast<const volatile std::uint64_t*>(next + at);
  }
  cycles[0] = static_cast<std::uint64_t>(clock64() - start);
  cycles[1] = at;
}

// ---- What all shapes share ----

struct Options {
  std::string shape;
  double pool_gb = 48;
  double hot_mb = 24;
  std::vector<std::uint64_t> row_bytes = {128, 512, 656, 1152, 4096};
  double reserved_stream_mib = 64;
  std::string misses;
  std::uint64_t seed = 1;
};

struct Gpu {
  cudaDeviceProp properties{};
  int clock_khz = 0;
  std::uint64_t most_blocks = 0;

  Gpu() {
    int device = 0;
    CHECK(cudaGetDevice(&device));
    CHECK(cudaGetDeviceProperties(&properties, device));
    CHECK(cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, device));
    most_blocks = static_cast<std::uint64_t>(properties.multiProcessorCount) * blocks_per_multiprocessor;
  }
  unsigned blocks(std::uint64_t rows) const {
    return static_cast<unsigned>(
        std::clamp<std::uint64_t>((rows + rows_per_block - 1) / rows_per_block, 1, most_blocks));
  }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Gathers of one graph.
struct Gathers {
  std::uint64_t count;
  std::uint64_t rows;  ///< of each
  const DeviceArray<std::uint64_t>& offsets;
  const DeviceArray<std::uint32_t>& sums;
};

/// What the last-level cache holds when a graph begins: nothing of the pool but its first `hot_bytes`. The offsets are
/// in it, as the kernel that selected the rows leaves them.
struct CacheState {
  const DeviceArray<char>& other;  ///< several times the cache
  const char* pool;
  std::uint64_t hot_bytes;
};

void prepare(const Gpu& gpu, cudaStream_t stream, const CacheState& state, const Gathers& gathers) {
  const auto read = [&](const void* data, std::uint64_t bytes) {
    stream_through<<<static_cast<unsigned>(gpu.most_blocks), threads_per_block, 0, stream>>>(
        static_cast<const uint4*>(data), bytes / 16, gathers.sums.data());
  };
  read(state.other.data(), state.other.size());
  read(state.pool, state.hot_bytes);
  read(gathers.offsets.data(), gathers.offsets.size() * sizeof(std::uint64_t));
}

/// Microseconds of one of `gathers`, from graphs of all of them. Each graph reads rows that the one before it read, so
/// the cache is prepared before each.
double graph_us(const Gpu& gpu, cudaStream_t stream, const Gathers& gathers, int vectors, const CacheState& state) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  for (std::uint64_t i = 0; i < gathers.count; ++i) {
    gather<<<gpu.blocks(gathers.rows), threads_per_block, 0, stream>>>(
        gathers.offsets.data() + i * gathers.rows, gathers.rows, vectors, state.pool, gathers.sums.data());
  }
  CHECK(cudaStreamEndCapture(stream, &graph));
  CHECK(cudaGraphInstantiate(&executable, graph, 0));
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  CHECK(cudaEventCreate(&start));
  CHECK(cudaEventCreate(&end));
  std::vector<double> times;
  for (int i = 0; i < measurements + 1; ++i) {  // the first one warms up
    prepare(gpu, stream, state, gathers);
    CHECK(cudaEventRecord(start, stream));
    CHECK(cudaGraphLaunch(executable, stream));
    CHECK(cudaEventRecord(end, stream));
    CHECK(cudaEventSynchronize(end));
    float ms = 0;
    CHECK(cudaEventElapsedTime(&ms, start, end));
    if (i > 0) {
      times.push_back(static_cast<double>(ms) * 1000 / static_cast<double>(gathers.count));
    }
  }
  CHECK(cudaEventDestroy(start));
  CHECK(cudaEventDestroy(end));
  CHECK(cudaGraphExecDestroy(executable));
  CHECK(cudaGraphDestroy(graph));
  return median(times);
}

// ---- --shape gather ----

/// The rows of some gathers, one after the other: hot ones from the pool's beginning, each gather the same; the others
/// anywhere behind. In random order.
std::vector<std::uint64_t> random_rows(std::mt19937_64& random, std::uint64_t gathers, std::uint64_t rows,
                                       std::uint64_t row_bytes, double hot_fraction, std::uint64_t hot_bytes,
                                       std::uint64_t pool_bytes) {
  const auto hot = static_cast<std::uint64_t>(static_cast<double>(rows) * hot_fraction + 0.5);
  std::uniform_int_distribution<std::uint64_t> cold(hot_bytes / row_bytes + 1, pool_bytes / row_bytes - 1);
  std::vector<std::uint64_t> all;
  all.reserve(gathers * rows);
  for (std::uint64_t g = 0; g < gathers; ++g) {
    const auto begin = static_cast<std::ptrdiff_t>(all.size());
    for (std::uint64_t i = 0; i < rows; ++i) {
      all.push_back((i < hot ? i : cold(random)) * row_bytes);
    }
    std::shuffle(all.begin() + begin, all.end(), random);
  }
  return all;
}

void measure_gathers(const Gpu& gpu, const Options& options) {
  constexpr std::uint64_t row_counts[] = {64, 256, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072};
  constexpr double hot_fractions[] = {0, 0.25, 0.5, 0.75, 0.9, 1};
  const auto pool_bytes = static_cast<std::uint64_t>(options.pool_gb * 1e9);
  const auto hot_bytes = static_cast<std::uint64_t>(options.hot_mb * 1e6);
  if (pool_bytes < 4 * hot_bytes) {
    fail("--pool-gb: expected at least four times --hot-mb");
  }
  DeviceArray<char> pool(pool_bytes);
  CHECK(cudaMemset(pool.data(), 1, pool_bytes));
  DeviceArray<char> other(4 * static_cast<std::size_t>(gpu.properties.l2CacheSize));
  DeviceArray<std::uint32_t> sums(gpu.most_blocks * rows_per_block);
  cudaStream_t stream = nullptr;
  CHECK(cudaStreamCreate(&stream));
  std::mt19937_64 random(options.seed);
  std::printf("row_bytes,rows,hot_fraction,us_total,us_index_only,us_net\n");
  for (const std::uint64_t row_bytes : options.row_bytes) {
    for (const std::uint64_t rows : row_counts) {
      const std::uint64_t count = rows > 16384 ? 12 : 32;
      for (const double hot_fraction : hot_fractions) {
        if (static_cast<double>(rows * row_bytes) * hot_fraction > static_cast<double>(hot_bytes) ||
            rows * row_bytes > (std::uint64_t{300} << 20U)) {
          continue;
        }
        const auto host = random_rows(random, count, rows, row_bytes, hot_fraction, hot_bytes, pool_bytes);
        DeviceArray<std::uint64_t> offsets(host.size());
        offsets.copy_from(host);
        const auto hot_rows = static_cast<std::uint64_t>(static_cast<double>(rows) * hot_fraction + 0.5);
        const CacheState state{other, pool.data(), hot_rows * row_bytes};
        const Gathers gathers{count, rows, offsets, sums};
        const double total_us = graph_us(gpu, stream, gathers, static_cast<int>(row_bytes / 16), state);
        const double index_us = graph_us(gpu, stream, gathers, 0, state);
        std::printf("%llu,%llu,%.2f,%.3f,%.3f,%.3f\n", static_cast<unsigned long long>(row_bytes),
                    static_cast<unsigned long long>(rows), hot_fraction, total_us, index_us, total_us - index_us);
        std::fflush(stdout);
      }
    }
  }
  CHECK(cudaStreamDestroy(stream));
}

// ---- --shape reservation ----

/// Rows of one gather, from a file that a replay wrote: how many it gathers and how many of them miss.
struct Step {
  std::uint64_t rows;
  std::uint64_t missed;
};

/// The columns `accesses` and `misses` of what `dsasim replay --per-step FILE` wrote.
std::vector<Step> read_steps(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  if (!in || !std::getline(in, line)) {
    fail("--misses: " + path + " cannot be read");
  }
  const auto split = [](const std::string& text) {
    std::vector<std::string> fields;
    std::stringstream stream(text);
    for (std::string field; std::getline(stream, field, ',');) {
      fields.push_back(field);
    }
    return fields;
  };
  const std::vector<std::string> header = split(line);
  const auto column = [&](const char* name) {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found == header.end()) {
      fail("--misses: " + path + " has no column " + name);
    }
    return static_cast<std::size_t>(found - header.begin());
  };
  const std::size_t accesses = column("accesses");
  const std::size_t misses = column("misses");
  std::vector<Step> steps;
  while (std::getline(in, line)) {
    const std::vector<std::string> fields = split(line);
    if (fields.size() <= std::max(accesses, misses)) {
      fail("--misses: " + path + ": a line is too short");
    }
    const Step step{std::strtoull(fields[accesses].c_str(), nullptr, 10),
                    std::strtoull(fields[misses].c_str(), nullptr, 10)};
    if (step.missed > step.rows) {
      fail("--misses: " + path + ": more misses than accesses");
    }
    steps.push_back(step);
  }
  return steps;
}

/// Slots of `reserved_bytes` stay in the last-level cache: accesses to them through `stream` persist.
void keep(cudaStream_t stream, const Gpu& gpu, char* slots, std::size_t reserved_bytes) {
  const auto most = static_cast<std::size_t>(gpu.properties.persistingL2CacheMaxSize);
  CHECK(cudaDeviceSetLimit(cudaLimitPersistingL2CacheSize, std::min(reserved_bytes, most)));
  cudaStreamAttrValue value{};
  value.accessPolicyWindow.base_ptr = slots;
  value.accessPolicyWindow.num_bytes =
      std::min<std::size_t>(reserved_bytes, static_cast<std::size_t>(gpu.properties.accessPolicyMaxWindowSize));
  value.accessPolicyWindow.hitRatio = 1;
  value.accessPolicyWindow.hitProp = cudaAccessPropertyPersisting;
  value.accessPolicyWindow.missProp = cudaAccessPropertyStreaming;
  CHECK(cudaStreamSetAttribute(stream, cudaStreamAttributeAccessPolicyWindow, &value));
}

/// A step's rows: `missed` of them anywhere in the pool, the others in slots. Each missed one gets a slot.
void draw_rows(std::mt19937_64& random, const Step& step, std::uint64_t row_bytes, std::uint64_t pool_bytes,
               std::uint64_t slots, std::vector<std::uint32_t>& rows, std::vector<std::uint32_t>& fills) {
  std::uniform_int_distribution<std::uint32_t> pool_row(0, static_cast<std::uint32_t>(pool_bytes / row_bytes - 1));
  std::uniform_int_distribution<std::uint32_t> slot(0,
                                                    static_cast<std::uint32_t>(std::max<std::uint64_t>(slots, 1) - 1));
  std::vector<std::uint64_t> order(step.rows);
  for (std::uint64_t i = 0; i < step.rows; ++i) {
    order[i] = i;
  }
  std::shuffle(order.begin(), order.end(), random);
  rows.assign(step.rows, 0);
  fills.assign(step.rows, no_slot);
  for (std::uint64_t i = 0; i < step.rows; ++i) {
    if (i < step.missed || slots == 0) {
      rows[order[i]] = pool_row(random);
      fills[order[i]] = slots == 0 ? no_slot : slot(random);
    } else {
      rows[order[i]] = in_slots | slot(random);
    }
  }
}

/// Mean, median and P95 of the time inside the kernel.
void print_times(std::vector<double> times) {
  double sum = 0;
  for (const double ns : times) {
    sum += ns;
  }
  std::sort(times.begin(), times.end());
  std::printf("%.1f,%.0f,%.0f\n", sum / static_cast<double>(times.size()), times[times.size() / 2],
              times[times.size() * 95 / 100]);
  std::fflush(stdout);
}

struct Buffers {
  DeviceArray<char> pool;
  DeviceArray<char> slots;
  DeviceArray<char> other;  ///< streams through the last-level cache between two gathers
  DeviceArray<std::uint64_t> clock{2};
};

std::vector<double> time_steps(const Gpu& gpu, cudaStream_t stream, const Options& options, const Buffers& buffers,
                               const std::vector<Step>& steps, std::uint64_t row_bytes, std::uint64_t slots,
                               bool fill) {
  std::mt19937_64 random(options.seed);
  std::vector<double> times;
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> fills;
  std::uint64_t most_rows = 0;
  for (const Step& step : steps) {
    most_rows = std::max(most_rows, step.rows);
  }
  DeviceArray<std::uint32_t> numbers(most_rows);
  DeviceArray<std::uint32_t> targets(most_rows);
  DeviceArray<std::uint32_t> sums(gpu.most_blocks * rows_per_block);
  const auto read_indices = [&](const DeviceArray<std::uint32_t>& indices) {
    stream_through<<<gpu.blocks(indices.size()), threads_per_block, 0, stream>>>(
        reinterpret_cast<const uint4*>(indices.data()), indices.size() / 4, sums.data());
  };
  const std::vector<std::uint64_t> unset{~std::uint64_t{0}, 0};
  for (const Step& step : steps) {
    draw_rows(random, step, row_bytes, buffers.pool.size(), slots, rows, fills);
    numbers.copy_from(rows);
    targets.copy_from(fills);
    CHECK(cudaMemcpyAsync(buffers.clock.data(), unset.data(), 16, cudaMemcpyHostToDevice, stream));
    stream_through<<<gpu.blocks(~std::uint64_t{0} >> 8U), threads_per_block, 0, stream>>>(
        reinterpret_cast<const uint4*>(buffers.other.data()), buffers.other.size() / 16, sums.data());
    read_indices(numbers);
    read_indices(targets);
    gather_reserved<<<gpu.blocks(step.rows), threads_per_block, 0, stream>>>(
        {numbers.data(), fill ? targets.data() : nullptr, static_cast<std::uint32_t>(step.rows),
         static_cast<int>(row_bytes / 16), buffers.pool.data(), buffers.slots.data(), row_bytes, buffers.clock.data(),
         sums.data()});
    CHECK(cudaGetLastError());
    std::uint64_t clock[2];
    CHECK(cudaMemcpyAsync(clock, buffers.clock.data(), 16, cudaMemcpyDeviceToHost, stream));
    CHECK(cudaStreamSynchronize(stream));
    times.push_back(static_cast<double>(clock[1] - clock[0]));
  }
  times.erase(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 4));
  return times;
}

/// `misses` names a file for each capacity: "SLOTS:ROW_BYTES:FILE,...".
void measure_reservation(const Gpu& gpu, const Options& options) {
  const auto pool_bytes = static_cast<std::uint64_t>(options.pool_gb * 1e9);
  constexpr std::size_t most_reserved = std::size_t{128} << 20U;
  cudaStream_t stream = nullptr;
  CHECK(cudaStreamCreate(&stream));
  const Buffers buffers{DeviceArray<char>(pool_bytes), DeviceArray<char>(most_reserved),
                        DeviceArray<char>(static_cast<std::size_t>(options.reserved_stream_mib * 1048576))};
  CHECK(cudaMemset(buffers.pool.data(), 1, pool_bytes));
  CHECK(cudaMemset(buffers.slots.data(), 1, most_reserved));
  CHECK(cudaMemset(buffers.other.data(), 1, buffers.other.size()));
  std::printf("row_bytes,slots,fill,gathers,hit_ratio,mean_ns,p50_ns,p95_ns\n");
  std::stringstream list(options.misses);
  for (std::string item; std::getline(list, item, ',');) {
    unsigned long long slots = 0;
    unsigned long long row_bytes = 0;
    int used = 0;
    if (std::sscanf(item.c_str(), "%llu:%llu:%n", &slots, &row_bytes, &used) != 2 || used == 0 || row_bytes == 0 ||
        row_bytes % 16 != 0 || slots > most_reserved / row_bytes) {
      fail(
          "--misses: expected SLOTS:ROW_BYTES:FILE,... with rows of a multiple of 16 bytes and slots of at most "
          "128 MiB, found " +
          item);
    }
    const std::vector<Step> steps = read_steps(item.substr(static_cast<std::size_t>(used)));
    std::uint64_t rows = 0;
    std::uint64_t missed = 0;
    for (const Step& step : steps) {
      rows += step.rows;
      missed += step.missed;
    }
    if (rows == 0) {
      fail("--misses: " + item + ": no rows");
    }
    CHECK(cudaCtxResetPersistingL2Cache());
    keep(stream, gpu, buffers.slots.data(), std::max<std::size_t>(slots * row_bytes, 16));
    for (const bool fill : {true, false}) {
      std::printf("%llu,%llu,%d,%zu,%.4f,", row_bytes, slots, fill ? 1 : 0, steps.size(),
                  1 - static_cast<double>(missed) / static_cast<double>(rows));
      print_times(time_steps(gpu, stream, options, buffers, steps, row_bytes, slots, fill));
    }
  }
  CHECK(cudaStreamDestroy(stream));
}

// ---- --shape basics ----

/// Nanoseconds of a dependent load from a footprint, along one random cycle through its 128-byte lines.
double chase_ns(const Gpu& gpu, std::mt19937_64& random, std::size_t bytes) {
  constexpr std::size_t words_per_line = 16;
  constexpr int steps = 20000;
  std::vector<std::uint64_t> order(bytes / 128);
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::shuffle(order.begin() + 1, order.end(), random);
  std::vector<std::uint64_t> next(bytes / 8);
  for (std::size_t i = 0; i < order.size(); ++i) {
    next[order[i] * words_per_line] = order[(i + 1) % order.size()] * words_per_line;
  }
  DeviceArray<std::uint64_t> device(next.size());
  device.copy_from(next);
  DeviceArray<std::uint64_t> cycles(2);
  CHECK(cudaMemset(cycles.data(), 0, 16));
  DeviceArray<std::uint32_t> sink(1);
  std::vector<double> times;
  // What fits the cache is to be in it, and what does not is not to be met again: each chase goes on along the cycle.
  stream_through<<<static_cast<unsigned>(gpu.most_blocks), threads_per_block>>>(
      reinterpret_cast<const uint4*>(device.data()), bytes / 16, sink.data());
  for (int i = 0; i < measurements; ++i) {
    chase<<<1, 1>>>(device.data(), steps, cycles.data());
    CHECK(cudaGetLastError());
    std::uint64_t result[2];
    CHECK(cudaMemcpy(result, cycles.data(), sizeof result, cudaMemcpyDeviceToHost));
    times.push_back(static_cast<double>(result[0]) / steps * 1e6 / gpu.clock_khz);
  }
  return median(times);
}

void measure_basics(const Gpu& gpu, const Options& options) {
  std::printf("# device,%s,SMs,%d,L2_bytes,%d,persistingL2CacheMaxSize,%d,accessPolicyMaxWindowSize,%d\n",
              gpu.properties.name, gpu.properties.multiProcessorCount, gpu.properties.l2CacheSize,
              gpu.properties.persistingL2CacheMaxSize, gpu.properties.accessPolicyMaxWindowSize);
  std::mt19937_64 random(options.seed);
  for (const std::size_t mib : {1, 4, 8, 16, 24, 32, 40, 48, 64, 128, 1024}) {
    std::printf("latency,footprint_MiB,%zu,ns,%.1f\n", mib, chase_ns(gpu, random, mib << 20U));
    std::fflush(stdout);
  }
}

std::vector<std::uint64_t> row_sizes(const std::string& text) {
  std::vector<std::uint64_t> sizes;
  std::stringstream list(text);
  for (std::string item; std::getline(list, item, ',');) {
    char* end = nullptr;
    const unsigned long size = std::strtoul(item.c_str(), &end, 10);
    if (*end != '\0' || size < 128 || size > 65536 || size % 16 != 0) {
      fail("--row-bytes: expected multiples of 16 from 128 to 65536, found " + item);
    }
    sizes.push_back(size);
  }
  return sizes;
}

double number(const char* option, const char* text) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value > 0 && value < 1e6)) {
    fail(std::string(option) + ": expected a number above 0, found " + text);
  }
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 >= argc) {
      fail(name +
           ": expected a value; options: --shape gather|reservation|basics --pool-gb N --hot-mb N --row-bytes A,B,... "
           "--stream-mib N "
           "--misses SLOTS:ROW_BYTES:FILE,... --seed N");
    }
    const char* value = argv[i + 1];
    if (name == "--shape") {
      options.shape = value;
    } else if (name == "--pool-gb") {
      options.pool_gb = number("--pool-gb", value);
    } else if (name == "--hot-mb") {
      options.hot_mb = number("--hot-mb", value);
    } else if (name == "--row-bytes") {
      options.row_bytes = row_sizes(value);
    } else if (name == "--stream-mib") {
      options.reserved_stream_mib = number("--stream-mib", value);
    } else if (name == "--misses") {
      options.misses = value;
    } else if (name == "--seed") {
      options.seed = static_cast<std::uint64_t>(number("--seed", value));
    } else {
      fail("unknown option " + name + "; known: --shape --pool-gb --hot-mb --row-bytes --stream-mib --misses --seed");
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const Gpu gpu;
  if (options.shape == "gather") {
    measure_gathers(gpu, options);
  } else if (options.shape == "reservation") {
    measure_reservation(gpu, options);
  } else if (options.shape == "basics") {
    measure_basics(gpu, options);
  } else {
    fail("--shape: expected gather, reservation or basics");
  }
}
