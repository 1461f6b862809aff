#pragma once

// Policies made of queues, as the papers' pseudocode has them: lists of keys, searched from end to end.

#include "dsasim/cache/policy_spec.hpp"

#include <algorithm>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace dsasim::test {

using Key = std::uint32_t;

class PlainQueues {
 public:
  explicit PlainQueues(std::size_t capacity) : capacity_(capacity) {}
  virtual ~PlainQueues() = default;

  /// A resident entry is accessed.
  virtual void hit(Key key) = 0;
  /// The cache is full and `incoming` has missed: takes an entry out that is not spared.
  virtual Key evict(Key incoming, const std::set<Key>& spared) = 0;
  virtual void add(Key key) = 0;
  /// An entry, resident or not, is gone as if it had never been: in no queue, and not remembered.
  virtual void forget(Key key) = 0;

 protected:
  using Queue = std::list<Key>;  ///< oldest first

  static bool has(const Queue& queue, Key key) { return std::ranges::find(queue, key) != queue.end(); }

  /// Takes the key out; says whether it was there.
  static bool take(Queue& queue, Key key) { return queue.remove(key) > 0; }

  static std::optional<Key> oldest(const Queue& queue, const std::set<Key>& spared) {
    const auto found = std::ranges::find_if(queue, [&](Key key) { return !spared.contains(key); });
    return found == queue.end() ? std::nullopt : std::optional(*found);
  }

  std::size_t share(double of) const { return static_cast<std::size_t>(static_cast<double>(capacity_) * of); }

  std::size_t capacity_;
};

class PlainMru final : public PlainQueues {
 public:
  using PlainQueues::PlainQueues;

  void hit(Key key) override {
    take(stack_, key);
    stack_.push_back(key);
  }

  Key evict(Key /*incoming*/, const std::set<Key>& spared) override {
    const auto newest = std::find_if(stack_.rbegin(), stack_.rend(), [&](Key key) { return !spared.contains(key); });
    const Key key = *newest;
    take(stack_, key);
    return key;
  }

  void add(Key key) override { stack_.push_back(key); }
  void forget(Key key) override { take(stack_, key); }

 private:
  Queue stack_;
};

class PlainSlru final : public PlainQueues {
 public:
  PlainSlru(std::size_t capacity, double share_protected)
      : PlainQueues(capacity), most_protected_(share(share_protected)) {}

  void hit(Key key) override {
    take(probation_, key);
    take(protected_, key);
    protected_.push_back(key);
    if (protected_.size() > most_protected_) {
      probation_.push_back(protected_.front());
      protected_.pop_front();
    }
  }

  std::optional<Key> next_victim(const std::set<Key>& spared) const {
    const auto first = oldest(probation_, spared);
    return first ? first : oldest(protected_, spared);
  }

  Key evict(Key /*incoming*/, const std::set<Key>& spared) override {
    const Key key = *next_victim(spared);
    take(probation_, key);
    take(protected_, key);
    return key;
  }

  void add(Key key) override { probation_.push_back(key); }

  void forget(Key key) override {
    take(probation_, key);
    take(protected_, key);
  }

 private:
  std::size_t most_protected_;
  Queue probation_;
  Queue protected_;
};

/// The three cases of section 3.2 of the paper.
class PlainLirs final : public PlainQueues {
 public:
  PlainLirs(std::size_t capacity, double share_hir)
      : PlainQueues(capacity), most_lir_(capacity - std::max<std::size_t>(share(share_hir), 1)) {}

  void hit(Key key) override {
    const bool in_stack = take(stack_, key);
    stack_.push_back(key);
    if (!lir_.contains(key)) {
      take(queue_, key);
      if (in_stack) {
        promote(key);
      } else {
        queue_.push_back(key);
      }
    }
    prune();
  }

  Key evict(Key /*incoming*/, const std::set<Key>& spared) override {
    if (const auto first = oldest(queue_, spared)) {
      take(queue_, *first);
      return *first;
    }
    Queue of_lir = stack_;
    of_lir.remove_if([this](Key key) { return !lir_.contains(key); });
    const Key key = *oldest(of_lir, spared);
    take(stack_, key);
    lir_.erase(key);
    prune();
    return key;
  }

  void add(Key key) override {
    const bool in_stack = take(stack_, key);
    stack_.push_back(key);
    if (in_stack) {
      promote(key);
    } else if (lir_.size() < most_lir_) {
      lir_.insert(key);
    } else {
      queue_.push_back(key);
    }
    prune();
  }

  void forget(Key key) override {
    take(stack_, key);
    take(queue_, key);
    lir_.erase(key);
    prune();
  }

 private:
  void promote(Key key) {
    lir_.insert(key);
    if (lir_.size() > most_lir_) {
      const Key bottom = *std::ranges::find_if(stack_, [this](Key other) { return lir_.contains(other); });
      lir_.erase(bottom);
      take(stack_, bottom);
      queue_.push_back(bottom);
    }
  }

  void prune() {
    while (!stack_.empty() && !lir_.contains(stack_.front())) {
      stack_.pop_front();
    }
  }

  std::size_t most_lir_;
  std::set<Key> lir_;
  Queue stack_;
  Queue queue_;
};

/// Algorithm 1 of the paper; ghosts are looked up before anything is evicted, as its authors' implementation does.
class PlainS3Fifo final : public PlainQueues {
 public:
  PlainS3Fifo(std::size_t capacity, double share_small, int threshold)
      : PlainQueues(capacity),
        threshold_(threshold),
        most_main_(capacity - std::max<std::size_t>(share(share_small), 1)) {}

  void hit(Key key) override { frequency_[key] = std::min(frequency_[key] + 1, 3); }

  Key evict(Key incoming, const std::set<Key>& spared) override {
    came_back_ = take(ghosts_, incoming);
    for (;;) {
      std::optional<Key> key;
      if (main_.size() <= most_main_) {
        key = evict_small(spared);
      }
      key = key ? key : evict_main(spared);
      key = key ? key : evict_small(spared);
      if (key) {
        return *key;
      }
    }
  }

  void add(Key key) override {
    (take(ghosts_, key) || came_back_ ? main_ : small_).push_back(key);
    came_back_ = false;
    frequency_[key] = 0;
  }

  void forget(Key key) override {
    take(small_, key);
    take(main_, key);
    take(ghosts_, key);
  }

 private:
  std::optional<Key> evict_small(const std::set<Key>& spared) {
    const Queue all = small_;
    for (const Key key : all) {
      if (frequency_[key] >= threshold_) {
        take(small_, key);
        main_.push_back(key);
        frequency_[key] = 0;
      } else if (!spared.contains(key)) {
        take(small_, key);
        ghosts_.push_back(key);
        while (ghosts_.size() > most_main_) {
          ghosts_.pop_front();
        }
        return key;
      }
    }
    return std::nullopt;
  }

  std::optional<Key> evict_main(const std::set<Key>& spared) {
    const auto all_spared = [&] {
      return std::ranges::all_of(main_, [&](Key key) { return spared.contains(key) && frequency_[key] == 0; });
    };
    for (auto at = main_.begin(); !all_spared();) {
      const Key key = *at;
      const auto next = std::next(at);
      if (frequency_[key] > 0) {
        --frequency_[key];
        main_.splice(main_.end(), main_, at);
      } else if (!spared.contains(key)) {
        take(main_, key);
        return key;
      }
      at = next == main_.end() ? main_.begin() : next;
    }
    return std::nullopt;
  }

  int threshold_;
  std::size_t most_main_;
  Queue small_;
  Queue main_;
  Queue ghosts_;
  std::map<Key, int> frequency_;
  bool came_back_ = false;
};

class PlainSieve final : public PlainQueues {
 public:
  using PlainQueues::PlainQueues;

  void hit(Key key) override { visited_.insert(key); }

  Key evict(Key /*incoming*/, const std::set<Key>& spared) override {
    auto at = hand_ ? std::ranges::find(queue_, *hand_) : queue_.begin();
    while (visited_.erase(*at) > 0 || spared.contains(*at)) {
      at = std::next(at) == queue_.end() ? queue_.begin() : std::next(at);
    }
    const Key key = *at;
    const auto next = std::next(at);
    hand_ = next == queue_.end() ? std::nullopt : std::optional(*next);
    queue_.erase(at);
    return key;
  }

  void add(Key key) override { queue_.push_back(key); }

  void forget(Key key) override {
    if (!has(queue_, key)) {
      return;
    }
    const auto next = std::next(std::ranges::find(queue_, key));
    if (hand_ == key) {
      hand_ = next == queue_.end() ? std::nullopt : std::optional(*next);
    }
    take(queue_, key);
    visited_.erase(key);
  }

 private:
  Queue queue_;
  std::set<Key> visited_;
  std::optional<Key> hand_;  ///< none: at the oldest
};

/// Figure 4 of the paper.
class PlainArc final : public PlainQueues {
 public:
  using PlainQueues::PlainQueues;

  void hit(Key key) override {
    take(t1_, key);
    take(t2_, key);
    t2_.push_back(key);
  }

  Key evict(Key incoming, const std::set<Key>& spared) override {
    if (t1_.size() == capacity_ && !has(b2_, incoming)) {
      return *take_from(t1_, spared);
    }
    announce(incoming);
    is_announced_ = true;
    const auto t1 = static_cast<double>(t1_.size());
    const bool first = !t1_.empty() && ((has(b2_, incoming) && t1 == p_) || t1 > p_);
    for (const bool from_t1 : {first, !first}) {
      if (const auto key = take_from(from_t1 ? t1_ : t2_, spared)) {
        (from_t1 ? b1_ : b2_).push_back(*key);
        return *key;
      }
    }
    throw std::logic_error("all entries are spared");
  }

  void add(Key key) override {
    if (!is_announced_ && t1_.size() + t2_.size() < capacity_) {
      announce(key);
    }
    is_announced_ = false;
    const bool was_ghost = take(b1_, key) || take(b2_, key);
    (was_ghost ? t2_ : t1_).push_back(key);
  }

  void forget(Key key) override {
    for (Queue* queue : {&t1_, &t2_, &b1_, &b2_}) {
      take(*queue, key);
    }
  }

 private:
  /// All of a miss but the replacement, which a cache with room does without.
  void announce(Key incoming) {
    const auto c = static_cast<double>(capacity_);
    const auto b1 = static_cast<double>(b1_.size());
    const auto b2 = static_cast<double>(b2_.size());
    if (has(b1_, incoming)) {
      p_ = std::min(c, p_ + std::max(b2 / b1, 1.0));
    } else if (has(b2_, incoming)) {
      p_ = std::max(0.0, p_ - std::max(b1 / b2, 1.0));
    } else if (t1_.size() + b1_.size() == capacity_) {
      b1_.pop_front();
    } else if (t1_.size() + t2_.size() + b1_.size() + b2_.size() == 2 * capacity_) {
      b2_.pop_front();
    }
  }

  static std::optional<Key> take_from(Queue& queue, const std::set<Key>& spared) {
    const auto key = oldest(queue, spared);
    if (key) {
      take(queue, *key);
    }
    return key;
  }

  Queue t1_;
  Queue t2_;
  Queue b1_;
  Queue b2_;
  double p_ = 0;
  bool is_announced_ = false;
};

class PlainTwoQ final : public PlainQueues {
 public:
  PlainTwoQ(std::size_t capacity, double share_in, double share_out)
      : PlainQueues(capacity), k_in_(share(share_in)), k_out_(share(share_out)) {}

  void hit(Key key) override {
    if (take(am_, key)) {
      am_.push_back(key);
    }
  }

  Key evict(Key incoming, const std::set<Key>& spared) override {
    was_out_ = take(a1out_, incoming);
    const bool from_in = a1in_.size() > k_in_;
    const auto first = oldest(from_in ? a1in_ : am_, spared);
    const Key key = first ? *first : *oldest(from_in ? am_ : a1in_, spared);
    if (take(a1in_, key)) {
      a1out_.push_back(key);
      while (a1out_.size() > k_out_) {
        a1out_.pop_front();
      }
    }
    take(am_, key);
    return key;
  }

  void add(Key key) override {
    (take(a1out_, key) || was_out_ ? am_ : a1in_).push_back(key);
    was_out_ = false;
  }

  void forget(Key key) override {
    take(a1in_, key);
    take(am_, key);
    take(a1out_, key);
  }

 private:
  std::size_t k_in_;
  std::size_t k_out_;
  Queue a1in_;
  Queue a1out_;
  Queue am_;
  bool was_out_ = false;
};

/// The definition of backward k-distance, over all accesses ever.
class PlainLruK final : public PlainQueues {
 public:
  PlainLruK(std::size_t capacity, std::size_t k) : PlainQueues(capacity), k_(k) {}

  void hit(Key key) override { accesses_[key].push_back(++now_); }

  Key evict(Key /*incoming*/, const std::set<Key>& spared) override {
    std::set<std::tuple<std::uint64_t, std::uint64_t, Key>> order;  // k-th last access, 0 if there is none; the last
    for (const Key key : residents_) {
      if (!spared.contains(key)) {
        const auto& times = accesses_[key];
        order.emplace(times.size() < k_ ? 0 : times[times.size() - k_], times.back(), key);
      }
    }
    const Key key = std::get<2>(*order.begin());
    residents_.erase(key);
    return key;
  }

  void add(Key key) override {
    hit(key);
    residents_.insert(key);
  }

  void forget(Key key) override {
    residents_.erase(key);
    accesses_.erase(key);
  }

 private:
  std::size_t k_;
  std::uint64_t now_ = 0;
  std::map<Key, std::vector<std::uint64_t>> accesses_;
  std::set<Key> residents_;
};

class PlainWTinyLfu final : public PlainQueues {
 public:
  PlainWTinyLfu(std::size_t capacity, double share_window)
      : PlainQueues(capacity),
        most_window_(std::max<std::size_t>(share(share_window), 1)),
        main_(capacity - most_window_, 0.8) {}

  void hit(Key key) override {
    count(key);
    if (take(window_, key)) {
      window_.push_back(key);
    } else {
      main_.hit(key);
    }
  }

  Key evict(Key /*incoming*/, const std::set<Key>& spared) override {
    const auto candidate = oldest(window_, spared);
    const auto least = main_.next_victim(spared);
    if (candidate && (!least || counts_[*candidate] <= counts_[*least])) {
      take(window_, *candidate);
      return *candidate;
    }
    main_.evict(0, spared);
    if (candidate) {
      take(window_, *candidate);
      main_.add(*candidate);
    }
    return *least;
  }

  void add(Key key) override {
    count(key);
    window_.push_back(key);
    for (; window_.size() > most_window_; window_.pop_front()) {
      main_.add(window_.front());
    }
  }

  void forget(Key key) override {
    take(window_, key);
    main_.forget(key);
    counts_.erase(key);
  }

 private:
  void count(Key key) {
    counts_[key] = std::min(counts_[key] + 1, 15);
    if (++accesses_ % (10 * capacity_) == 0) {
      for (auto& [other, halved] : counts_) {
        halved /= 2;
      }
    }
  }

  std::size_t most_window_;
  Queue window_;
  PlainSlru main_;
  std::map<Key, int> counts_;
  std::uint64_t accesses_ = 0;
};

/// Null for other policies.
inline std::unique_ptr<PlainQueues> make_plain_queues(const PolicySpec& spec, std::size_t capacity) {
  const auto parameter = [&](std::size_t i) { return std::stod(spec.parameters.at(i).second); };  // 0 is atomic
  if (spec.name == "mru") {
    return std::make_unique<PlainMru>(capacity);
  }
  if (spec.name == "slru") {
    return std::make_unique<PlainSlru>(capacity, parameter(1));
  }
  if (spec.name == "s3-fifo") {
    return std::make_unique<PlainS3Fifo>(capacity, parameter(1), static_cast<int>(parameter(2)));
  }
  if (spec.name == "sieve") {
    return std::make_unique<PlainSieve>(capacity);
  }
  if (spec.name == "arc") {
    return std::make_unique<PlainArc>(capacity);
  }
  if (spec.name == "2q") {
    return std::make_unique<PlainTwoQ>(capacity, parameter(1), parameter(2));
  }
  if (spec.name == "lirs") {
    return std::make_unique<PlainLirs>(capacity, parameter(1));
  }
  if (spec.name == "lru-k") {
    return std::make_unique<PlainLruK>(capacity, static_cast<std::size_t>(parameter(1)));
  }
  if (spec.name == "w-tinylfu") {
    return std::make_unique<PlainWTinyLfu>(capacity, parameter(1));
  }
  return nullptr;
}

}  // namespace dsasim::test
