#pragma once

#include <string>
#include <string_view>

namespace dsasim {

/// The rows of a document that this project wrote as JSON, as a table (RFC 4180): its points, layers, differences and
/// so on, one after the other, `part` saying which each is of. Columns are the keys in the order in which they come;
/// those inside an object are joined by dots: tpot_ns.mean. What a row has not is empty. A document without rows is one
/// row. Throws ConfigError for what is no such document.
std::string csv_of(std::string_view document);

}  // namespace dsasim
