#include "command.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plot.hpp"
#include "replay_options.hpp"
#include "result.hpp"

#include "dsasim/compare/compare.hpp"
#include "dsasim/report/compare_report.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace dsasim::tool {
namespace {

struct Options : ReplayRun {
  std::vector<std::string> traces;
  CompareConfig compare;
  Result result;
  bool plot = false;
};

int run(Options& options) {
  options.rules.check();
  const OpenTraces open = open_traces(options.traces, options.spec);
  options.result.open();
  options.compare.replay = options.spec.config;
  Progress progress("compare");
  const CompareResult result =
      compare(open.views, options.compare, options.jobs, [&](double share) { progress.update_share(share); });
  options.result.write(
      [&] { return compare_json(result); },
      [&] { return compare_table(result) + (options.plot ? "\n" + compare_plot(result, plot_columns()) : ""); });
  return exit_done;
}

/// Policies have commas in their parameters: an item of the list without a '=' begins the next one.
std::vector<PolicySpec> parse_policies(std::string_view text) {
  std::vector<std::string> names;
  for (const std::string_view item : list_items(text)) {
    if (item.find('=') == std::string_view::npos || names.empty()) {
      names.emplace_back(item);
    } else {
      names.back() += fmt::format(",{}", item);
    }
  }
  std::vector<PolicySpec> policies;
  for (const std::string& name : names) {
    PolicySpec policy = parse_policy(name, "--policies");
    if (std::find(policies.begin(), policies.end(), policy) != policies.end()) {
      throw ConfigError("--policies", "{} is there twice", name);
    }
    policies.push_back(std::move(policy));
  }
  return policies;
}

}  // namespace

std::function<int()> add_compare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->compare.policies = parse_policies("hisparse,lru,fifo,clock,lfu");
  for (const char* capacity : {"1x", "1.5x", "2x", "4x"}) {
    options->compare.capacities.push_back(Capacity::parse(capacity));
  }
  add_texts(app, "trace", options->traces, "Traces to replay (.dsat)").required().type("TRACE");
  add_option(
      app, "--policies",
      [options = options.get()](const std::string& text) { options->compare.policies = parse_policies(text); },
      "Replacement policies; gaps to the bound are measured from the first [hisparse,lru,fifo,clock,lfu]")
      .type("NAME[,key=value...],...")
      .list();
  add_capacities_options(app, options->compare.capacities, "Of each cache: entries, 20MiB, 2x, 0.2ctx [1x,1.5x,2x,4x]");
  add_replay_fields(app, *options, {FieldGroup::cache, FieldGroup::workload}, {"policy", "capacity", "budget"});
  add_machine_options(app, options->jobs);
  options->result.add_options(app, "the comparison");
  add_plot_option(app, options->rules, options->plot, options->result);
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
