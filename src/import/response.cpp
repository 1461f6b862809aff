#include "response.hpp"

#include "array_source.hpp"
#include "base64_field.hpp"
#include "dsasim/error.hpp"

namespace dsasim {
namespace {

class ResponseSource final : public CaptureSource {
 public:
  ResponseSource(const std::filesystem::path& path, const JsonFields::Path& field,
                 const std::vector<ResponseArray>& arrays)
      : json_(path, {field}), arrays_(arrays) {}

  void read_step(CaptureStep& step) override {
    if (steps_left_ == 0) {
      begin_array();
    }
    source_->read_step(step);
    step.request = static_cast<std::uint32_t>(next_ - 1);
    --steps_left_;
  }

 private:
  void begin_array() {
    const ResponseArray& array = arrays_.at(next_++);
    source_.reset();  // it still stands in the string of the array before
    for (auto event = json_.next(); event != JsonFields::Event::field || json_.kind() != JsonKind::string;
         event = json_.next()) {
      if (event == JsonFields::Event::end) {
        throw TraceError(array.where, "was changed while it was imported: it is gone");
      }
    }
    auto bytes = open_base64(json_, array.where, array.bytes);
    auto ids = array.header ? std::make_unique<NpyReader>(std::move(bytes), *array.header)
                            : std::make_unique<NpyReader>(std::move(bytes));
    ids->require_integers();
    source_ = read_arrays(std::move(ids), nullptr, array.shape);
    steps_left_ = array.shape.steps;
  }

  JsonFields json_;
  const std::vector<ResponseArray>& arrays_;
  std::size_t next_ = 0;
  std::uint64_t steps_left_ = 0;
  std::unique_ptr<CaptureSource> source_;  ///< of the array before next_
};

class ResponseFile final : public CaptureFile {
 public:
  ResponseFile(std::filesystem::path path, JsonFields::Path field, std::vector<ResponseArray> arrays)
      : path_(std::move(path)), field_(std::move(field)), arrays_(std::move(arrays)) {
    for (const ResponseArray& array : arrays_) {
      requests_.push_back(array.shape);
    }
  }

  const std::vector<CaptureShape>& requests() const override { return requests_; }

  std::unique_ptr<CaptureSource> read() const override {
    return std::make_unique<ResponseSource>(path_, field_, arrays_);
  }

 private:
  std::filesystem::path path_;
  JsonFields::Path field_;
  std::vector<ResponseArray> arrays_;
  std::vector<CaptureShape> requests_;
};

}  // namespace

std::unique_ptr<CaptureFile> response_file(const std::filesystem::path& path, JsonFields::Path field,
                                           std::vector<ResponseArray> arrays) {
  return std::make_unique<ResponseFile>(path, std::move(field), std::move(arrays));
}

void require_first(const JsonFields& json, bool seen) {
  if (seen) {
    throw TraceError(json.place(), "{} is there twice", json.field_name());
  }
}

}  // namespace dsasim
