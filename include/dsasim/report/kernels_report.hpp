#pragma once

#include "dsasim/step/kernel_table.hpp"
#include "dsasim/step/measured_kernels.hpp"

#include <string>
#include <string_view>

namespace dsasim {

inline constexpr std::string_view kernel_terms_schema = "dsasim-kernel-terms/1";

/// The classes of a table with their errors and sources, for a person.
std::string kernels_table(const KernelTable& table);
/// The same with each class's parameters: what they cost, and of what.
std::string kernel_costs_table(const KernelTable& table);

/// The file's rows with a column more, `predicted_us`.
std::string kernel_times_csv(const MeasuredRows& rows, const KernelTable& table);

/// For each row, how often each parameter is paid: {"CLASS.PARAMETER": amount}.
std::string kernel_terms_json(const MeasuredRows& rows);

}  // namespace dsasim
