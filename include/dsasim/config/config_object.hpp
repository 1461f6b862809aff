#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// A JSON object that configures something: every value is asked for by its key, with its bounds, and what nobody asked
/// for is refused. Comments are allowed, equal keys are not. Everything throws ConfigError, which says where; a file
/// that cannot be read is a SystemError.
class ConfigObject {
 public:
  /// A file of the user's.
  static ConfigObject read(const std::string& path);
  /// `where` is what errors call it.
  static ConfigObject parse(std::string where, std::string_view text);

  const std::string& where() const noexcept { return where_; }
  /// In the order of the file.
  std::vector<std::string> keys() const;
  bool has(std::string_view key) const;

  double number(std::string_view key, double least, double most);
  std::uint64_t integer(std::string_view key, std::uint64_t least, std::uint64_t most);
  bool flag(std::string_view key);
  std::string text(std::string_view key);
  /// A value, or an array of at least one, as an option takes them: numbers and true and false in their JSON form.
  std::vector<std::string> texts(std::string_view key);
  std::vector<std::uint64_t> integers(std::string_view key, std::uint64_t least, std::uint64_t most);
  ConfigObject object(std::string_view key);
  std::vector<ConfigObject> objects(std::string_view key);

  /// Replaces the value of a key that is there, from an option's text: a number, true, false, or otherwise a string.
  void set(std::string_view option, std::string_view key, std::string_view value);
  /// Throws for the first key that nobody asked for, naming those that somebody did.
  void refuse_unread() const;

  struct Value;
  const Value& value() const noexcept { return *value_; }

 private:
  ConfigObject(std::string where, std::shared_ptr<Value> value) : where_(std::move(where)), value_(std::move(value)) {}
  std::string where_of(std::string_view key) const;

  std::string where_;
  std::shared_ptr<Value> value_;
  std::vector<std::string> asked_;
};

/// No configuration is near; a device or a pipe without an end is refused there.
inline constexpr std::uint64_t max_config_bytes = std::uint64_t{1} << 26U;

/// The whole of a file. Throws SystemError if it cannot be read, or holds more than `max_bytes`.
std::string read_text(const std::string& path, std::uint64_t max_bytes);

/// The configurations in configs/`folder`, by name. They are part of the library.
std::vector<std::string_view> config_names(std::string_view folder);

/// Whether a name is that of a file of the user's: it holds a '/' or ends in ".json".
bool is_config_file(std::string_view name) noexcept;

/// One of them, or a file of the user's. Throws ConfigError(option, ...), which names the known ones.
ConfigObject named_config(std::string_view option, std::string_view folder, const std::string& name);

/// What reports call it: its name, or that of the file without folder and ".json".
std::string config_title(std::string_view name);

}  // namespace dsasim
