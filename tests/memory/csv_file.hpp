#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace dsasim::test {

/// A row of a CSV file, by the names of its columns.
class CsvRow {
 public:
  explicit CsvRow(std::map<std::string, std::string> fields) : fields_(std::move(fields)) {}
  const std::string& text(const std::string& column) const { return fields_.at(column); }
  double number(const std::string& column) const { return std::stod(text(column)); }
  std::uint64_t integer(const std::string& column) const { return std::stoull(text(column)); }

 private:
  std::map<std::string, std::string> fields_;
};

inline std::vector<std::string> csv_fields(const std::string& line) {
  std::vector<std::string> fields;
  std::stringstream in(line);
  for (std::string field; std::getline(in, field, ',');) {
    fields.push_back(field);
  }
  return fields;
}

inline std::vector<CsvRow> parse_csv(std::istream& in) {
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> header = csv_fields(line);
  std::vector<CsvRow> rows;
  while (std::getline(in, line)) {
    const std::vector<std::string> fields = csv_fields(line);
    std::map<std::string, std::string> row;
    for (std::size_t i = 0; i < header.size(); ++i) {
      row[header[i]] = fields.at(i);
    }
    rows.emplace_back(std::move(row));
  }
  return rows;
}

inline std::vector<CsvRow> read_csv(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    throw std::runtime_error(path + " cannot be opened");
  }
  return parse_csv(in);
}

}  // namespace dsasim::test
