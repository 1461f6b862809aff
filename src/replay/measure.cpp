#include "dsasim/replay/measure.hpp"

#include "replay/link_traffic.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace dsasim {
namespace {

bool always(const EffectiveConfig& /*config*/) {
  return true;
}
bool has_entry_bytes(const EffectiveConfig& config) {
  return config.entry_bytes != 0;
}
bool has_hits_apart(const EffectiveConfig& config) {
  return config.hits_apart;
}
bool has_prefetch(const EffectiveConfig& config) {
  return config.asked.prefetch.any();
}
bool has_llc(const EffectiveConfig& config) {
  return config.llc.has_value();
}
bool has_step(const EffectiveConfig& config) {
  return !config.model_name.empty();
}

bool has_retention(const EffectiveConfig& config) {
  return config.asked.retention_steps > 0;
}
bool has_energy(const EffectiveConfig& config) {
  return config.asked.step.energy;
}

constexpr std::string_view needs_entry_bytes = "`entry_bytes`, or a trace that gives them";
constexpr std::string_view needs_hits_apart =
    "`resident_blocks`, `new_token` pinned, `pin`, `granularity`, or several queries that a policy unites";
constexpr std::string_view needs_llc = "`llc`";
constexpr std::string_view needs_prefetch = "`prefetch`";
constexpr std::string_view needs_step = "`model` and `gpu`";
constexpr std::string_view needs_retention = "`retention_steps`";
constexpr std::string_view needs_energy = "`energy`, `model` and `gpu`";

template <std::uint64_t Counters::*field>
MeasureValue counter(const Measured& measured) {
  return measured.counters.*field;
}

/// Null without a prefetch, so that a table of many replays tells it from one that fetches nothing.
template <std::uint64_t PrefetchCounts::*field>
MeasureValue prefetch(const Measured& measured) {
  return has_prefetch(measured.config) ? MeasureValue(measured.counters.prefetch.*field) : MeasureValue();
}

MeasureValue prefetched_bytes(const Measured& measured) {
  return has_prefetch(measured.config) && measured.config.entry_bytes != 0
             ? MeasureValue(measured.counters.exact_prefetched_bytes())
             : MeasureValue();
}

template <class T>
MeasureValue or_null(const std::optional<T>& value) {
  return value ? MeasureValue(*value) : MeasureValue();
}

template <std::uint64_t RetentionCounts::*field>
MeasureValue retention(const Measured& measured) {
  return has_retention(measured.config) ? MeasureValue(measured.counters.retention.*field) : MeasureValue();
}

/// Null without steps.
MeasureValue per_step(const Measured& measured, std::uint64_t sum) {
  const std::uint64_t steps = measured.config.counted_steps;
  return steps == 0 ? MeasureValue() : static_cast<double>(sum) / static_cast<double>(steps);
}

template <auto field>
MeasureValue tpot(const Measured& measured) {
  const auto& times = measured.whole->step_times;
  return times && times->tpot.steps > 0 ? MeasureValue(times->tpot.*field) : MeasureValue();
}

/// Null where no step was counted.
template <double StepTimes::*field>
MeasureValue slowdown(const Measured& measured) {
  const auto& times = measured.whole->step_times;
  return times && *times.*field != 0 ? MeasureValue(*times.*field) : MeasureValue();
}

MeasureValue miss_ratio(const Measured& measured) {
  const Counters& counters = measured.counters;
  return counters.accesses == 0 ? MeasureValue()
                                : static_cast<double>(counters.misses()) / static_cast<double>(counters.accesses);
}

MeasureValue fetched_bytes(const Measured& measured) {
  return measured.config.entry_bytes == 0 ? MeasureValue() : measured.counters.exact_fetched_bytes();
}

constexpr std::array all = {
    Measure{"accesses", "entry", "selected entries replayed", Basis::lookups, true, true, "", always,
            counter<&Counters::accesses>},
    Measure{"hits", "entry", "accesses whose entry was resident", Basis::lookups, true, true, "", always,
            counter<&Counters::hits>},
    Measure{"misses", "entry", "accesses whose entry was not: hits + misses = accesses", Basis::misses, true, true, "",
            always, [](const Measured& m) -> MeasureValue { return m.counters.misses(); }},
    Measure{"compulsory_misses", "entry", "misses on entries never before in that cache", Basis::lookups, true, true,
            "", always, counter<&Counters::compulsory_misses>},
    Measure{"capacity_misses", "entry", "the other misses", Basis::lookups, true, false, "", always,
            [](const Measured& m) -> MeasureValue { return m.counters.capacity_misses(); }},
    Measure{"evictions", "entry", "residents displaced by a miss or an allocation", Basis::caches, true, true, "",
            always, counter<&Counters::evictions>},
    Measure{"miss_ratio", "", "misses / accesses; null without accesses", Basis::misses, true, false, "", always,
            miss_ratio},
    Measure{"fetched_bytes", "byte",
            "missed rows times entry bytes, every layer of a group; null if the entry's bytes are unknown",
            Basis::lookups, true, true, needs_entry_bytes, has_entry_bytes, fetched_bytes},
    Measure{"missed_pages", "page", "distinct pages among the misses of each selection, summed", Basis::pages, true,
            true, "", always, counter<&Counters::missed_pages>},
    Measure{"gather_ns", "ns",
            "time of the gathers by the memory model, inside the kernel, over the trace's own layers", Basis::time,
            true, true, "", always, counter<&Counters::gather_ns>},
    Measure{"cache_hits", "entry",
            "hits that the cache itself counted: not of entries that are resident elsewhere or pinned, of a union each "
            "entry once, and of a selection each block once",
            Basis::caches, true, false, needs_hits_apart, has_hits_apart,
            [](const Measured& m) {
              return has_hits_apart(m.config) ? MeasureValue(m.counters.cache_hits) : MeasureValue();
            }},
    Measure{"llc_sectors", "sector",
            "with `llc`: sectors of rows that the reservation missed, looked for in the rest of that cache",
            Basis::time, true, false, needs_llc, has_llc, counter<&Counters::llc_sectors>},
    Measure{"llc_hit_sectors", "sector", "with `llc`: those that it held", Basis::time, true, false, needs_llc, has_llc,
            counter<&Counters::llc_hit_sectors>},
    Measure{"prefetched", "entry", "with `prefetch`: entries fetched before their selection", Basis::caches, true, true,
            needs_prefetch, has_prefetch, prefetch<&PrefetchCounts::issued>},
    Measure{"prefetch_useful", "entry", "of them, those that the selection found when it accessed them", Basis::caches,
            true, true, needs_prefetch, has_prefetch, prefetch<&PrefetchCounts::useful>},
    Measure{"prefetch_wasted", "entry", "the others", Basis::caches, true, true, needs_prefetch, has_prefetch,
            [](const Measured& m) {
              return has_prefetch(m.config) ? MeasureValue(m.counters.prefetch.wasted()) : MeasureValue();
            }},
    Measure{"avoided_misses", "entry", "with into=side: misses whose row was there, not fetched on demand",
            Basis::caches, true, true, needs_prefetch, has_prefetch, prefetch<&PrefetchCounts::avoided>},
    Measure{"prefetch_evictions", "entry", "residents displaced by prefetched entries", Basis::caches, true, true,
            needs_prefetch, has_prefetch, prefetch<&PrefetchCounts::evictions>},
    Measure{"prefetched_bytes", "byte", "prefetched rows times entry bytes, every layer of a group", Basis::caches,
            true, true, needs_prefetch, has_prefetch, prefetched_bytes},
    Measure{"idle_steps", "step",
            "with `retention_steps`: of the cache's hits, steps since the entry was last used, added up", Basis::caches,
            true, true, needs_retention, has_retention, retention<&RetentionCounts::idle_steps>},
    Measure{"retained_hits", "entry", "with `retention_steps`: hits within these, which no refresh was needed for",
            Basis::caches, true, true, needs_retention, has_retention, retention<&RetentionCounts::retained>},
    Measure{"refreshes", "entry", "with `retention_steps`: of an entry, that the other hits need", Basis::caches, true,
            true, needs_retention, has_retention, retention<&RetentionCounts::refreshes>},
    Measure{"tpot_mean_ns", "ns", "mean time of a token", Basis::step, false, false, needs_step, has_step,
            tpot<&Tpot::mean_ns>},
    Measure{"tpot_p50_ns", "ns", "median time of a token", Basis::step, false, false, needs_step, has_step,
            tpot<&Tpot::p50_ns>},
    Measure{"tpot_p95_ns", "ns", "95th percentile of the time of a token", Basis::step, false, false, needs_step,
            has_step, tpot<&Tpot::p95_ns>},
    Measure{"tpot_p99_ns", "ns", "99th percentile of the time of a token", Basis::step, false, false, needs_step,
            has_step, tpot<&Tpot::p99_ns>},
    Measure{"tpot_max_ns", "ns", "longest time of a token", Basis::step, false, false, needs_step, has_step,
            tpot<&Tpot::max_ns>},
    Measure{"slowdown_all_hit", "", "mean time of a token / what it would be if every row hit", Basis::step, false,
            false, needs_step, has_step, slowdown<&StepTimes::slowdown_all_hit>},
    Measure{"slowdown_contiguous", "",
            "mean time of a token / what it would be if a selection were one contiguous read", Basis::step, false,
            false, needs_step, has_step, slowdown<&StepTimes::slowdown_contiguous>},
    Measure{"fetched_bytes_per_step", "byte", "rows that a step fetches in the model's layers, on average",
            Basis::caches, false, false, needs_entry_bytes, has_entry_bytes,
            [](const Measured& m) { return or_null(link_traffic(*m.whole).step_bytes); }},
    Measure{"fetched_bytes_per_s", "byte/s", "the same by the mean time of a token", Basis::step, false, false,
            needs_step, has_step, [](const Measured& m) { return or_null(link_traffic(*m.whole).bytes_per_s); }},
    Measure{"known_joules_per_token", "J", "with `energy`: of a token, its parts of which a source is known",
            Basis::step, false, false, needs_energy, has_energy,
            [](const Measured& m) {
              const auto& times = m.whole->step_times;
              return times && times->energy ? MeasureValue(times->energy->known_joules()) : MeasureValue();
            }},
    Measure{"step_misses", "entry", "misses of a step, all layers and requests, on average", Basis::misses, false,
            false, "", always, [](const Measured& m) { return per_step(m, m.counters.misses()); }},
    Measure{"step_gather_ns", "ns",
            "time of a step's gathers in the trace's own layers, one after the other, on average", Basis::time, false,
            false, "", always, [](const Measured& m) { return per_step(m, m.counters.gather_ns); }},
};

}  // namespace

std::span<const Measure> measures() {
  return all;
}

const Measure* find_measure(std::string_view name) noexcept {
  const auto* found =
      std::find_if(all.begin(), all.end(), [&](const Measure& measure) { return measure.name == name; });
  return found == all.end() ? nullptr : found;
}

MeasureValue total_of(const Measure& measure, const ReplayResult& result) {
  return measure.value({.counters = result.totals, .config = result.config, .whole = &result});
}

double number_of(const MeasureValue& value) {
  const auto* count = std::get_if<std::uint64_t>(&value);
  const auto* number = std::get_if<double>(&value);
  return count != nullptr ? static_cast<double>(*count) : number != nullptr ? *number : 0;
}

std::string text_of(const MeasureValue& value) {
  if (const auto* count = std::get_if<std::uint64_t>(&value)) {
    return std::to_string(*count);
  }
  const auto* number = std::get_if<double>(&value);
  return number == nullptr ? "" : nlohmann::json(*number).dump();  // the shortest digits that read back as this number
}

}  // namespace dsasim
