// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/module_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <array>
#include <cstdint>
#include <optional>
#include <pcre2.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pivot {
namespace {

constexpr size_t kMostBytes = 1'000;
// An honest expression takes some hundred steps on a module's name.
constexpr uint32_t kMostSteps = 10'000;

std::string ErrorText(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

/// Length of the element that a glob begins with: a character, or a set with its brackets. Nothing: the set has no end.
std::optional<size_t> ElementLength(absl::string_view glob) {
  if (glob.front() != '[') return 1;
  const size_t first = glob.substr(1, 1) == "!" ? 2 : 1;
  const size_t end = glob.find(']', first + 1);
  if (end == glob.npos) return std::nullopt;
  return end + 1;
}

bool IsInSet(absl::string_view set, char character) {
  for (size_t i = 0; i < set.size();) {
    const bool is_range = i + 2 < set.size() && set[i + 1] == '-';
    const char last = is_range ? set[i + 2] : set[i];
    if (set[i] <= character && character <= last) return true;
    i += is_range ? 3 : 1;
  }
  return false;
}

bool ElementMatches(absl::string_view element, char character) {
  if (element.front() == '?') return true;
  if (element.front() != '[') return element.front() == character;
  absl::string_view set = element.substr(1, element.size() - 2);
  const bool negated = absl::ConsumePrefix(&set, "!");
  return IsInSet(set, character) != negated;
}

/// In as many steps as the product of the lengths: after a mismatch the last "*" takes one character more.
bool GlobMatches(absl::string_view glob, absl::string_view name) {
  absl::string_view after_star;  // what follows the last "*"
  absl::string_view after_run;   // and what it has not taken of the name
  bool has_star = false;
  while (!name.empty() || !glob.empty()) {
    if (!glob.empty() && glob.front() == '*') {
      glob.remove_prefix(1);
      has_star = true;
      after_star = glob;
      after_run = name;
      continue;
    }
    const size_t length = glob.empty() ? 0 : ElementLength(glob).value_or(glob.size());
    if (length > 0 && !name.empty() && ElementMatches(glob.substr(0, length), name.front())) {
      glob.remove_prefix(length);
      name.remove_prefix(1);
      continue;
    }
    if (!has_star || after_run.empty()) return false;
    after_run.remove_prefix(1);
    glob = after_star;
    name = after_run;
  }
  return true;
}

absl::Status CheckGlob(absl::string_view glob) {
  for (absl::string_view rest = glob; !rest.empty();) {
    const std::optional<size_t> length = ElementLength(rest);
    if (!length.has_value()) return absl::InvalidArgumentError("has a \"[\" without its \"]\"");
    rest.remove_prefix(*length);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const pcre2_code>> CompileExpression(absl::string_view expression) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                                   PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("is no regular expression: ", ErrorText(error), " (at character ", offset, " behind \"re:\")"));
  }
  return std::shared_ptr<const pcre2_code>(code, &pcre2_code_free);
}

}  // namespace

absl::StatusOr<ModulePattern> ModulePattern::Parse(absl::string_view text) {
  if (text.size() > kMostBytes)
    return absl::InvalidArgumentError(absl::StrCat("has ", text.size(), " bytes; allowed: ", kMostBytes));
  ModulePattern pattern;
  const bool is_expression = absl::ConsumePrefix(&text, "re:");
  if (text.empty()) return absl::InvalidArgumentError("is empty");
  if (is_expression) {
    auto code = CompileExpression(text);
    if (!code.ok()) return std::move(code).status();
    pattern.code_ = *std::move(code);
    return pattern;
  }
  if (absl::Status status = CheckGlob(text); !status.ok()) return status;
  pattern.glob_ = std::string(text);
  return pattern;
}

absl::StatusOr<bool> ModulePattern::Matches(absl::string_view module) const {
  if (code_ == nullptr) return GlobMatches(glob_, module);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(pcre2_match_data_create(1, nullptr),
                                                                                  pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  pcre2_set_match_limit(context.get(), kMostSteps);
  const int result = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(module.data()), module.size(), 0, 0,
                                 match.get(), context.get());
  if (result >= 0) return true;
  if (result == PCRE2_ERROR_NOMATCH) return false;
  return absl::InvalidArgumentError(absl::StrCat("cannot be matched with ", module, ": ", ErrorText(result)));
}

}  // namespace pivot
