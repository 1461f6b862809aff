#include "response.hpp"

#include "array_source.hpp"
#include "base64_field.hpp"
#include "byte_source.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dsasim {
namespace {

class ResponseSource final : public CaptureSource {
 public:
  ResponseSource(const std::filesystem::path& path, const std::vector<JsonFields::Path>& fields,
                 const std::vector<ResponseArray>& arrays)
      : json_(path, fields), arrays_(arrays) {}

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
    while (strings_ <= array.string) {
      const auto event = json_.next();
      if (event == JsonFields::Event::end) {
        throw TraceError(array.where, "was changed while it was imported: it is gone");
      }
      strings_ += event == JsonFields::Event::field && json_.kind() == JsonKind::string ? 1U : 0U;
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
  std::uint64_t strings_ = 0;  ///< seen so far
  std::uint64_t steps_left_ = 0;
  std::unique_ptr<CaptureSource> source_;  ///< of the array before next_
};

class ResponseFile final : public CaptureFile {
 public:
  ResponseFile(std::filesystem::path path, std::vector<JsonFields::Path> fields, std::vector<ResponseArray> arrays,
               std::vector<std::string> notes)
      : path_(std::move(path)), fields_(std::move(fields)), arrays_(std::move(arrays)), notes_(std::move(notes)) {
    for (const ResponseArray& array : arrays_) {
      requests_.push_back(array.shape);
    }
  }

  const std::vector<CaptureShape>& requests() const override { return requests_; }
  std::vector<std::string> notes() const override { return notes_; }

  std::unique_ptr<CaptureSource> read() const override {
    return std::make_unique<ResponseSource>(path_, fields_, arrays_);
  }

 private:
  std::filesystem::path path_;
  std::vector<JsonFields::Path> fields_;
  std::vector<ResponseArray> arrays_;
  std::vector<std::string> notes_;
  std::vector<CaptureShape> requests_;
};

}  // namespace

std::unique_ptr<CaptureFile> ResponseList::file(std::vector<JsonFields::Path> fields,
                                                const std::set<std::string>& unread) && {
  if (requests_ == 0) {
    throw TraceError(path_.string(), "holds no response");
  }
  if (arrays_.empty()) {
    throw TraceError(path_.string(), "none of its {} requests can be used; the first: {}", requests_, skipped_.front());
  }
  return std::make_unique<ResponseFile>(path_, std::move(fields), std::move(arrays_), notes(unread));
}

std::vector<std::string> ResponseList::notes(const std::set<std::string>& unread) const {
  constexpr std::size_t most_reasons = 16;
  std::vector<std::string> out;
  if (!skipped_.empty()) {
    out.push_back(fmt::format("{}: {} of {} requests are left out{}", path_.string(), skipped_.size(), requests_,
                              skipped_.size() > most_reasons ? fmt::format("; the first {}:", most_reasons) : ":"));
    out.insert(out.end(), skipped_.begin(),
               skipped_.begin() + static_cast<std::ptrdiff_t>(std::min(skipped_.size(), most_reasons)));
  }
  for (const std::string& name : unread) {
    if (name.find("topk") != std::string::npos) {
      out.push_back(fmt::format("{}: {} is not read", path_.string(), printable(name)));
    }
  }
  return out;
}

std::string_view skip_bad_hint(const ImportOptions& options) {
  return options.skip_bad ? "" : "; `skip_bad` leaves out requests that cannot be used";
}

void require_first(const JsonFields& json, bool seen) {
  if (seen) {
    throw TraceError(json.place(), "{} is there twice", json.field_name());
  }
}

}  // namespace dsasim
