// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_FILTER_TEXT_H_
#define PIVOT_SERVER_STORE_FILTER_TEXT_H_

// A filter's text, read from left to right.

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pivot {

class FilterText {
 public:
  explicit FilterText(absl::string_view text) : text_(text) {}

  /// Of the next byte, from 0.
  size_t position() const { return position_; }
  bool at_end() const { return position_ >= text_.size(); }
  /// Not at the end.
  char next() const { return text_[position_]; }
  absl::string_view rest() const { return text_.substr(position_); }

  void SkipSpace();
  void Skip(size_t bytes) { position_ += bytes; }
  /// Takes the word, if it is the next one: letters, digits, and _ . / - make words.
  bool TakeWord(absl::string_view word);
  /// Takes the longest word; empty when there is none.
  absl::string_view Word();

  /// What stands there, for a message: "'word'" or "the end".
  std::string Shown(size_t begin) const;

  /// kInvalidArgument INVALID_FILTER.
  static absl::Status FaultAt(size_t position, absl::string_view message);

 private:
  const absl::string_view text_;
  size_t position_ = 0;
};

/// Of a word.
bool IsWordByte(char c);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_FILTER_TEXT_H_
