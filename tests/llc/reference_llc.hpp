#pragma once

// The caches of docs/llc.md, written for reading: sectors in sets, ways in lists, every line of a stream by itself.

#include "dsasim/llc/llc.hpp"
#include "dsasim/xoshiro.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

namespace dsasim::test {

class ReferenceLlc {
 public:
  ReferenceLlc(const LlcSpec& spec, std::uint64_t sets, std::size_t marked_quota)
      : spec_(spec), marked_quota_(marked_quota) {
    SplitMix64 set_seeds(spec.seed);
    SplitMix64 marked_seeds(~spec.seed);
    for (std::uint64_t set = 0; set < sets; ++set) {
      sets_.push_back({.ways = {},
                       .points_up = std::vector<bool>(spec.ways, false),
                       .draws = SplitMix64(set_seeds.next()),
                       .marked_draws = SplitMix64(marked_seeds.next())});
    }
  }

  LlcReads read_rows(std::span<const std::uint64_t> addresses, std::uint64_t row_bytes, bool persisting,
                     std::vector<std::uint64_t>& missed) {
    LlcReads reads;
    for (const std::uint64_t address : addresses) {
      std::set<std::uint64_t> missed_lines;
      const LlcReads row = read_range(address, row_bytes, persisting, missed_lines);
      reads += row;
      reads.rows += 1;
      reads.hit_rows += row.hit_sectors == row.sectors ? 1 : 0;
      missed.insert(missed.end(), missed_lines.begin(), missed_lines.end());
    }
    return reads;
  }

  LlcReads read_stream(std::uint64_t address, std::uint64_t bytes) {
    std::set<std::uint64_t> missed_lines;
    return bytes == 0 ? LlcReads{} : read_range(address, bytes, false, missed_lines);
  }

 private:
  struct Way {
    std::uint64_t line = 0;
    std::set<std::uint64_t> sectors;  ///< numbers of sectors, counted from address 0
    bool marked = false;
    std::uint64_t last_use = 0;
    int interval = 3;
  };
  struct Set {
    std::vector<Way> ways;
    std::vector<bool> points_up;  ///< node n of the tree; 1 is the root
    SplitMix64 draws;
    SplitMix64 marked_draws;
  };

  LlcReads read_range(std::uint64_t address, std::uint64_t bytes, bool persisting,
                      std::set<std::uint64_t>& missed_lines) {
    const std::uint64_t sectors_a_line = spec_.line_bytes / spec_.sector_bytes;
    std::map<std::uint64_t, std::vector<std::uint64_t>> wanted;  // sectors by line
    for (std::uint64_t s = address / spec_.sector_bytes; s <= (address + bytes - 1) / spec_.sector_bytes; ++s) {
      wanted[s / sectors_a_line].push_back(s);
    }
    LlcReads reads;
    for (const auto& [line, sectors] : wanted) {
      const bool present = !sets_.empty() && is_present(line);
      Way* way = sets_.empty() ? nullptr : &read_line(line, persisting);
      reads.lines += 1;
      reads.hit_lines += present ? 1 : 0;
      for (const std::uint64_t sector : sectors) {
        const bool hit = way != nullptr && !way->sectors.insert(sector).second;
        reads.sectors += 1;
        reads.hit_sectors += hit ? 1 : 0;
        for (std::uint64_t byte = 0; !hit && byte < spec_.sector_bytes; ++byte) {
          missed_lines.insert((sector * spec_.sector_bytes + byte) / 64 * 64);
        }
      }
    }
    return reads;
  }

  Set& set_of(std::uint64_t line) { return sets_[line % sets_.size()]; }

  bool is_present(std::uint64_t line) {
    const auto& ways = set_of(line).ways;
    return std::any_of(ways.begin(), ways.end(), [&](const Way& way) { return way.line == line; });
  }

  Way& read_line(std::uint64_t line, bool persisting) {
    Set& set = set_of(line);
    const bool marks = persisting && marked_quota_ > 0;
    const auto marked = marked_ways(set, true);
    const auto found = std::find_if(set.ways.begin(), set.ways.end(), [&](const Way& way) { return way.line == line; });
    const bool hit = found != set.ways.end();
    const auto number = hit                                       ? static_cast<std::size_t>(found - set.ways.begin())
                        : marks && marked.size() == marked_quota_ ? drawn(set.marked_draws, marked)
                                                                  : place(set);
    Way& way = set.ways[number];
    if (!hit) {
      way = Way{.line = line, .sectors = {}, .marked = marks, .last_use = 0, .interval = 2};
    } else {
      way.marked = way.marked || (marks && marked.size() < marked_quota_);
      way.interval = 0;
    }
    way.last_use = ++clock_;
    point_away_from(set, number);
    return way;
  }

  static std::vector<std::size_t> marked_ways(const Set& set, bool marked) {
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < set.ways.size(); ++i) {
      if (set.ways[i].marked == marked) {
        numbers.push_back(i);
      }
    }
    return numbers;
  }

  static std::size_t drawn(SplitMix64& draws, const std::vector<std::size_t>& ways) {
    return ways[(draws.next() >> 32U) * ways.size() >> 32U];
  }

  std::size_t place(Set& set) {
    if (set.ways.size() < spec_.ways) {
      set.ways.emplace_back();
      return set.ways.size() - 1;
    }
    const auto candidates = marked_ways(set, false);
    switch (spec_.policy) {
      case LlcPolicy::lru:
        return *std::min_element(candidates.begin(), candidates.end(), [&](std::size_t a, std::size_t b) {
          return set.ways[a].last_use < set.ways[b].last_use;
        });
      case LlcPolicy::tree_plru:
        return *tree_victim(set, candidates, 1, 0, spec_.ways);
      case LlcPolicy::srrip:
        return srrip_victim(set, candidates);
      case LlcPolicy::random:
        return drawn(set.draws, candidates);
    }
    return 0;
  }

  /// Under the node of the ways from `first` to before `end`; none if no candidate is there.
  static std::optional<std::size_t> tree_victim(const Set& set, const std::vector<std::size_t>& candidates,
                                                std::size_t node, std::size_t first, std::size_t end) {
    if (end - first == 1) {
      const bool may_go = std::find(candidates.begin(), candidates.end(), first) != candidates.end();
      return may_go ? std::optional(first) : std::nullopt;
    }
    const std::size_t middle = (first + end) / 2;
    const auto lower = tree_victim(set, candidates, 2 * node, first, middle);
    const auto upper = tree_victim(set, candidates, 2 * node + 1, middle, end);
    return set.points_up[node] ? (upper ? upper : lower) : (lower ? lower : upper);
  }

  void point_away_from(Set& set, std::size_t way) const {
    std::size_t node = 1;
    std::size_t first = 0;
    for (std::size_t half = spec_.ways / 2; half > 0 && spec_.policy == LlcPolicy::tree_plru; half /= 2) {
      const bool in_upper = way >= first + half;
      set.points_up[node] = !in_upper;
      node = 2 * node + (in_upper ? 1 : 0);
      first += in_upper ? half : 0;
    }
  }

  static std::size_t srrip_victim(Set& set, const std::vector<std::size_t>& candidates) {
    for (;;) {
      for (const std::size_t way : candidates) {
        if (set.ways[way].interval == 3) {
          return way;
        }
      }
      for (const std::size_t way : candidates) {
        ++set.ways[way].interval;
      }
    }
  }

  LlcSpec spec_;
  std::size_t marked_quota_;
  std::vector<Set> sets_;
  std::uint64_t clock_ = 0;
};

}  // namespace dsasim::test
