#include "replay/workers.hpp"

#include <utility>

namespace dsasim {

Workers::Workers(std::size_t jobs) {
  for (std::size_t worker = 1; worker < jobs; ++worker) {
    threads_.emplace_back([this, worker] { loop(worker); });
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
  }
  work_ready_.notify_all();
}

void Workers::finish() {
  take_pieces(0);
  std::unique_lock lock(mutex_);
  work_done_.wait(lock, [&] { return busy_ == 0; });
  if (failure_) {
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void Workers::loop(std::size_t worker) {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      work_ready_.wait(lock, [&] { return stop_ || next_ < pieces_; });
      if (stop_) {
        return;
      }
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
