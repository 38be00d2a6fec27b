// SPDX-License-Identifier: Apache-2.0
#include "server/store/filter_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "server/convert.h"
#include "server/errors.h"

namespace pivot {
namespace {

constexpr size_t kMaxShownBytes = 40;

}  // namespace

bool IsWordByte(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("_./-", c); }

void FilterText::SkipSpace() {
  while (!at_end() && absl::ascii_isspace(static_cast<unsigned char>(next()))) ++position_;
}

bool FilterText::TakeWord(absl::string_view word) {
  const size_t begin = position_;
  if (Word() == word) return true;
  position_ = begin;
  return false;
}

absl::string_view FilterText::Word() {
  const size_t begin = position_;
  while (!at_end() && IsWordByte(next())) ++position_;
  return text_.substr(begin, position_ - begin);
}

std::string FilterText::Shown(size_t begin) const {
  if (begin >= text_.size()) return "the end";
  size_t end = begin;
  while (end < text_.size() && IsWordByte(text_[end])) ++end;
  // A parenthesis is one by itself, whatever follows.
  if (end == begin && absl::StrContains("()", text_[begin])) ++end;
  if (end == begin) end = std::min(text_.find_first_of(" \t\r\n", begin), text_.size());
  return absl::StrCat("'", Utf8Tail(text_.substr(begin, std::min(end - begin, kMaxShownBytes)), kMaxShownBytes), "'");
}

absl::Status FilterText::FaultAt(size_t position, absl::string_view message) {
  return InvalidFilter(absl::StrCat("filter, character ", position + 1, ": ", message));
}

}  // namespace pivot
