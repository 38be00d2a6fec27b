// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_SCREEN_H_
#define PIVOT_CLIENT_VIEW_SCREEN_H_

// Lines that are redrawn in place.

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pivot::client {

class Screen {
 public:
  /// Of a terminal; borrowed.
  explicit Screen(std::ostream* out) : out_(out) {}

  /// Puts `lines` where the last ones were. `columns` is the terminal's width just now.
  void Draw(const std::vector<std::string>& lines, size_t columns);

  /// Prints text above the lines; it stays.
  void PrintAbove(absl::string_view text, size_t columns);

  /// Leaves the lines as they are and begins below.
  void Keep() { drawn_.clear(); }

 private:
  /// What takes the cursor to where the lines began and wipes from there.
  std::string Rewind(size_t columns) const;
  void Write(const std::string& text);

  std::ostream* out_;
  std::vector<std::string> drawn_;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_SCREEN_H_
