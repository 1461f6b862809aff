#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace CLI {
class App;
}

namespace dsasim::tool {

inline constexpr int exit_done = 0;
inline constexpr int exit_negative = 1;   ///< the answer is no: damage found, a difference
inline constexpr int exit_user = 2;       ///< the user's input is wrong
inline constexpr int exit_internal = 70;  ///< our own fault

/// One command: one file, one row of the list in main.cpp.
struct Command {
  std::string_view name;
  std::string_view description;
  std::string_view example;
  /// Declares the options; what it returns is run when the command was chosen, and gives the exit status.
  std::function<int()> (*add)(CLI::App& app);
};

std::function<int()> add_allocate(CLI::App& app);
std::function<int()> add_compare(CLI::App& app);
std::function<int()> add_completion(CLI::App& app);
std::function<int()> add_curve(CLI::App& app);
std::function<int()> add_diff(CLI::App& app);
std::function<int()> add_export(CLI::App& app);
std::function<int()> add_import(CLI::App& app);
std::function<int()> add_gather(CLI::App& app);
std::function<int()> add_generate(CLI::App& app);
std::function<int()> add_info(CLI::App& app);
std::function<int()> add_kernels(CLI::App& app);
std::function<int()> add_knee(CLI::App& app);
std::function<int()> add_verify(CLI::App& app);
std::function<int()> add_analyze(CLI::App& app);
std::function<int()> add_predict(CLI::App& app);
std::function<int()> add_plan(CLI::App& app);
std::function<int()> add_replay(CLI::App& app);
std::function<int()> add_report(CLI::App& app);
std::function<int()> add_step(CLI::App& app);
std::function<int()> add_study(CLI::App& app);
std::function<int()> add_sweep(CLI::App& app);
std::function<int()> add_man(CLI::App& app);
std::function<int()> add_merge(CLI::App& app);
std::function<int()> add_policies(CLI::App& app);
std::function<int()> add_memories(CLI::App& app);
std::function<int()> add_models(CLI::App& app);
std::function<int()> add_gpus(CLI::App& app);
std::function<int()> add_roofline(CLI::App& app);

}  // namespace dsasim::tool
