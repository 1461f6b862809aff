#include "first_steps.hpp"

#include <algorithm>
#include <utility>

namespace dsasim {
namespace {

/// Passes over the steps that are too late, wherever they stand in the file.
class FirstStepsSource final : public CaptureSource {
 public:
  FirstStepsSource(std::unique_ptr<CaptureSource> inner, const std::vector<CaptureShape>& shapes)
      : inner_(std::move(inner)), shapes_(shapes), steps_(shapes.size()) {}

  void read_step(CaptureStep& step) override {
    do {
      inner_->read_step(step);
    } while (steps_[step.request] == shapes_[step.request].steps);
    ++steps_[step.request];
  }

 private:
  std::unique_ptr<CaptureSource> inner_;
  const std::vector<CaptureShape>& shapes_;  ///< shortened
  std::vector<std::uint64_t> steps_;         ///< given so far, of each request
};

class FirstStepsFile final : public CaptureFile {
 public:
  FirstStepsFile(std::unique_ptr<CaptureFile> inner, std::uint64_t steps)
      : inner_(std::move(inner)), requests_(inner_->requests()) {
    for (CaptureShape& shape : requests_) {
      shape.steps = std::min(shape.steps, steps);
    }
  }

  const std::vector<CaptureShape>& requests() const override { return requests_; }
  std::unique_ptr<CaptureSource> read() const override {
    return std::make_unique<FirstStepsSource>(inner_->read(), requests_);
  }

 private:
  std::unique_ptr<CaptureFile> inner_;
  std::vector<CaptureShape> requests_;
};

}  // namespace

std::unique_ptr<CaptureFile> first_steps(std::unique_ptr<CaptureFile> file, std::uint64_t steps) {
  return std::make_unique<FirstStepsFile>(std::move(file), steps);
}

}  // namespace dsasim
