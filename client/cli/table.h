#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace derin::cli {

// Rows in aligned columns, two spaces apart, no spaces at the ends of lines.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);

  // As many cells as columns.
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // The titles, then the rows.
  void Print(std::ostream& out) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "name    value" lines with the values below each other; a name with an empty value is left out.
void PrintFields(const std::vector<std::pair<std::string, std::string>>& fields, std::ostream& out);

// Columns of a terminal that `text` takes, counting each character as one.
size_t DisplayWidth(std::string_view text);

}  // namespace derin::cli
