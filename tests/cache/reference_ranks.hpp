#pragma once

// Policies that give each entry a worth at each selection, as their definitions in docs/policies.md say it.

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/policy_spec.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace dsasim::test {

using Key = std::uint32_t;

class PlainRanks {
 public:
  using Worth = std::tuple<float, std::uint64_t, Key>;  ///< the smallest leaves

  virtual ~PlainRanks() = default;
  /// A selection, before anything leaves or comes in.
  virtual void select(const SelectionOrigin& from, const std::set<Key>& selected, const std::set<Key>& residents) = 0;
  /// Before it, what its entries scored, or nothing.
  virtual void score(const std::vector<Key>& /*keys*/, std::span<const std::uint16_t> /*scores*/) {}
  /// Of a selection's misses, those that are fetched for the step alone; `evictable` are the residents that it does not
  /// name, and `count` entries have to leave or stay out.
  virtual std::set<Key> staged(const std::vector<Key>& /*misses*/, const std::set<Key>& /*evictable*/,
                               std::size_t /*count*/) {
    return {};
  }
  /// An entry that is not resident comes in.
  virtual void enter(Key key) = 0;
  /// A resident entry is gone as if it had never been.
  virtual void forget(Key key) = 0;
  virtual Worth worth(Key key) const = 0;
};

/// `history`: whether an entry that comes back is remembered, so many steps after its last use.
inline bool is_remembered(const std::string& history, std::uint64_t steps) {
  return history == "all" || (history == "residents" ? steps == 0 : steps <= std::stoull(history));
}

inline double decayed(float sum, double decay, std::uint64_t steps) {
  double power = 1;
  for (std::uint64_t step = 0; step < std::min<std::uint64_t>(steps, 4096); ++step) {
    power *= decay;
  }
  return steps < 4096 ? sum * power : 0;
}

class PlainEwma2 final : public PlainRanks {
 public:
  explicit PlainEwma2(std::string history) : history_(std::move(history)) {}

  void select(const SelectionOrigin& from, const std::set<Key>& selected, const std::set<Key>& residents) override {
    now_ = from.step;
    for (const Key key : selected) {
      use(key, residents.contains(key));
      averages_[key].fast += 0.2F;
      averages_[key].slow += 0.02F;
    }
  }

  void enter(Key key) override { use(key, false); }
  void forget(Key key) override { averages_.erase(key); }

  Worth worth(Key key) const override {
    const Averages& of = averages_.at(key);
    const double product =
        (decayed(of.fast, 0.8, now_ - of.last) + 0.003) * (decayed(of.slow, 0.98, now_ - of.last) + 0.003);
    return {static_cast<float>(product), of.last, key};
  }

 private:
  struct Averages {
    float fast = 0;
    float slow = 0;
    std::uint64_t last = 0;
  };

  void use(Key key, bool resident) {
    Averages& of = averages_[key];
    const std::uint64_t steps = now_ - of.last;
    if (!resident && !is_remembered(history_, steps)) {
      of = {};
    }
    of = {.fast = static_cast<float>(decayed(of.fast, 0.8, steps)),
          .slow = static_cast<float>(decayed(of.slow, 0.98, steps)),
          .last = now_};
  }

  std::string history_;
  std::map<Key, Averages> averages_;
  std::uint64_t now_ = 0;
};

class PlainLrfu final : public PlainRanks {
 public:
  PlainLrfu(double decay, std::string history) : decay_(decay), history_(std::move(history)) {}

  void select(const SelectionOrigin& from, const std::set<Key>& selected, const std::set<Key>& residents) override {
    now_ = from.step;
    for (const Key key : selected) {
      use(key, residents.contains(key));
      sums_[key].sum += 1;
    }
  }

  void enter(Key key) override { use(key, false); }
  void forget(Key key) override { sums_.erase(key); }

  Worth worth(Key key) const override {
    const Sum& of = sums_.at(key);
    return {static_cast<float>(decayed(of.sum, decay_, now_ - of.last)), of.last, key};
  }

 private:
  struct Sum {
    float sum = 0;
    std::uint64_t last = 0;
  };

  void use(Key key, bool resident) {
    Sum& of = sums_[key];
    const std::uint64_t steps = now_ - of.last;
    const bool kept = resident || is_remembered(history_, steps);
    of = {.sum = kept ? static_cast<float>(decayed(of.sum, decay_, steps)) : 0, .last = now_};
  }

  double decay_;
  std::string history_;
  std::map<Key, Sum> sums_;
  std::uint64_t now_ = 0;
};

class PlainScore final : public PlainRanks {
 public:
  PlainScore(bool by_rank, double decay) : by_rank_(by_rank), decay_(decay) {}

  void score(const std::vector<Key>& keys, std::span<const std::uint16_t> scores) override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      std::size_t rank = 0;
      for (std::size_t other = 0; other < keys.size() && !scores.empty(); ++other) {
        const double difference = number(scores[other]) - number(scores[i]);
        rank += difference > 0 || (difference == 0 && other < i) ? 1U : 0U;
      }
      rank = scores.empty() ? i : rank;
      const float by_rank = static_cast<float>(keys.size() - rank) / static_cast<float>(keys.size());
      scored_[keys[i]] = by_rank_ ? by_rank : scores.empty() ? 0 : static_cast<float>(number(scores[i]));
    }
  }

  void select(const SelectionOrigin& from, const std::set<Key>& selected, const std::set<Key>& /*residents*/) override {
    now_ = from.step;
    for (const Key key : selected) {
      last_[key] = now_;
    }
  }

  void enter(Key key) override {
    scored_[key] = static_cast<float>(decayed(scored_[key], decay_, now_ - last_[key]));
    last_[key] = now_;
  }

  void forget(Key key) override {
    scored_.erase(key);
    last_.erase(key);
  }

  Worth worth(Key key) const override {
    const std::uint64_t last = last_.at(key);
    return {static_cast<float>(decayed(scored_.at(key), decay_, now_ - last)), last, key};
  }

 private:
  /// IEEE 754 binary16; what is not finite is put at the ends.
  static double number(std::uint16_t bits) {
    const double sign = bits >= 0x8000 ? -1 : 1;
    const int exponent = bits / 1024 % 32;
    const double fraction = bits % 1024 / 1024.0;
    if (exponent == 31) {
      return fraction > 0 || sign < 0 ? -65504 : 65504;
    }
    return sign * (exponent == 0 ? fraction * std::pow(2, -14) : (1 + fraction) * std::pow(2, exponent - 15));
  }

  bool by_rank_;
  double decay_;
  std::map<Key, float> scored_;
  std::map<Key, std::uint64_t> last_;
  std::uint64_t now_ = 0;
};

/// The table of `rt`. Names are those of docs/policies.md.
class PlainReuse {
 public:
  explicit PlainReuse(std::int64_t k, std::size_t kinds = 1) : k_(k), S(1024 * kinds, 0), M(1024 * kinds, 0) {
    pw.push_back(65536);
    while (pw.size() < 1024) {
      pw.push_back(pw.back() - (pw.back() >> 5));
    }
  }

  /// Of an entry that had E at its last use.
  std::int64_t x(std::int64_t E, std::int64_t age) const {
    return age >= 1024 ? 0 : E * pw[static_cast<std::size_t>(age)] >> 16;
  }

  std::size_t cell(std::int64_t age, std::int64_t x, std::int64_t q, std::size_t kind = 0) const {
    return kind * 1024 + static_cast<std::size_t>((A(age) * 16 + F(x)) * 4 + C(q));
  }

  std::int64_t V(std::size_t c, std::int64_t x, std::int64_t age) const {
    const std::int64_t prior = (x >> 1) + 32768 / (age + 3);
    return (S[c] + 10240 * prior) / (M[c] + 10240);
  }

  /// Cells and outcomes of a step.
  void learn(const std::vector<std::pair<std::size_t, std::int64_t>>& learned) {
    for (std::size_t c = 0; c < S.size(); ++c) {
      S[c] -= S[c] >> 7;
      M[c] -= M[c] >> 7;
    }
    for (const auto& [c, y] : learned) {
      S[c] += y << 10;
      M[c] += 1024;
    }
  }

 private:
  std::int64_t A(std::int64_t a) const {
    std::int64_t less = 0;
    for (const int limit : {0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 34, 48}) {
      less += limit < a ? 1 : 0;
    }
    return less;
  }

  std::int64_t F(std::int64_t frequency) const {
    for (int b = 15; b > 0; --b) {
      if (static_cast<double>(frequency) >= std::ceil(65536 * std::pow(2, (b - 15) / 2.0))) {
        return b;
      }
    }
    return 0;
  }

  std::int64_t C(std::int64_t q) const { return q < k_ / 4 ? 0 : q < k_ ? 1 : q < 4 * k_ ? 2 : 3; }

  std::int64_t k_;
  std::vector<std::int64_t> pw;
  std::vector<std::int64_t> S;
  std::vector<std::int64_t> M;
};

class PlainRt final : public PlainRanks {
 public:
  PlainRt(std::string history, std::size_t staging, std::int64_t k)
      : history_(std::move(history)), staging_(staging), table_(k) {}

  void select(const SelectionOrigin& from, const std::set<Key>& selected, const std::set<Key>& residents) override {
    t = from.step;
    query_ = static_cast<std::int64_t>(from.base + from.query);
    for (const Key p : selected) {
      fade(p, residents.contains(p));
      E[p] = std::min<std::int64_t>(65535, x(p) + 2048);
      last[p] = t;
    }
    std::vector<std::pair<std::size_t, std::int64_t>> learned;
    for (const auto& [p, c] : T) {
      learned.emplace_back(c, selected.contains(p) ? 32768 : V(p) >> 1);
    }
    table_.learn(learned);
    T.clear();
    for (const Key p : residents) {
      if (!selected.contains(p)) {
        T[p] = cell(p);
      }
    }
    for (const Key p : selected) {
      if (staging_ > 0 && !residents.contains(p)) {
        T[p] = cell(p);
      }
    }
  }

  std::set<Key> staged(const std::vector<Key>& misses, const std::set<Key>& evictable, std::size_t count) override {
    std::vector<Worth> least;
    for (const Key p : misses) {
      least.push_back(worth(p));
    }
    std::ranges::sort(least);
    least.resize(std::min(least.size(), staging_));
    for (const Key p : evictable) {
      least.push_back(worth(p));
    }
    std::ranges::sort(least);
    std::set<Key> out;
    for (std::size_t i = 0; i < count; ++i) {
      if (!evictable.contains(std::get<Key>(least[i]))) {
        out.insert(std::get<Key>(least[i]));
      }
    }
    return out;
  }

  void enter(Key p) override {
    fade(p, false);
    E[p] = x(p);
    last[p] = t;
  }

  void forget(Key p) override {
    E.erase(p);
    last.erase(p);
    T.erase(p);
  }

  Worth worth(Key p) const override {
    return {static_cast<float>(V(p)) + static_cast<float>(x(p)) / 65536.0F, last.at(p), p};
  }

 private:
  std::int64_t age(Key p) const { return static_cast<std::int64_t>(t - last.at(p)); }
  std::int64_t x(Key p) const { return last.contains(p) ? table_.x(E.at(p), age(p)) : 0; }
  std::size_t cell(Key p) const { return table_.cell(age(p), x(p), query_ - std::int64_t{p}); }
  std::int64_t V(Key p) const { return table_.V(cell(p), x(p), age(p)); }

  void fade(Key p, bool resident) {
    if (!resident && last.contains(p) && !is_remembered(history_, t - last[p])) {
      E[p] = 0;
    }
  }

  std::string history_;
  std::size_t staging_;
  PlainReuse table_;
  std::int64_t query_ = 0;
  std::uint64_t t = 0;
  std::map<Key, std::int64_t> E;
  std::map<Key, std::uint64_t> last;
  std::map<Key, std::size_t> T;
};

/// Null for other policies.
inline std::unique_ptr<PlainRanks> make_plain_ranks(const PolicySpec& spec, std::size_t longest_selection) {
  if (spec.name == "ewma2") {
    return std::make_unique<PlainEwma2>(spec.parameters.at(0).second);
  }
  if (spec.name == "lrfu") {
    return std::make_unique<PlainLrfu>(std::stod(spec.parameters.at(0).second), spec.parameters.at(1).second);
  }
  if (spec.name == "score") {
    return std::make_unique<PlainScore>(spec.parameters.at(0).second == "rank",
                                        std::stod(spec.parameters.at(1).second));
  }
  if (spec.name == "rt") {
    return std::make_unique<PlainRt>(spec.parameters.at(0).second, std::stoull(spec.parameters.at(1).second),
                                     static_cast<std::int64_t>(longest_selection));
  }
  return nullptr;
}

}  // namespace dsasim::test
