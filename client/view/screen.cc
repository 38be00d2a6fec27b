// SPDX-License-Identifier: Apache-2.0
#include "client/view/screen.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "client/view/units.h"

namespace pivot::client {
namespace {

constexpr char kHideCursor[] = "\x1b[?25l";
constexpr char kShowCursor[] = "\x1b[?25h";
constexpr char kWipeBelow[] = "\x1b[J";

}  // namespace

void Screen::Draw(const std::vector<std::string>& lines, size_t columns) {
  std::string text = Rewind(columns);
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  drawn_ = lines;
  Write(text);
}

void Screen::PrintAbove(absl::string_view text, size_t columns) {
  const std::vector<std::string> lines = drawn_;
  Write(absl::StrCat(Rewind(columns), text));
  drawn_.clear();
  if (!lines.empty()) Draw(lines, columns);
}

std::string Screen::Rewind(size_t columns) const {
  size_t rows = 0;
  // A terminal that became narrower has wrapped what was drawn.
  for (const std::string& line : drawn_) rows += std::max<size_t>(1, (DisplayWidth(line) + columns - 1) / columns);
  return rows == 0 ? "" : absl::StrCat("\x1b[", rows, "F", kWipeBelow);
}

void Screen::Write(const std::string& text) {
  // The cursor is hidden within one write only, so there is no way to end that leaves it hidden.
  *out_ << absl::StrCat(kHideCursor, text, kShowCursor) << std::flush;
}

}  // namespace pivot::client
