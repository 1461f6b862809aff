#pragma once

#include "model/selections.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// A checkpoint's config.json, as Hugging Face transformers keeps it beside the weights. null is no value, and a key
/// may stand in text_config or outside of it. Everything throws ConfigError, which begins with the file and names the
/// key.
class Checkpoint {
 public:
  using Json = nlohmann::json;

  /// The document of a file: any JSON.
  static Json parse(const std::string& path, std::string_view text);
  /// Whether it is an object that says the type of its model, as all checkpoints do.
  static bool recognises(const Json& document);

  /// An object.
  Checkpoint(std::string path, Json document);

  const std::string& path() const noexcept { return path_; }
  std::string model_type() const;
  /// Null if there is none.
  const Json* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  std::optional<std::uint64_t> number(std::string_view key, std::uint64_t least, std::uint64_t most) const;
  /// One that has to be there, since `purpose` ("the weights") follow from it.
  std::uint64_t need(std::string_view key, std::uint64_t least, std::string_view purpose) const;
  /// Of an array that may go on behind the model's layers, to its draft (MTP) layers: those of the layers.
  std::vector<std::uint64_t> numbers(std::string_view key, std::size_t layers) const;
  std::vector<std::string> words(std::string_view key, std::size_t layers) const;
  /// The object of that key, as a checkpoint of its own.
  std::optional<Checkpoint> object(std::string_view key) const;
  std::size_t layer_count() const;

 private:
  const Json& list(std::string_view key, std::size_t layers) const;

  std::string path_;
  Json document_;
};

/// Which layers select, whose index each uses, and what is selected: docs/formats.md lists the keys that say so, and
/// how public implementations read them. Keys that contradict each other, or say what a trace cannot hold, are refused.
Selections selections_of(const Checkpoint& checkpoint);

/// All of a model: one whose shapes follow from its type, every key that is missing being asked for, or one of
/// configs/models that has the checkpoint's type, shapes and selections.
Model model_of(const Checkpoint& checkpoint);

/// Bytes of an entry of so many tokens in one layer, of one head where each selects for itself, as serving stacks store
/// it for the checkpoint's type of model (docs/formats.md); 0 if unknown.
std::uint64_t entry_bytes_of(const Checkpoint& checkpoint, std::uint64_t unit_tokens);

}  // namespace dsasim
