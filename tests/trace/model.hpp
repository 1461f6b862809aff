#pragma once

// A trace as plain vectors: what a .dsat file must give back, and random ones to try it with.

#include "dsasim/error.hpp"
#include "dsasim/trace/reader.hpp"
#include "dsasim/trace/writer.hpp"

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace traces {

using Bytes = std::vector<std::uint8_t>;
using Random = std::mt19937_64;

struct Selection {
  std::vector<std::uint32_t> ids;
  std::vector<std::uint16_t> scores;  ///< empty without scores
  friend bool operator==(const Selection&, const Selection&) = default;
};
using Step = std::vector<Selection>;  ///< by layer; with several queries, one after the other

/// Of a step of a trace with queries.
struct Queries {
  std::uint32_t queries = 1;
  std::uint32_t accepted = 1;
  friend bool operator==(const Queries&, const Queries&) = default;
};

struct Model {
  dsasim::TraceHeader header;
  std::vector<std::vector<Step>> requests;
  std::vector<std::vector<Queries>> queries = {};  ///< of each step; empty if the header has none
};

/// A trace of `layers` layers and these prompts, without steps.
Model empty_model(std::uint32_t layers, const std::vector<std::uint64_t>& prompts);

/// What a random trace is drawn from.
struct Shape {
  std::uint32_t requests = 2;
  std::uint32_t layers = 2;
  std::uint32_t steps = 40;        ///< the most of any request
  std::uint64_t prompt = 100;      ///< the longest
  std::uint32_t selection = 32;    ///< the longest
  std::uint64_t physical_ids = 0;  ///< ids are physical and below this, if it is not 0
  std::uint32_t unit_tokens = 1;
  bool scores = false;
  std::uint32_t queries = 0;  ///< the most of a step; 0 for a trace without
  bool stores = false;        ///< layers share KV stores, which differ in unit and bytes
  double unsorted = 0.2;      ///< the part of the selections that are logged in another order than the ascending one
};
/// Selections overlap with those before, as real ones do; some are empty, of one id, or hold all there is.
Model random_model(Random& random, const Shape& shape);

/// Each request's selections one after the other, or interleaved at random if `interleave` is not null.
void write(const Model& model, const std::filesystem::path& path, const dsasim::WriterOptions& options = {},
           Random* interleave = nullptr);

/// All that the reader has, through one cursor for each request.
Model read_all(const dsasim::TraceReader& reader);
std::vector<Step> read_steps(const dsasim::TraceReader& reader, std::uint32_t request, std::uint64_t first,
                             std::uint64_t last);

/// Fails the test with the first place where they differ.
void check_same(const Model& found, const Model& expected);
bool same(const Model& a, const Model& b);
bool same_header(const dsasim::TraceHeader& a, const dsasim::TraceHeader& b);

/// The digest, from what docs/trace-format.md says of it.
std::string plain_digest(const Model& model);
/// The replay digest, likewise.
std::string plain_replay_digest(const Model& model);

Bytes read_bytes(const std::filesystem::path& path);
void write_bytes(const std::filesystem::path& path, const Bytes& bytes);

/// A file without a disk, for tests that write thousands.
class MemoryFile {
 public:
  MemoryFile();
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void write(const Bytes& bytes);
  std::filesystem::path path() const;

 private:
  int descriptor_;
};

/// The message of the TraceError that `action` throws, "" if it throws nothing. Other exceptions pass.
template <class Action>
std::string trace_error(Action action) {
  try {
    action();
  } catch (const dsasim::TraceError& error) {
    return error.what();
  }
  return "";
}

/// Fails the test unless `message` contains `part`.
void check_contains(const std::string& message, std::string_view part);

}  // namespace traces
