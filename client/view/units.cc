// SPDX-License-Identifier: Apache-2.0
#include "client/view/units.h"

namespace pivot::client {
namespace {

bool BeginsCodePoint(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

}  // namespace

size_t DisplayWidth(absl::string_view text) {
  size_t width = 0;
  for (const char c : text) width += BeginsCodePoint(c) ? 1 : 0;
  return width;
}

std::string CutToWidth(absl::string_view text, size_t columns) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!BeginsCodePoint(text[i])) continue;
    if (width == columns) return std::string(text.substr(0, i));
    ++width;
  }
  return std::string(text);
}

}  // namespace pivot::client
