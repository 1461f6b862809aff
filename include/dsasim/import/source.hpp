#pragma once

#include "dsasim/trace/header.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// What a capture says of all its ids, where it says anything. All requests of a batch agree.
struct CaptureEntries {
  std::optional<IdKind> kind = {};
  std::optional<std::uint32_t> unit_tokens = {};
  std::optional<std::uint32_t> page_tokens = {};
  std::optional<std::uint64_t> entry_bytes = {};

  bool operator==(const CaptureEntries&) const = default;
};

/// What one captured request says of itself before its first selection.
struct CaptureShape {
  std::uint64_t steps = 0;
  std::uint32_t layers = 0;
  std::uint32_t top_k = 0;                     ///< width of a row; shorter selections are padded
  std::optional<std::uint64_t> prompt_tokens;  ///< if the capture knows it
  bool has_scores = false;
  std::uint64_t first_row = 0;             ///< rows of the capture before the first step: those of the prompt
  std::vector<LayerInfo> layer_infos = {}; /**< one for each layer, if they are not the model's layers 0, 1, ... with an
                                                index of their own; empty otherwise */
  std::uint32_t start_step = 0;            ///< of the batch, at which its first step is
  CaptureEntries entries = {};
  /// As many rows as completion tokens, and nothing says which: step 0 may be the prompt's last row (decode_rows.hpp).
  bool may_start_early = false;
  bool says_owners = false;  ///< it says itself which layers own an index, be it that they select nothing
  bool has_queries = false;  ///< a step may have another number of queries than one that is accepted
  /// By layer, if the capture says which KV store each reads; empty otherwise. What a store leaves at 0 is as
  /// elsewhere: rows for each layer of the group, the unit and the bytes of all entries.
  std::vector<StoreInfo> stores = {};

  bool operator==(const CaptureShape&) const = default;
};

/// One step of one request.
struct CaptureStep {
  std::uint32_t request = 0;  ///< its number in the file
  std::uint32_t queries = 1;
  std::uint32_t accepted = 1;
  std::vector<std::int64_t> ids;      ///< queries x layers x top_k in C order, negative where padded
  std::vector<std::uint16_t> scores;  ///< the same shape, or empty if there are none
};

/// The selections of a file, read from front to back. A reader holds one step at a time (of each request, where those
/// are interleaved), whatever the size of the capture.
class CaptureSource {
 public:
  virtual ~CaptureSource() = default;
  /// The next step: the first call for a request gives its step 0, and so on. Requests follow one another or are
  /// interleaved. Called as often as the requests have steps. Throws TraceError for damage; what the ids mean is not
  /// looked at here.
  virtual void read_step(CaptureStep& step) = 0;
};

/// A file of captured requests: the only interface between a capture format and the trace. It holds no open file, since
/// a batch may have more files than a process can open.
class CaptureFile {
 public:
  virtual ~CaptureFile() = default;
  /// At least one.
  virtual const std::vector<CaptureShape>& requests() const = 0;
  /// Starts at the first step. Throws as CaptureSource::read_step does, and if the file is no longer what it was.
  virtual std::unique_ptr<CaptureSource> read() const = 0;
  /// What is in the file and not used, a sentence each.
  virtual std::vector<std::string> notes() const { return {}; }
};

}  // namespace dsasim
