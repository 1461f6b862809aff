#include "plan/over_time.hpp"

#include "dsasim/checked.hpp"
#include "plan/batch_point.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <span>
#include <utility>

namespace dsasim {
namespace {

Spread spread(std::vector<std::uint64_t> ns) {
  const Tpot of = summarise(std::move(ns));
  return {.mean_ns = of.mean_ns, .p95_ns = of.p95_ns, .p99_ns = of.p99_ns};
}

class Server {
 public:
  Server(StepTimeline& timeline, const MemoryAccount& memory, const ServedBuffers& buffers,
         const ArrivingRequests& arriving, const PlanConfig& config);

  bool fits_all() const;
  OverTime run(const std::function<void(double share)>& on_share);

 private:
  struct Progress {
    std::uint64_t arrived_ns = 0;
    std::uint64_t waiting_since_ns = 0;
    std::uint64_t waited_ns = 0;
    std::optional<std::uint64_t> admitted_ns = {};  ///< for the first time
    std::uint64_t decoded = 0;                      ///< tokens
  };
  struct Running {
    std::size_t request = 0;
    std::size_t gpu = 0;
    std::uint64_t steps = 0;  ///< since it was admitted
    RequestBytes bytes = {};
  };

  const Arriving& of(std::size_t request) const { return arriving_.requests[request]; }
  /// Tokens that the next one sees, its own included.
  std::uint64_t context(std::size_t request) const {
    return of(request).prompt_tokens + progress_[request].decoded + 1;
  }
  RequestBytes bytes_of(std::uint64_t context_tokens) const {
    return memory_.request(buffers_.held_slots, whole_pages(context_tokens));
  }
  bool holds(std::uint64_t entries, std::uint64_t context_tokens) const {
    return entries >= context_tokens / buffers_.unit_tokens;
  }
  bool host_holds(std::uint64_t bytes) const { return bytes <= memory_.most_host_bytes().value_or(bytes); }

  bool is_due(std::size_t request) const;
  void take_arrivals();
  void wait_for_arrival();
  void claim(const RequestBytes& bytes, std::size_t gpu);
  void release(const RequestBytes& bytes, std::size_t gpu);
  void grow();
  /// Sends requests back until the memory holds the others. Returns whether it did.
  bool make_room();
  void send_back(std::size_t place);
  void admit();
  void begin_stretch();
  StepQueries queries() const;
  /// Of each request, on the GPU that has least memory to spare.
  std::uint64_t resident_pages() const;
  /// Returns whether a request has entries that are neither in resident pages nor in its buffer.
  bool collect_misses(std::uint64_t resident_pages, const BufferMisses& misses);
  std::uint64_t step_ns();
  void step();

  StepTimeline& timeline_;
  const MemoryAccount& memory_;
  const ServedBuffers& buffers_;
  const ArrivingRequests& arriving_;
  const PlanConfig& config_;
  std::vector<Progress> progress_;
  std::size_t next_ = 0;  ///< that has not come in
  std::deque<std::size_t> queue_;
  std::vector<Running> running_;  ///< in the order in which they were admitted
  std::vector<std::uint64_t> gpu_bytes_;
  std::uint64_t host_bytes_ = 0;
  std::vector<LayerMisses> misses_;
  std::uint64_t now_ns_ = 0;
  std::uint64_t now_steps_ = 0;  ///< of arrivals that come by steps: an idle batch skips to the next
  bool changed_ = true;          ///< since the stretch began
  std::uint64_t sent_back_ = 0;  ///< likewise
  std::vector<std::uint64_t> waits_ns_;
  std::vector<std::uint64_t> tpots_ns_;
  double running_ns_ = 0;  ///< of all requests together
  OverTime result_;
};

Server::Server(StepTimeline& timeline, const MemoryAccount& memory, const ServedBuffers& buffers,
               const ArrivingRequests& arriving, const PlanConfig& config)
    : timeline_(timeline),
      memory_(memory),
      buffers_(buffers),
      arriving_(arriving),
      config_(config),
      progress_(arriving.requests.size()),
      gpu_bytes_(memory.request_gpus()) {
  waits_ns_.reserve(progress_.size());
  tpots_ns_.reserve(progress_.size());
}

bool Server::fits_all() const {
  return std::all_of(arriving_.requests.begin(), arriving_.requests.end(), [&](const Arriving& request) {
    const RequestBytes bytes = bytes_of(request.prompt_tokens + request.output_tokens);
    return bytes.gpu() <= memory_.free_bytes() && host_holds(bytes.host);
  });
}

bool Server::is_due(std::size_t request) const {
  return of(request).at <= (arriving_.in_steps ? now_steps_ : now_ns_);
}

void Server::take_arrivals() {
  for (; next_ < progress_.size() && is_due(next_); ++next_) {
    Progress& progress = progress_[next_];
    progress.arrived_ns = arriving_.in_steps ? now_ns_ : of(next_).at;
    progress.waiting_since_ns = progress.arrived_ns;
    queue_.push_back(next_);
    changed_ = true;
  }
}

void Server::wait_for_arrival() {
  (arriving_.in_steps ? now_steps_ : now_ns_) = of(next_).at;
  changed_ = true;
}

void Server::claim(const RequestBytes& bytes, std::size_t gpu) {
  gpu_bytes_[gpu] = checked_sum(gpu_bytes_[gpu], bytes.gpu(), "the bytes of a batch");
  host_bytes_ = checked_sum(host_bytes_, bytes.host, "the bytes of a batch");
}

void Server::release(const RequestBytes& bytes, std::size_t gpu) {
  gpu_bytes_[gpu] -= bytes.gpu();
  host_bytes_ -= bytes.host;
}

void Server::grow() {
  for (Running& running : running_) {
    const std::uint64_t tokens = context(running.request);
    if (tokens % kv_page_entries == 1) {  // the first of a page
      release(running.bytes, running.gpu);
      running.bytes = bytes_of(tokens);
      claim(running.bytes, running.gpu);
    }
  }
}

bool Server::make_room() {
  const std::size_t before = running_.size();
  for (std::size_t place = running_.size(); place-- > 0;) {
    if (gpu_bytes_[running_[place].gpu] > memory_.free_bytes() || !host_holds(host_bytes_)) {
      send_back(place);
    }
  }
  return running_.size() < before;
}

void Server::send_back(std::size_t place) {
  const Running running = running_[place];
  release(running.bytes, running.gpu);
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(place));
  progress_[running.request].waiting_since_ns = now_ns_;
  queue_.push_front(running.request);
  ++result_.preemptions;
  ++sent_back_;
  changed_ = true;
}

void Server::admit() {
  while (!queue_.empty() && running_.size() < config_.max_batch) {
    const std::size_t request = queue_.front();
    const RequestBytes bytes = bytes_of(context(request));
    const auto gpu =
        static_cast<std::size_t>(std::min_element(gpu_bytes_.begin(), gpu_bytes_.end()) - gpu_bytes_.begin());
    if (gpu_bytes_[gpu] + bytes.gpu() > memory_.free_bytes() || !host_holds(host_bytes_ + bytes.host)) {
      return;
    }
    claim(bytes, gpu);
    running_.push_back({.request = request, .gpu = gpu, .bytes = bytes});
    Progress& progress = progress_[request];
    progress.waited_ns += now_ns_ - progress.waiting_since_ns;
    progress.admitted_ns = progress.admitted_ns.value_or(now_ns_);
    queue_.pop_front();
    changed_ = true;
  }
}

void Server::begin_stretch() {
  result_.stretches.push_back({.start_ns = now_ns_,
                               .running = running_.size(),
                               .waiting = queue_.size(),
                               .preemptions = std::exchange(sent_back_, 0)});
  changed_ = false;
}

/// Contexts are timed in whole pages: kernels are priced anew once a page, or when the batch changes.
StepQueries Server::queries() const {
  std::uint64_t sum = 0;
  std::uint64_t longest = 0;
  for (const Running& running : running_) {
    const std::uint64_t tokens = context(running.request);
    sum += tokens;
    longest = std::max(longest, tokens);
  }
  const std::uint64_t batch = running_.size();
  return {.batch = batch,
          .longest_tokens = whole_pages(longest),
          .context_tokens = batch * whole_pages((sum + batch - 1) / batch)};
}

std::uint64_t Server::resident_pages() const {
  if (!buffers_.spare_holds_pages) {
    return buffers_.resident_pages;
  }
  std::vector<std::uint64_t> requests(gpu_bytes_.size());
  for (const Running& running : running_) {
    ++requests[running.gpu];
  }
  std::uint64_t least = std::numeric_limits<std::uint32_t>::max();
  for (std::size_t gpu = 0; gpu < requests.size(); ++gpu) {
    least = requests[gpu] == 0 ? least : std::min(least, memory_.spare_pages(gpu_bytes_[gpu], requests[gpu]));
  }
  return buffers_.resident_pages + least;
}

/// A request has the misses of the traces' requests, one after the other. Beyond the steps of its own, the second half
/// of them comes again and again: the first steps fill the buffer.
bool Server::collect_misses(std::uint64_t resident_pages, const BufferMisses& misses) {
  misses_.assign(gpu_bytes_.size() * misses.layers, LayerMisses{});
  bool moves = false;
  for (const Running& running : running_) {
    if (holds(std::max(*buffers_.slots, resident_pages * resident_block_entries), context(running.request))) {
      continue;
    }
    moves = true;
    const RequestMisses& request = misses.requests[running.request % misses.requests.size()];
    const std::uint64_t steps = request.rows.size() / misses.layers;
    const std::uint64_t again = steps - steps / 2;
    const std::uint64_t at = running.steps < steps ? running.steps : steps / 2 + (running.steps - steps) % again;
    add_misses(request, at, std::span(misses_).subspan(running.gpu * misses.layers, misses.layers));
  }
  return moves;
}

std::uint64_t Server::step_ns() {
  const std::uint64_t pages = resident_pages();
  const bool all_resident = std::all_of(running_.begin(), running_.end(), [&](const Running& running) {
    return holds(pages * resident_block_entries, context(running.request));
  });
  if (!buffers_.misses || all_resident) {
    return timeline_.compute_ns(queries());
  }
  const BufferMisses& misses = buffers_.misses(pages, host_bytes_);
  const bool moves = collect_misses(pages, misses);
  const HotBuffer buffer{
      .slots = *buffers_.slots, .context_fits = !moves, .looked_up = pages > 0 ? misses.looked_up_share() : 1};
  return timeline_.step(queries(), buffer, misses_).ns;
}

void Server::step() {
  const std::uint64_t ns = step_ns();
  now_ns_ = checked_sum(now_ns_, ns, "the time of all steps");
  ++now_steps_;
  running_ns_ += static_cast<double>(ns) * static_cast<double>(running_.size());
  BatchStretch& stretch = result_.stretches.back();
  stretch.ns += ns;
  ++stretch.steps;
  stretch.gpu_bytes = *std::max_element(gpu_bytes_.begin(), gpu_bytes_.end());
  stretch.host_bytes = host_bytes_;
  ++result_.steps;
  result_.tokens += running_.size();
  const auto is_done = [&](Running& running) {
    Progress& progress = progress_[running.request];
    ++running.steps;
    if (++progress.decoded < of(running.request).output_tokens) {
      return false;
    }
    release(running.bytes, running.gpu);
    waits_ns_.push_back(progress.waited_ns);
    tpots_ns_.push_back((now_ns_ - *progress.admitted_ns) / progress.decoded);
    changed_ = true;
    return true;
  };
  running_.erase(std::remove_if(running_.begin(), running_.end(), is_done), running_.end());
}

OverTime Server::run(const std::function<void(double share)>& on_share) {
  constexpr std::size_t between_reports = 1024;  // steps
  while (tpots_ns_.size() < progress_.size()) {
    take_arrivals();
    grow();
    if (!make_room()) {
      admit();
    }
    if (running_.empty()) {
      wait_for_arrival();
      continue;
    }
    if (changed_) {
      begin_stretch();
    }
    result_.most_running = std::max<std::uint64_t>(result_.most_running, running_.size());
    step();
    if (result_.steps % between_reports == 0) {
      on_share(static_cast<double>(tpots_ns_.size()) / static_cast<double>(progress_.size()));
    }
  }
  result_.requests = progress_.size();
  result_.duration_ns = now_ns_ - progress_.front().arrived_ns;
  result_.mean_running = running_ns_ / static_cast<double>(result_.duration_ns);
  result_.wait = spread(std::move(waits_ns_));
  result_.tpot = spread(std::move(tpots_ns_));
  return std::move(result_);
}

}  // namespace

std::optional<OverTime> serve(StepTimeline& timeline, const MemoryAccount& memory, const ServedBuffers& buffers,
                              const ArrivingRequests& arriving, const PlanConfig& config,
                              const std::function<void(double share)>& on_share) {
  Server server(timeline, memory, buffers, arriving, config);
  return server.fits_all() ? std::optional(server.run(on_share)) : std::nullopt;
}

}  // namespace dsasim
