#include "client/cli/table.h"

#include <algorithm>

namespace derin::cli {
namespace {

std::string Padded(const std::string& text, size_t width, Table::Align align) {
  const std::string spaces(width - std::min(width, DisplayWidth(text)), ' ');
  return align == Table::Align::kRight ? spaces + text : text + spaces;
}

}  // namespace

size_t DisplayWidth(std::string_view text) {
  // The bytes 10xxxxxx go on with a character of UTF-8 that was counted.
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::Print(std::ostream& out) const {
  std::vector<std::string> titles;
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    titles.push_back(columns_[c].title);
    size_t width = DisplayWidth(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[c]));
    widths.push_back(width);
  }
  const auto print = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (c > 0) line += "  ";
      line += Padded(row[c], widths[c], columns_[c].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  };
  print(titles);
  for (const auto& row : rows_) print(row);
}

void PrintFields(const std::vector<std::pair<std::string, std::string>>& fields,
                 std::ostream& out) {
  size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, DisplayWidth(name));
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    out << Padded(name, width, Table::Align::kLeft) << "  " << value << '\n';
  }
}

}  // namespace derin::cli
