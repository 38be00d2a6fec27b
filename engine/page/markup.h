// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_MARKUP_H_
#define PIVOT_ENGINE_PAGE_MARKUP_H_

// HTML and SVG that are well-formed by construction.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace pivot::page {

/// Text becomes markup by being escaped and elements are closed as they are made: there is no other way to make one, so
/// that no name out of a file can become an element.
class Markup {
 public:
  Markup() = default;
  /// The text itself; control characters as "?".
  Markup(absl::string_view text);                                       // NOLINT(google-explicit-constructor)
  Markup(const std::string& text) : Markup(absl::string_view(text)) {}  // NOLINT(google-explicit-constructor)
  Markup(const char* text) : Markup(absl::string_view(text)) {}         // NOLINT(google-explicit-constructor)

  Markup& operator+=(const Markup& other);
  bool empty() const { return source_.empty(); }
  const std::string& source() const { return source_; }

 private:
  friend Markup Element(absl::string_view tag, const std::vector<std::pair<absl::string_view, std::string>>& attributes,
                        const Markup& content);

  std::string source_;
};

Markup operator+(Markup left, const Markup& right);

/// <tag name="value">content</tag>. Attributes without a value are left out. Requires names that are plain words.
Markup Element(absl::string_view tag, const std::vector<std::pair<absl::string_view, std::string>>& attributes,
               const Markup& content = {});

/// The text, or the beginning of it and an ellipsis where it has more than `max_bytes`. Never cuts a code point.
std::string Shortened(absl::string_view text, size_t max_bytes);

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_MARKUP_H_
