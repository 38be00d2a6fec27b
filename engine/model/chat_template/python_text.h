// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_PYTHON_TEXT_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_PYTHON_TEXT_H_

// Python's str over UTF-8: characters are code points. All texts are valid UTF-8.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pivot::chat {

std::vector<absl::string_view> CharactersOf(absl::string_view text);
int64_t CountCharacters(absl::string_view text);

/// Without white space (Python's str.isspace), or without the characters of `set`, at one end.
absl::string_view StripLeft(absl::string_view text);
absl::string_view StripRight(absl::string_view text);
absl::string_view StripLeft(absl::string_view text, absl::string_view set);
absl::string_view StripRight(absl::string_view text, absl::string_view set);

/// Unicode's simple mappings: one character for one.
std::string Upper(absl::string_view text);
std::string Lower(absl::string_view text);
/// The first character upper, the rest lower case.
std::string Capitalize(absl::string_view text);
/// str.title(): a letter behind anything but a letter upper, the rest lower case.
std::string Title(absl::string_view text);

/// str.split() and str.split(separator), which is not empty; at most `max_splits` splits, or all when it is negative.
std::vector<std::string> SplitWords(absl::string_view text, int64_t max_splits);
std::vector<std::string> SplitBy(absl::string_view text, absl::string_view separator, int64_t max_splits);
/// The same from the right.
std::vector<std::string> SplitRightBy(absl::string_view text, absl::string_view separator, int64_t max_splits);
/// str.splitlines().
std::vector<std::string> SplitLines(absl::string_view text);

/// str.replace(): the first `count` places, or all when it is negative. An empty `from` is between all characters.
std::string Replace(absl::string_view text, absl::string_view from, absl::string_view to, int64_t count);

/// The place of the first or last `part` as a number of characters, -1 when there is none.
int64_t FindFirst(absl::string_view text, absl::string_view part);
int64_t FindLast(absl::string_view text, absl::string_view part);
/// How often `part` is in it without overlap; of an empty one, places between characters.
int64_t CountParts(absl::string_view text, absl::string_view part);

enum class CharacterTest { kAlpha, kDigit, kAlphaOrDigit, kSpace, kUpper, kLower };
/// str.isalpha() and its like. `kDigit` is str.isdigit() of decimal digits.
bool AllAre(absl::string_view text, CharacterTest test);

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_PYTHON_TEXT_H_
