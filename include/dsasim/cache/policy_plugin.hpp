#pragma once

// A policy outside this repository, in a file of its own that --policy ./NAME.so loads: docs/own-policy.md.

#include "dsasim/cache/policy_row.hpp"
#include "dsasim/cache/queue_policy.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace dsasim {

/// What a plugin and the library must agree about, because each calls what the other has compiled. `number` grows when
/// something that both see means something else than before; the rest finds what was added or taken away.
struct PolicyInterface {
  std::array<char, 16> name{'d', 's', 'a', 's', 'i', 'm', ' ', 'p', 'o', 'l', 'i', 'c', 'y'};
  std::uint32_t number = 1;
#ifdef _GLIBCXX_DEBUG
  std::uint32_t debug_containers = 1;
#else
  std::uint32_t debug_containers = 0;
#endif
  std::array<std::size_t, 8> bytes{sizeof(PolicyRow),       sizeof(PolicySetup),     sizeof(PolicySpec),
                                   sizeof(PolicyParameter), sizeof(CacheUse),        sizeof(SelectionOrigin),
                                   sizeof(SelectionView),   sizeof(SelectionOutcome)};
  /// A pointer to a virtual function holds its place in the table of these: here that of the last.
  std::array<std::size_t, 2> last_function =
      std::bit_cast<std::array<std::size_t, 2>, bool (Cache::*)() const>(&Cache::invariant);

  friend bool operator==(const PolicyInterface&, const PolicyInterface&) = default;
};

/// What a plugin defines, once, as `dsasim_policy_plugin`.
struct PolicyPlugin {
  PolicyInterface interface;
  std::span<const PolicyRow> rows;  ///< of one name, that differ in what is replaced at a time
};

/// Adds policies of one name to those that can be named, from now on and for all threads. Throws ConfigError, which
/// begins with `where`, for a name that is taken.
void register_policies(std::span<const PolicyRow> rows, std::string_view where);

/// The same for a program that uses the library, and has the policy in its own source.
template <Policy... P>
void register_policy() {
  static constexpr std::array rows{policy_row<P>()...};
  register_policies(rows, "register_policy");
}

/// Loads a plugin and registers its policies; once, however often it is asked for. Returns their name. Throws
/// ConfigError for what is no plugin, and for one that was compiled with other headers.
std::string load_policy(const std::string& path, std::string_view where);

}  // namespace dsasim

/// Makes a plugin of the policies: one, or one for each kind of replacement.
#define DSASIM_POLICY(...)                                                                              \
  namespace {                                                                                           \
  template <dsasim::Policy... P>                                                                        \
  constexpr std::array<dsasim::PolicyRow, sizeof...(P)> dsasim_policy_rows{dsasim::policy_row<P>()...}; \
  }                                                                                                     \
  extern "C" __attribute__((visibility("default"))) const dsasim::PolicyPlugin dsasim_policy_plugin {   \
    dsasim::PolicyInterface{}, dsasim_policy_rows<__VA_ARGS__>                                          \
  }
