#include "diff/scrape.hpp"

#include "config/json_document.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {
namespace {

using Labels = std::map<std::string, std::string>;

/// Without the suffix of counters: as OpenMetrics declares it.
std::string_view plain_name(std::string_view metric) noexcept {
  constexpr std::string_view suffix = "_total";
  return metric.substr(0, metric.size() - suffix.size());
}

bool begins_name(char byte) noexcept {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte == ':';
}

bool is_blank(char byte) noexcept {
  return byte == ' ' || byte == '\t';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (is_blank(text.back()) || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

/// Takes what comes before a blank, and the blanks.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = trimmed(text.substr(end));
  return word;
}

/// As Prometheus writes numbers: a '+' may stand before one.
std::optional<double> value_of(std::string_view text) {
  return number_of<double>(text.substr(text.starts_with('+') ? 1 : 0));
}

struct SampleLine {
  std::string_view name;
  Labels labels;
  std::string_view value;
};

/// One line of a scrape: `name{label="value",...} number [timestamp] [# exemplar]`.
class LineReader {
 public:
  LineReader(const std::string& where, std::string_view text) : where_(where), text_(text), rest_(text) {}

  SampleLine read() {
    SampleLine sample;
    sample.name = name();
    if (sample.name.empty()) {
      refuse("the name of a metric");
    }
    if (rest_.starts_with('{')) {
      sample.labels = labels();
    }
    sample.value = take_word(rest_);
    if (!value_of(sample.value)) {
      refuse("a number behind the metric");
    }
    const std::string_view timestamp = rest_.starts_with('#') ? "" : take_word(rest_);
    if ((!timestamp.empty() && !value_of(timestamp)) || !(rest_.empty() || rest_.starts_with('#'))) {
      refuse("at most a timestamp behind the number");
    }
    return sample;
  }

 private:
  [[noreturn]] void refuse(std::string_view expected) const {
    throw ConfigError(where_, "expected {}, found \"{}\"", expected, printable_message(text_));
  }

  /// Of a metric or a label, and the blanks behind it.
  std::string_view name() {
    std::size_t end = 0;
    while (end < rest_.size() && (begins_name(rest_[end]) || (end > 0 && rest_[end] >= '0' && rest_[end] <= '9'))) {
      ++end;
    }
    const std::string_view name = rest_.substr(0, end);
    rest_ = trimmed(rest_.substr(end));
    return name;
  }

  bool take(char byte) {
    const bool found = rest_.starts_with(byte);
    rest_ = found ? trimmed(rest_.substr(1)) : rest_;
    return found;
  }

  Labels labels() {
    Labels labels;
    take('{');
    while (!take('}')) {
      const std::string label(name());
      if (label.empty() || !take('=') || !labels.emplace(label, quoted()).second) {
        refuse("labels, each once, as in {engine=\"0\"}");
      }
      if (!take(',') && !rest_.starts_with('}')) {
        refuse("a comma or } behind a label");
      }
    }
    return labels;
  }

  std::string quoted() {
    std::string out;
    for (std::size_t i = 1; i < rest_.size() && rest_.front() == '"'; ++i) {
      if (rest_[i] == '"') {
        rest_ = trimmed(rest_.substr(i + 1));
        return out;
      }
      const bool escapes = rest_[i] == '\\' && i + 1 < rest_.size();
      i += escapes ? 1 : 0;
      out += escapes && rest_[i] == 'n' ? '\n' : rest_[i];
    }
    refuse("the value of a label in quotation marks");
  }

  const std::string& where_;
  std::string_view text_;
  std::string_view rest_;
};

/// In one order, whatever the file's.
std::string labels_text(const Labels& labels) {
  std::vector<std::string> items;
  items.reserve(labels.size());
  for (const auto& [label, value] : labels) {
    items.push_back(fmt::format("{}=\"{}\"", label, value));
  }
  return labels.empty() ? "" : fmt::format("{{{}}}", fmt::join(items, ","));
}

std::uint64_t count_of(const std::string& where, std::string_view metric, std::string_view text) {
  const double value = *value_of(text);
  if (!(value >= 0 && value < 0x1p53 && value == std::floor(value))) {
    throw ConfigError(where, "{}: expected a whole number below 2^53 (beyond, a scrape is not exact), found {}", metric,
                      text);
  }
  return static_cast<std::uint64_t>(value);
}

/// A gauge of that name would not be what a server counts.
void check_type(const std::string& where, std::string_view comment) {
  take_word(comment);  // #
  if (take_word(comment) != "TYPE") {
    return;
  }
  const std::string_view name = take_word(comment);
  for (const BufferCounter& counter : buffer_counters) {
    if ((name == counter.metric || name == plain_name(counter.metric)) && comment != "counter" &&
        comment != "unknown" && comment != "untyped") {
      throw ConfigError(where, "{}: expected a counter, found the type \"{}\"", name, printable_message(comment));
    }
  }
}

void add_sample(Scrape& scrape, const std::string& where, std::size_t line, const SampleLine& sample) {
  for (std::size_t i = 0; i < buffer_counters.size(); ++i) {
    const std::string_view metric = buffer_counters[i].metric;
    const std::string_view plain = plain_name(metric);
    if (sample.name == metric) {
      const std::string labels = labels_text(sample.labels);
      const auto [known, is_new] =
          scrape.series[i].try_emplace(labels, ScrapeSample{count_of(where, metric, sample.value), line});
      if (!is_new) {
        throw ConfigError(where, "{}{} stands in line {} already", metric, printable_message(labels),
                          known->second.line);
      }
      if (const auto model = sample.labels.find("model_name"); model != sample.labels.end()) {
        scrape.model_names.insert(printable_message(model->second));
      }
    } else if (sample.name.starts_with(plain) && sample.name.substr(plain.size()) == "_created") {
      scrape.created[i].emplace(labels_text(sample.labels), sample.value);
    }
  }
}

void check_complete(const Scrape& scrape) {
  for (std::size_t i = 0; i < buffer_counters.size(); ++i) {
    if (scrape.series[i].empty()) {
      throw ConfigError(scrape.path, "expected the counter {}, which vLLM exports with its hot buffer; found none",
                        buffer_counters[i].metric);
    }
    for (const auto& [labels, sample] : scrape.series[0]) {
      if (!scrape.series[i].contains(labels)) {
        throw ConfigError(scrape.path, "line {}: expected {}{} as well, found none", sample.line,
                          buffer_counters[i].metric, printable_message(labels));
      }
    }
    if (scrape.series[i].size() != scrape.series[0].size()) {
      throw ConfigError(scrape.path, "expected as many series of {} as of {}, found {} and {}",
                        buffer_counters[i].metric, buffer_counters[0].metric, scrape.series[i].size(),
                        scrape.series[0].size());
    }
  }
}

}  // namespace

bool is_scrape(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (text[first] == '#' || begins_name(text[first]));
}

Scrape read_scrape(const NamedText& file) {
  Scrape scrape;
  scrape.path = file.path;
  std::string_view rest = file.text;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const std::string where = fmt::format("{}: line {}", file.path, line);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
      throw ConfigError(where, "expected the end of a line: the scrape is cut off");
    }
    const std::string_view text = trimmed(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    if (text.starts_with('#')) {
      check_type(where, text);
    } else if (!text.empty()) {
      add_sample(scrape, where, line, LineReader(where, text).read());
    }
  }
  check_complete(scrape);
  return scrape;
}

}  // namespace dsasim
