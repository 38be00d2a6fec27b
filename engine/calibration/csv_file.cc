// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/csv_file.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

absl::Status InvalidRow(int64_t line, absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("line ", line, " ", problem)), "INVALID_TEXT");
}

/// Reads row after row.
class CsvReader {
 public:
  CsvReader(absl::string_view text, char separator) : rest_(text), separator_(separator) {
    absl::ConsumePrefix(&rest_, kByteOrderMark);
    SkipEmptyLines();
  }

  bool at_end() const { return rest_.empty(); }
  /// Of the next row's first line.
  int64_t line() const { return line_; }

  absl::StatusOr<std::vector<std::string>> NextRow() {
    std::vector<std::string> row;
    for (;;) {
      PIVOT_ASSIGN_OR_RETURN(std::string field, NextField());
      row.push_back(std::move(field));
      if (rest_.empty()) return row;
      if (rest_.front() == separator_) {
        rest_.remove_prefix(1);
        continue;
      }
      SkipEmptyLines();
      return row;
    }
  }

 private:
  bool ConsumeLineEnd() {
    if (!absl::ConsumePrefix(&rest_, "\r\n") && !absl::ConsumePrefix(&rest_, "\n")) return false;
    ++line_;
    return true;
  }

  void SkipEmptyLines() {
    while (ConsumeLineEnd()) {
    }
  }

  /// Leaves the reader at a separator, a line's end or the end.
  absl::StatusOr<std::string> NextField() {
    if (absl::StartsWith(rest_, "\"")) return QuotedField();
    const size_t size = std::min(rest_.find_first_of(std::string{separator_, '\n'}), rest_.size());
    absl::string_view field = rest_.substr(0, size);
    rest_.remove_prefix(size);
    if (absl::StartsWith(rest_, "\n")) absl::ConsumeSuffix(&field, "\r");
    if (field.find('"') != field.npos)
      return InvalidRow(line_, "has a double quote within a field that begins without");
    return std::string(field);
  }

  absl::StatusOr<std::string> QuotedField() {
    const int64_t first_line = line_;
    std::string field;
    rest_.remove_prefix(1);
    for (;;) {
      const size_t size = rest_.find('"');
      if (size == rest_.npos) return InvalidRow(first_line, "begins a field in double quotes that never ends");
      line_ += std::count(rest_.begin(), rest_.begin() + static_cast<int64_t>(size), '\n');
      absl::StrAppend(&field, rest_.substr(0, size));
      rest_.remove_prefix(size + 1);
      if (!absl::ConsumePrefix(&rest_, "\"")) break;
      field.push_back('"');
    }
    const bool ends =
        rest_.empty() || rest_.front() == separator_ || rest_.front() == '\n' || absl::StartsWith(rest_, "\r\n");
    if (!ends) return InvalidRow(line_, "goes on behind the closing quote of a field");
    return field;
  }

  absl::string_view rest_;
  char separator_;
  int64_t line_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadCsvColumn(absl::string_view text, char separator,
                                                       absl::string_view column) {
  CsvReader reader(text, separator);
  if (reader.at_end()) return InvalidRow(1, "is missing: a table begins with a row of names");
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> names, reader.NextRow());
  const auto found = std::find(names.begin(), names.end(), column);
  if (found == names.end()) {
    return InvalidRow(1, absl::StrCat("has no column \"", column, "\"; it names ", absl::StrJoin(names, ", "),
                                      ": choose one with the text key (--text-key)"));
  }
  const auto index = static_cast<size_t>(found - names.begin());
  std::vector<std::string> fields;
  while (!reader.at_end()) {
    const int64_t line = reader.line();
    PIVOT_ASSIGN_OR_RETURN(std::vector<std::string> row, reader.NextRow());
    if (row.size() != names.size()) {
      return InvalidRow(line, absl::StrCat("has ", row.size(), " fields, the first row has ", names.size()));
    }
    fields.push_back(std::move(row[index]));
  }
  return fields;
}

}  // namespace pivot
