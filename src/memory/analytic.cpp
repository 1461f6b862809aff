#include "memory/analytic.hpp"

#include <algorithm>
#include <cmath>

namespace dsasim {
namespace {

constexpr double most_ns = 1e6;
constexpr double most_gb_s = 1e6;
constexpr std::uint64_t most_blocks = 1U << 20U;
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 40U;

/// Latencies that a warp waits for a row. It reads a pass after the other; of a pass, the first load of each lane (a
/// quarter of its bytes) is waited for alone, the other three together.
std::uint64_t rounds_of(std::uint64_t row_bytes, std::uint64_t pass_bytes) {
  const std::uint64_t rest = row_bytes % pass_bytes;
  const std::uint64_t rounds_of_rest = rest == 0 ? 0 : rest <= pass_bytes / 4 ? 1 : 2;
  return 2 * (row_bytes / pass_bytes) + rounds_of_rest;
}

double squared(double value) {
  return value * value;
}

}  // namespace

/// A gather's rows as the formulas count them.
struct AnalyticMemory::Rows {
  double reserved;
  double llc;
  double missed;        ///< of memory
  double missed_bytes;  ///< of memory
  double bytes;
  double rounds;  ///< of requests that a row takes one after the other

  Rows(const Gather& gather, std::uint64_t pass_bytes)
      : reserved(static_cast<double>(gather.hit_rows)),
        llc(static_cast<double>(std::min(gather.llc_rows, gather.missed_rows))),
        missed(static_cast<double>(gather.missed_rows) - llc),
        missed_bytes(
            std::max(0.0, missed * static_cast<double>(gather.row_bytes) - static_cast<double>(gather.llc_bytes))),
        bytes(static_cast<double>(gather.rows()) * static_cast<double>(gather.row_bytes)),
        rounds(static_cast<double>(rounds_of(gather.row_bytes, pass_bytes))) {}

  double all() const { return reserved + llc + missed; }

  /// How far the slowest of the rows of memory is expected to be on the way from a typical to the slowest latency.
  double slow(double slow_one_in) const { return rounds == 0 ? 0 : missed / (missed + slow_one_in); }
};

double AnalyticMemory::waiting_ns(const Rows& rows) const {
  const double mean_ns = (rows.reserved * p_.reserved_ns + rows.llc * p_.llc_ns + rows.missed * p_.hbm_ns) / rows.all();
  const auto blocks = static_cast<double>(p_.blocks);
  const auto rows_per_block = static_cast<double>(p_.rows_per_block);
  const double started = std::min(std::ceil(rows.all() / rows_per_block), blocks);
  const double starting_ns = started * p_.block_ns + rows.rounds * mean_ns;

  const double cached_ns = p_.llc_ns + (p_.reserved_ns - p_.llc_ns) * rows.reserved / rows.all();
  const double slow = rows.slow(p_.slow_one_in);
  const double slowest_ns = rows.rounds * (cached_ns + (p_.hbm_ns - cached_ns) * slow) + p_.slow_ns * slow;

  const double further_rows = std::max(0.0, rows.all() / (blocks * rows_per_block) - 1);
  return std::sqrt(std::sqrt(squared(squared(starting_ns)) + squared(squared(slowest_ns)))) +
         further_rows * (p_.index_ns + rows.rounds * mean_ns);
}

double AnalyticMemory::fill_ns(const Rows& rows) const {
  return p_.fill ? p_.fill_ns * rows.slow(p_.slow_one_in) + rows.missed_bytes / p_.fill_gb_s : 0;
}

double AnalyticMemory::launch_ns(const Gather& gather) {
  const Rows rows(gather, p_.pass_bytes);
  if (rows.all() == 0) {
    return 0;
  }
  return p_.start_ns + fill_ns(rows) +
         std::sqrt(squared(waiting_ns(rows)) + squared(rows.missed_bytes / p_.hbm_gb_s) +
                   squared(rows.bytes / p_.llc_gb_s));
}

double AnalyticMemory::gather_ns(const Gather& gather) {
  return gather.rows() == 0 ? 0 : launch_ns(gather) - p_.outside_ns;
}

/// With a replacement that is neither LRU nor random, a set survives that is smaller than the cache less the rest, and
/// little of a larger one. The fourth power has the fall between half and twice kept_bytes, as measured on an H200.
double AnalyticMemory::kept_share(double hot_bytes, double cold_bytes) const {
  return 1 / (1 + squared(squared((hot_bytes + cold_bytes) / static_cast<double>(p_.kept_bytes))));
}

AnalyticParameters read_analytic(ConfigObject& config) {
  constexpr double least_gb_s = 1e-3;
  config.text("description");
  config.text("source");
  AnalyticParameters p;
  p.blocks = config.integer("blocks", 1, most_blocks);
  p.rows_per_block = config.integer("rows_per_block", 1, 1024);
  p.pass_bytes = config.integer("pass_bytes", 4, most_bytes);
  p.start_ns = config.number("start_ns", 0, most_ns);
  p.outside_ns = config.number("outside_ns", 0, p.start_ns);
  p.block_ns = config.number("block_ns", 0, most_ns);
  p.index_ns = config.number("index_ns", 0, most_ns);
  p.reserved_ns = config.number("reserved_ns", 0, most_ns);
  p.llc_ns = config.number("llc_ns", 0, most_ns);
  p.hbm_ns = config.number("hbm_ns", std::max(p.llc_ns, p.reserved_ns), most_ns);
  p.slow_ns = config.number("slow_ns", 0, most_ns);
  p.slow_one_in = config.number("slow_one_in", 1, 1e9);
  p.hbm_gb_s = config.number("hbm_gb_s", least_gb_s, most_gb_s);
  p.llc_gb_s = config.number("llc_gb_s", least_gb_s, most_gb_s);
  p.fill = config.flag("fill");
  p.fill_ns = config.number("fill_ns", 0, most_ns);
  p.fill_gb_s = config.number("fill_gb_s", least_gb_s, most_gb_s);
  p.kept_bytes = config.integer("kept_bytes", 1, most_bytes);
  return p;
}

}  // namespace dsasim
