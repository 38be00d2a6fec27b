// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <algorithm>
#include <array>
#include <cstdint>
#include <pcre2.h>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"

namespace pivot::tokenizer {
namespace {

constexpr size_t kFirstJitStackBytes = size_t{32} << 10U;
constexpr size_t kMaxJitStackBytes = size_t{1} << 20U;

/// Two optimizations of 10.42 lose matches or find wrong ones. With auto-possession "\P{N}*\P{L}" does not give back
/// what is neither; with start optimizations compiled code tries the second alternative of an atomic group although the
/// first has matched, and finds ".(?>[^J]*/|.)./" in "%/12/J$". Pre-tokenizers match almost everywhere, so little is
/// lost.
constexpr uint32_t kWithoutWrongOptimizations = PCRE2_NO_AUTO_POSSESS | PCRE2_NO_START_OPTIMIZE;

/// Steps that a search may take: PCRE2's usual number, and more for long texts, which a pattern may have to go through
/// forwards and backwards.
constexpr size_t kMatchLimit = 10'000'000;
constexpr size_t kMatchLimitPerByte = 8;

std::string ErrorText(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

PCRE2_SPTR Units(absl::string_view text) {
  // PCRE2 takes no null pointer, not even for an empty text.
  return reinterpret_cast<PCRE2_SPTR>(text.empty() ? "" : text.data());
}

absl::StatusOr<std::shared_ptr<const pcre2_code>> CompileCode(absl::string_view pattern, uint32_t options) {
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);  // what "." excludes
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(Units(pattern), pattern.size(), options, &error, &offset, context.get());
  if (code == nullptr) return Malformed(absl::StrCat("the pattern ", Quoted(pattern), ": ", ErrorText(error)));
  // Where memory cannot be made executable this fails, and the pattern is interpreted.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return std::shared_ptr<const pcre2_code>(code, &pcre2_code_free);
}

}  // namespace

RegexScratch::RegexScratch()
    : jit_stack_(pcre2_jit_stack_create(kFirstJitStackBytes, kMaxJitStackBytes, nullptr)),
      context_(pcre2_match_context_create(nullptr)),
      match_data_(pcre2_match_data_create(1, nullptr)) {
  pcre2_jit_stack_assign(context_, nullptr, jit_stack_);
}

RegexScratch::~RegexScratch() {
  pcre2_match_data_free(match_data_);
  pcre2_match_context_free(context_);
  pcre2_jit_stack_free(jit_stack_);
}

absl::StatusOr<Regex> Regex::Compile(absl::string_view pattern) {
  auto code = CompileCode(pattern, PCRE2_UTF | PCRE2_UCP | kWithoutWrongOptimizations);
  if (!code.ok()) return std::move(code).status();
  return Regex(*std::move(code));
}

absl::StatusOr<Regex> Regex::CompileLiteral(absl::string_view text) {
  auto code = CompileCode(text, PCRE2_UTF | PCRE2_LITERAL);
  if (!code.ok()) return std::move(code).status();
  return Regex(*std::move(code));
}

absl::StatusOr<std::optional<MatchRange>> Regex::Find(absl::string_view text, size_t from,
                                                      RegexScratch* scratch) const {
  const size_t limit = kMatchLimit + kMatchLimitPerByte * (text.size() - from);
  pcre2_set_match_limit(scratch->context_, static_cast<uint32_t>(std::min<size_t>(limit, UINT32_MAX)));
  const auto match = [&](uint32_t options) {
    return pcre2_match(code_.get(), Units(text), text.size(), from, PCRE2_NO_UTF_CHECK | options, scratch->match_data_,
                       scratch->context_);
  };
  int result = match(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a pattern of tokenizer.json fails on this text: ", ErrorText(result)));
  }
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(scratch->match_data_);
  return MatchRange{bounds[0], bounds[1]};
}

}  // namespace pivot::tokenizer
