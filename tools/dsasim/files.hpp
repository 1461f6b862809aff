#pragma once

#include "options.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

// Which files a command reads and writes: an output replaces neither an input nor another output.

namespace dsasim::tool {

/// An option that names a file to write, "-" being stdout. `type` is what --help calls its value, behind "OUT": that is
/// how files_of() knows it. An option that names a file to read has a type with FILE, TRACE, .json or .csv in it; it
/// ends in "|-" if the option takes stdin too.
Option add_output_option(CLI::App& app, const std::string& names, std::string& path, const std::string& description,
                         const std::string& type = "");

/// Files are told apart by device and inode, those that are not there yet by their folder and name; devices and pipes
/// may be named any number of times.
class Files {
 public:
  /// `what` is what errors call it: an option, or the name of an input. Throws ConfigError if stdin ("-") is read
  /// already.
  void read(const std::string& what, const std::string& path);
  /// Throws ConfigError if the file is read or written already. All that is read comes first.
  void write(const std::string& option, const std::string& path);

 private:
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::string name;  ///< in the folder of this inode; empty for the file itself

    bool operator<(const Identity& other) const noexcept {
      return std::tie(device, inode, name) < std::tie(other.device, other.inode, other.name);
    }
  };
  static std::optional<Identity> identity_of(const std::string& path);

  std::map<Identity, std::string> uses_;  ///< what each is, for errors
};

/// The files that the options of a command name. Throws ConfigError as Files::read() and Files::write() do, and for "-"
/// as the input of an option that does not take stdin.
Files files_of(const CLI::App& command);

}  // namespace dsasim::tool
