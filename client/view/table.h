// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_TABLE_H_
#define PIVOT_CLIENT_VIEW_TABLE_H_

// Text in columns.

#include <string>
#include <utility>
#include <vector>

namespace pivot::client {

enum class Align { kLeft, kRight };

class Table {
 public:
  /// One entry a column; a table without any heading is printed without a heading line.
  struct Column {
    std::string heading;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Missing cells are empty; further ones are an error of the caller.
  void AddRow(std::vector<std::string> cells);

  /// Lines with LF, columns two spaces apart, no spaces at line ends.
  std::string Render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_TABLE_H_
