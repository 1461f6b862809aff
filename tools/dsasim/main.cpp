// The command line: the list of commands, and what every command has in common.

#include "command.hpp"
#include "files.hpp"
#include "manual.hpp"
#include "options.hpp"
#include "output.hpp"
#include "signals.hpp"

#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"
#include "dsasim/version.hpp"

#include <fmt/core.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace dsasim::tool {
namespace {

constexpr std::array commands = {
    Command{.name = "import",
            .description = "Make a .dsat trace of captured selections",
            .example = "dsasim import response.json --model deepseek-v3.2 -o response.dsat",
            .add = add_import},
    Command{.name = "export",
            .description = "Write a trace for other tools: npz, csv, libCacheSim, addresses for DRAM simulators",
            .example = "dsasim export --to oracle-general batch.dsat -o batch.oracleGeneral",
            .add = add_export},
    Command{.name = "info",
            .description = "Show the header of a trace: shape, provenance, size",
            .example = "dsasim info batch.dsat",
            .add = add_info},
    Command{.name = "verify",
            .description = "Read and check every byte of a trace",
            .example = "dsasim verify batch.dsat",
            .add = add_verify},
    Command{.name = "generate",
            .description = "Make a synthetic trace, from published statistics or from those of another trace",
            .example = "dsasim generate --preset glm-5.1 --steps 200 -o synthetic.dsat",
            .add = add_generate},
    Command{.name = "analyze",
            .description = "Measure working sets, persistence, overlaps and more; of two traces, side by side",
            .example = "dsasim analyze batch.dsat",
            .add = add_analyze},
    Command{.name = "replay",
            .description = "Replay a trace through one cache configuration",
            .example = "dsasim replay batch.dsat --policy lru --scope stream --capacity 2x",
            .add = add_replay},
    Command{.name = "compare",
            .description = "Miss ratios of several policies at several capacities, beside Belady's bound",
            .example = "dsasim compare a.dsat b.dsat --policies hisparse,lru,clock --capacities 1x,1.5x,2x,4x",
            .add = add_compare},
    Command{.name = "predict",
            .description = "How much of the next selection a guess holds, by predictor, length and layer",
            .example = "dsasim predict batch.dsat --guesses 0.5x,1x,2x",
            .add = add_predict},
    Command{.name = "curve",
            .description = "Misses at many capacities, from one pass over a trace",
            .example = "dsasim curve batch.dsat --policy lru --capacities 1x,2x,4x,8x",
            .add = add_curve},
    Command{.name = "knee",
            .description = "The smallest capacity at which each policy reaches a target",
            .example = "dsasim knee batch.dsat --policy lru --policy hisparse --target miss_ratio=0.1",
            .add = add_knee},
    Command{.name = "allocate",
            .description = "Split one budget over layers or streams so that the trace misses least",
            .example = "dsasim allocate batch.dsat --budget 0.2ctx --json split.json",
            .add = add_allocate},
#ifdef DSASIM_PICTURES
    Command{.name = "report",
            .description = "Pictures of documents or traces: one HTML page that needs no network",
            .example = "dsasim report batch.dsat -o report.html",
            .add = add_report},
#endif
    Command{.name = "diff",
            .description =
                "Differences of two reports, of a report and a golden or a server's counters; exit status 1 if any",
            .example = "dsasim diff golden.json report.json --tolerance gather_ns=5%",
            .add = add_diff},
    Command{.name = "plan",
            .description =
                "KV in host memory behind hot buffers on the GPU, sized: slots, batch, time of a token, tokens/s",
            .example = "dsasim plan batch.dsat --model glm-5.1 --gpu h200 --tp 8 --context 32K --slo-tpot 60ms",
            .add = add_plan},
    Command{.name = "study",
            .description = "How much of a GPU's last-level cache to reserve, under which policy, and what it gains",
            .example = "dsasim study batch.dsat --gpu h200 --model deepseek-v3.2 --tp 8",
            .add = add_study},
    Command{.name = "sweep",
            .description = "Replay every point of a grid of options into a table; resumable",
            .example = "dsasim sweep grid.json -o grid.csv --jobs 8",
            .add = add_sweep},
    Command{.name = "merge",
            .description = "Join the parts that the shards of a sweep wrote",
            .example = "dsasim merge part1.csv part2.csv -o grid.csv",
            .add = add_merge},
    Command{.name = "roofline",
            .description = "GPUs, bandwidth and compute that a deployment needs at least",
            .example = "dsasim roofline --model deepseek-v3.2 --gpu h200 --context 131072 --batch 8 --rate 50",
            .add = add_roofline},
    Command{.name = "step",
            .description = "The time of one decode step of a serving stack, by part, without a trace",
            .example = "dsasim step --model deepseek-v3.2 --gpu h200 --tp 8 --batch 16 --context 65536",
            .add = add_step},
    Command{.name = "gather",
            .description = "Predict the time of one gather of rows from a memory",
            .example = "dsasim gather --memory h200 --rows 2048 --row-bytes 1152 --hot 0.5",
            .add = add_gather},
    Command{.name = "policies",
            .description = "List the replacement policies, their parameters and their sources",
            .example = "dsasim policies",
            .add = add_policies},
    Command{
        .name = "memories", .description = "List the memory models", .example = "dsasim memories", .add = add_memories},
    Command{.name = "models",
            .description = "List the models, with their sources and what is assumed",
            .example = "dsasim models",
            .add = add_models},
    Command{.name = "gpus",
            .description = "List the GPUs, with their sources and what is assumed",
            .example = "dsasim gpus",
            .add = add_gpus},
    Command{.name = "kernels",
            .description = "List the measured kernels of GPUs; predict the rows of a file of measurements",
            .example = "dsasim kernels --gpu h200 --kind gemm --csv gemm.csv",
            .add = add_kernels},
    Command{.name = "man",
            .description = "Print the man page of a command, or of the whole tool",
            .example = "dsasim man replay | man -l -",
            .add = add_man},
    Command{.name = "completion",
            .description = "Print the script that completes commands, options and names in bash, zsh or fish",
            .example = "dsasim completion bash > ~/.local/share/bash-completion/completions/dsasim",
            .add = add_completion},
};

/// One line, whatever CLI11 wrote.
std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) {
    text.replace(at, 1, "; ");
  }
  return text;
}

/// What no option and no input of the command is.
std::string extras_text(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining(/*recurse=*/true);
  const auto is_option = [](const std::string& text) { return text.size() > 1 && text.starts_with('-'); };
  const auto found = std::find_if(extras.begin(), extras.end(), is_option);
  const CLI::App& command = app.get_subcommands().empty() ? app : *app.get_subcommands().front();
  if (found == extras.end()) {
    return fmt::format("{}: expected no further input, found \"{}\"", command.get_name(), extras.front());
  }
  std::vector<std::string> options = option_keys(command);
  for (std::string& option : options) {
    option.insert(0, "--");
  }
  return fmt::format("{}: unknown option {}", command.get_name(), unknown_name(*found, options));
}

/// CLI11 says only that a subcommand is required, whatever stands in its place.
void check_command(const std::vector<std::string>& arguments) {
  const std::string_view given = arguments.empty() ? std::string_view() : arguments.front();
  const auto is_given = [&](const Command& command) { return command.name == given; };
  constexpr std::array<std::string_view, 3> own_options = {"-h", "--help", "--version"};
  if (std::none_of(commands.begin(), commands.end(), is_given) &&
      std::find(own_options.begin(), own_options.end(), given) == own_options.end()) {
    std::vector<std::string_view> names;
    std::transform(commands.begin(), commands.end(), std::back_inserter(names), [](const auto& c) { return c.name; });
    throw ConfigError("command", "expected one of {}, found {}", fmt::join(names, ", "),
                      !arguments.empty() ? fmt::format("\"{}\"{}", given, did_you_mean(given, names)) : "none");
  }
}

/// `help COMMAND` is `COMMAND --help`, `help` is `--help`.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (!arguments.empty() && arguments.front() == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  return arguments;
}

/// What a bug report must say; the first line is the version alone.
std::string version_text() {
  return fmt::format("{}\n{}trace format 1 to {}", version(),
                     commit().empty() ? std::string() : fmt::format("commit {}\n", commit()), trace_format());
}

int run(const std::string& program, std::vector<std::string> arguments) {
  CLI::App app{"Replays captured selections of sparse attention through models of a KV cache."};
  app.name(program);
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.formatter(help_formatter());
  std::vector<std::pair<CLI::App*, std::function<int()>>> added;
  for (const Command& command : commands) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.description));
    sub->footer(fmt::format("Example:\n  {}\n", command.example));
    added.emplace_back(sub, command.add(*sub));
    add_config_option(*sub);
  }
  check_command(arguments);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(arguments);
  } catch (const CLI::ExtrasError&) {
    say(fmt::format("dsasim: {}\n", one_line(extras_text(app))));
    return exit_user;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app.exit(error) == 0 ? exit_done : exit_internal;  // --help and --version
    }
    say(fmt::format("dsasim: {} (--help lists the options)\n", one_line(usage_text(error))));
    return exit_user;
  }
  for (const auto& [sub, action] : added) {
    if (sub->parsed()) {
      apply_config_file(*sub);
      files_of(*sub);  // refuses outputs that are inputs
      return action();
    }
  }
  return exit_internal;
}

}  // namespace
}  // namespace dsasim::tool

int main(int argc, char** argv) {
  using namespace dsasim::tool;
  const auto fail = [](int status, const char* kind, const std::exception& error) {
    say(fmt::format("dsasim: {}{}\n", kind, one_line(with_options(error.what()))));
    return status;
  };
  try {
    hold_standard_streams();
    end_cleanly_on_signals();
    const char* const no_color = std::getenv("NO_COLOR");  // https://no-color.org
    spdlog::set_default_logger(spdlog::stderr_color_st("dsasim", no_color != nullptr && *no_color != '\0'
                                                                     ? spdlog::color_mode::never
                                                                     : spdlog::color_mode::automatic));
    spdlog::set_pattern("%n: %^%l%$: %v");
    const int status = run(argc > 0 ? argv[0] : "dsasim", arguments_of(argc, argv));
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      throw dsasim::SystemError("stdout", "cannot be written: {}", std::strerror(errno));
    }
    return status;
  } catch (const dsasim::Error& error) {
    return fail(exit_user, "", error);
  } catch (const CLI::Error& error) {
    return fail(exit_user, "", error);
  } catch (const std::system_error& error) {
    return fail(exit_user, "", error);  // fmt::print into a full disk
  } catch (const std::exception& error) {
    return fail(exit_internal, "internal error: ", error);
  }
}
