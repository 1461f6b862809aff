#include "threads/workers.hpp"

#include <chrono>
#include <utility>

namespace dsasim {
namespace {

/// Waits a little for what is about to happen: a block of a replay takes a millisecond, and waking a thread a tenth of
/// that. Longer waits are for condition variables.
template <class Happened>
void await_shortly(Happened&& happened) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
  while (!happened() && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
}

}  // namespace

Workers::Workers(std::size_t jobs) {
  threads_.reserve(jobs - 1);
  for (std::size_t worker = 1; worker < jobs; ++worker) {
    try {
      threads_.emplace_back([this, worker] { loop(worker); });
    } catch (const std::exception&) {  // no more threads, or no room for their stacks
      keep(threads_.size() / 2);       // room for the work, too
      return;
    }
  }
}

void Workers::keep(std::size_t threads) {
  {
    const std::lock_guard lock(mutex_);
    kept_ = threads;
  }
  work_ready_.notify_all();
  for (; threads_.size() > threads; threads_.pop_back()) {
    threads_.back().join();
  }
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    next_ = pieces_;  // after an exception between start() and finish()
  }
  work_ready_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Workers::start(std::size_t pieces, Work work) {
  {
    const std::lock_guard lock(mutex_);
    work_ = std::move(work);
    pieces_ = pieces;
    next_ = 0;
    failure_ = nullptr;
    ++starts_;
  }
  work_ready_.notify_all();
}

void Workers::finish() {
  take_pieces(0);
  await_shortly([&] { return busy_ == 0; });
  std::unique_lock lock(mutex_);
  work_done_.wait(lock, [&] { return busy_ == 0; });
  if (failure_) {
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void Workers::loop(std::size_t worker) {
  std::uint64_t seen = 0;
  for (;;) {
    await_shortly([&] { return starts_ != seen; });
    {
      std::unique_lock lock(mutex_);
      work_ready_.wait(lock, [&] { return stop_ || worker > kept_ || next_ < pieces_; });
      if (stop_ || worker > kept_) {
        return;
      }
      seen = starts_;
    }
    take_pieces(worker);
  }
}

void Workers::take_pieces(std::size_t worker) {
  std::unique_lock lock(mutex_);
  ++busy_;
  while (next_ < pieces_) {
    const std::size_t piece = next_++;
    lock.unlock();
    std::exception_ptr failure;
    try {
      work_(piece, worker);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && (!failure_ || piece < failed_piece_)) {
      failure_ = failure;
      failed_piece_ = piece;
      // Those before it are under way already or done; those after it do not matter any more.
      next_ = pieces_;
    }
  }
  if (--busy_ == 0) {
    work_done_.notify_all();
  }
}

}  // namespace dsasim
