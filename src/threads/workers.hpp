#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

namespace dsasim {

/// Threads that share out numbered pieces of work. With one job there are none: the caller does it all in finish().
class Workers {
 public:
  using Work = std::function<void(std::size_t piece, std::size_t worker)>;

  /// `jobs` at least 1, the caller's thread included. Where the system grants fewer threads, fewer share the work.
  explicit Workers(std::size_t jobs);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  std::size_t jobs() const noexcept { return threads_.size() + 1; }

  /// Begins work(piece, worker) for each piece below `pieces`, in any order; `worker` is below jobs() and never at two
  /// pieces at a time. One finish() follows each start().
  void start(std::size_t pieces, Work work);
  /// Helps, as worker 0, and returns when all is done. Throws what the first piece, by number, that failed threw.
  void finish();

  void run(std::size_t pieces, Work work) {
    start(pieces, std::move(work));
    finish();
  }

 private:
  /// Before any work: ends all threads but the first so many.
  void keep(std::size_t threads);
  void loop(std::size_t worker);
  void take_pieces(std::size_t worker);

  std::mutex mutex_;
  std::condition_variable work_ready_, work_done_;
  Work work_;
  std::size_t pieces_ = 0;
  std::size_t next_ = 0;               ///< piece
  std::atomic<std::size_t> busy_ = 0;  ///< threads that are at a piece, the caller's included
  std::atomic<std::uint64_t> starts_ = 0;
  bool stop_ = false;
  std::size_t kept_ = std::numeric_limits<std::size_t>::max();  ///< workers above this one end
  std::size_t failed_piece_ = 0;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace dsasim
