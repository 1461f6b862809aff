#pragma once

#include "options.hpp"
#include "result.hpp"

#include <string_view>

namespace dsasim::tool {

/// Columns of the terminal that stdout is. 0: it is none, or shows no braille: TERM=dumb, or a locale without UTF-8.
unsigned plot_columns();

/// Declares --plot of `what`, in words, which is refused where no plot would be seen.
void add_plot_option(CLI::App& app, OptionRules& rules, bool& plot, const Result& result,
                     std::string_view what = "the miss ratios");

}  // namespace dsasim::tool
