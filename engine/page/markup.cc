// SPDX-License-Identifier: Apache-2.0
#include "engine/page/markup.h"

#include "absl/strings/str_cat.h"

#include "proto/text/quantity.h"

namespace pivot::page {
namespace {

/// For content and for values in double quotes.
void AppendEscaped(absl::string_view text, std::string* source) {
  for (const char c : Printable(text)) {
    switch (c) {
      case '&':
        source->append("&amp;");
        break;
      case '<':
        source->append("&lt;");
        break;
      case '>':
        source->append("&gt;");
        break;
      case '"':
        source->append("&quot;");
        break;
      case '\'':
        source->append("&#39;");
        break;
      default:
        source->push_back(c);
    }
  }
}

}  // namespace

Markup::Markup(absl::string_view text) { AppendEscaped(text, &source_); }

Markup& Markup::operator+=(const Markup& other) {
  source_ += other.source_;
  return *this;
}

Markup operator+(Markup left, const Markup& right) {
  left += right;
  return left;
}

Markup Element(absl::string_view tag, const std::vector<std::pair<absl::string_view, std::string>>& attributes,
               const Markup& content) {
  Markup element;
  absl::StrAppend(&element.source_, "<", tag);
  for (const auto& [name, value] : attributes) {
    if (value.empty()) continue;
    absl::StrAppend(&element.source_, " ", name, "=\"");
    AppendEscaped(value, &element.source_);
    element.source_ += '"';
  }
  // The one element here that HTML closes by itself.
  if (tag == "meta") {
    element.source_ += "/>";
  } else {
    absl::StrAppend(&element.source_, ">", content.source_, "</", tag, ">");
  }
  return element;
}

std::string Shortened(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return absl::StrCat(text.substr(0, end), "…");
}

}  // namespace pivot::page
