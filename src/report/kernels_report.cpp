#include "dsasim/report/kernels_report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <iterator>
#include <map>
#include <string>

namespace dsasim {
namespace {

std::string percent(double part) {
  return fmt::format("{:.1f}%", 100 * part);
}

std::string title(const KernelTable& table) {
  return fmt::format("{}{}: {}\n", table.name(), table.lower_bound() ? " (a lower bound)" : "", table.source());
}

/// False if the class was not measured: it has no line then.
bool append_class(std::string& out, const KernelClass& known, const KernelTable& table) {
  const FittedClass* fitted = table.fitted(known.name);
  if (fitted == nullptr) {
    return false;
  }
  const auto& errors = fitted->errors;
  fmt::format_to(std::back_inserter(out), "  {:<24} {:>6} {:>6}  {}\n", known.name,
                 errors ? percent(errors->mean) : "-", errors ? percent(errors->worst) : "-", fitted->source);
  return true;
}

void append_costs(std::string& out, const KernelClass& known, const std::map<std::string, double, std::less<>>& costs) {
  for (const KernelParameter& parameter : known.parameters) {
    const auto cost = costs.find(parameter.name);
    fmt::format_to(std::back_inserter(out), "    {:<22} {:>9}  {}\n", parameter.name,
                   cost == costs.end() ? "0" : fmt::format("{}", cost->second), parameter.meaning);
  }
}

}  // namespace

std::string kernels_table(const KernelTable& table) {
  std::string out = title(table);
  for (const KernelClass& known : kernel_classes()) {
    append_class(out, known, table);
  }
  return out;
}

std::string kernel_costs_table(const KernelTable& table) {
  std::string out = title(table);
  for (const KernelClass& known : kernel_classes()) {
    if (append_class(out, known, table)) {
      append_costs(out, known, table.fitted(known.name)->parameters);
    }
  }
  return out;
}

std::string kernel_times_csv(const MeasuredRows& rows, const KernelTable& table) {
  std::string out = rows.header + ",predicted_us\n";
  for (const MeasuredRow& row : rows.rows) {
    double ns = 0;
    for (const Kernel& kernel : row.kernels) {
      ns += table.ns(kernel);
    }
    fmt::format_to(std::back_inserter(out), "{},{:.3f}\n", row.line, ns / 1000);
  }
  return out;
}

std::string kernel_terms_json(const MeasuredRows& rows) {
  nlohmann::ordered_json out;
  out["schema"] = kernel_terms_schema;
  auto& list = out["rows"] = nlohmann::ordered_json::array();
  for (const MeasuredRow& row : rows.rows) {
    auto terms = nlohmann::ordered_json::object();
    for (const Kernel& kernel : row.kernels) {
      for (const KernelTerm& term : kernel.terms) {
        terms[fmt::format("{}.{}", kernel.kernel_class, term.parameter)] = term.amount;
      }
    }
    list.push_back(std::move(terms));
  }
  return out.dump() + "\n";
}

}  // namespace dsasim
