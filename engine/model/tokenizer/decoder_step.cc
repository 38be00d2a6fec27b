// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/decoder_step.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "engine/model/tokenizer/byte_level.h"
#include "engine/model/tokenizer/byte_tokens.h"
#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/metaspace.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;
using Tokens = std::vector<std::string>;

class ByteLevelDecoder : public DecoderStep {
 public:
  void Apply(Tokens* tokens) const override {
    std::string bytes;
    for (const std::string& token : *tokens) {
      // A token with a character outside the alphabet is not of the model, and stands for itself.
      const std::optional<std::string> token_bytes = BytesOfToken(token);
      absl::StrAppend(&bytes, token_bytes.has_value() ? *token_bytes : token);
    }
    *tokens = {ReplaceInvalidUtf8(bytes)};
  }
};

class ByteFallbackDecoder : public DecoderStep {
 public:
  void Apply(Tokens* tokens) const override {
    Tokens result;
    std::string bytes;
    const auto add_bytes = [&] {
      if (FindInvalidUtf8(bytes).has_value()) {
        // One for each byte, and not for each character that fails.
        result.insert(result.end(), bytes.size(), "\uFFFD");
      } else if (!bytes.empty()) {
        result.push_back(bytes);
      }
      bytes.clear();
    };
    for (std::string& token : *tokens) {
      if (const std::optional<uint8_t> byte = ByteOfToken(token)) {
        bytes.push_back(static_cast<char>(*byte));
        continue;
      }
      add_bytes();
      result.push_back(std::move(token));
    }
    add_bytes();
    *tokens = std::move(result);
  }
};

class FuseDecoder : public DecoderStep {
 public:
  void Apply(Tokens* tokens) const override { *tokens = {absl::StrJoin(*tokens, "")}; }
};

class MetaspaceDecoder : public DecoderStep {
 public:
  explicit MetaspaceDecoder(MetaspaceOptions options) : options_(std::move(options)) {}

  void Apply(Tokens* tokens) const override {
    for (size_t i = 0; i < tokens->size(); ++i) {
      const bool is_prefix = i == 0 && options_.prepend != MetaspaceOptions::Prepend::kNever;
      absl::StrReplaceAll({{options_.replacement, is_prefix ? "" : " "}}, &(*tokens)[i]);
    }
  }

 private:
  MetaspaceOptions options_;
};

class ReplaceDecoder : public DecoderStep {
 public:
  ReplaceDecoder(std::string pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void Apply(Tokens* tokens) const override {
    for (std::string& token : *tokens) absl::StrReplaceAll({{pattern_, content_}}, &token);
  }

 private:
  std::string pattern_;
  std::string content_;
};

class StripDecoder : public DecoderStep {
 public:
  /// How many of the characters go from each end at most.
  struct Counts {
    size_t start;
    size_t stop;
  };
  StripDecoder(std::string character, Counts counts) : character_(std::move(character)), counts_(counts) {}

  void Apply(Tokens* tokens) const override {
    for (std::string& token : *tokens) {
      absl::string_view rest = token;
      for (size_t i = 0; i < counts_.start && absl::ConsumePrefix(&rest, character_); ++i) {
      }
      for (size_t i = 0; i < counts_.stop && absl::ConsumeSuffix(&rest, character_); ++i) {
      }
      token = std::string(rest);
    }
  }

 private:
  std::string character_;
  Counts counts_;
};

class WordPieceDecoder : public DecoderStep {
 public:
  enum class Cleanup { kNone, kEnglish };
  WordPieceDecoder(std::string prefix, Cleanup cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  void Apply(Tokens* tokens) const override {
    for (size_t i = 0; i < tokens->size(); ++i) {
      std::string& token = (*tokens)[i];
      if (i > 0) token = absl::StartsWith(token, prefix_) ? token.substr(prefix_.size()) : absl::StrCat(" ", token);
      if (cleanup_ == Cleanup::kNone) continue;
      // One after the other: what one makes the next may find.
      for (const auto& [from, to] : kCleanups) absl::StrReplaceAll({{from, to}}, &token);
    }
  }

 private:
  static constexpr std::pair<absl::string_view, absl::string_view> kCleanups[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

  std::string prefix_;
  Cleanup cleanup_;
};

class SuffixDecoder : public DecoderStep {
 public:
  explicit SuffixDecoder(std::string suffix) : suffix_(std::move(suffix)) {}

  void Apply(Tokens* tokens) const override {
    for (size_t i = 0; i < tokens->size(); ++i)
      absl::StrReplaceAll({{suffix_, i + 1 == tokens->size() ? "" : " "}}, &(*tokens)[i]);
  }

 private:
  std::string suffix_;
};

absl::StatusOr<size_t> ReadCount(const json& component, const char* name, absl::string_view what) {
  const json* member = FindMember(component, name);
  if (member == nullptr || !member->is_number_integer() || *member < 0)
    return Malformed(absl::StrCat(what, " must have \"", name, "\", which is a number of characters"));
  return member->get<size_t>();
}

absl::StatusOr<std::unique_ptr<const DecoderStep>> ReadStrip(const json& component, absl::string_view what) {
  PIVOT_ASSIGN_OR_RETURN(std::string character, ReadText(component, "content", what));
  if (CountCharacters(character) != 1) return Malformed(absl::StrCat(what, " must have one character as content"));
  StripDecoder::Counts counts{};
  PIVOT_ASSIGN_OR_RETURN(counts.start, ReadCount(component, "start", what));
  PIVOT_ASSIGN_OR_RETURN(counts.stop, ReadCount(component, "stop", what));
  return std::make_unique<const StripDecoder>(std::move(character), counts);
}

}  // namespace

absl::StatusOr<std::unique_ptr<const DecoderStep>> ReadDecoderStep(const json& component, absl::string_view type) {
  const std::string what = absl::StrCat("the decoder ", Quoted(type));
  if (type == "ByteLevel") return std::make_unique<const ByteLevelDecoder>();
  if (type == "ByteFallback") return std::make_unique<const ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<const FuseDecoder>();
  if (type == "Strip") return ReadStrip(component, what);
  if (type == "Metaspace") {
    PIVOT_ASSIGN_OR_RETURN(MetaspaceOptions options, ReadMetaspace(component));
    return std::make_unique<const MetaspaceDecoder>(std::move(options));
  }
  if (type == "Replace") {
    const json* pattern = FindMember(component, "pattern");
    if (pattern != nullptr && FindMember(*pattern, "Regex") != nullptr) return Unsupported(what + " of a \"Regex\"");
    PIVOT_ASSIGN_OR_RETURN(std::string text, ReadText(pattern == nullptr ? json() : *pattern, "String", what));
    PIVOT_ASSIGN_OR_RETURN(std::string content, ReadText(component, "content", what));
    if (text.empty()) return Unsupported(what + " with an empty pattern");
    return std::make_unique<const ReplaceDecoder>(std::move(text), std::move(content));
  }
  if (type == "WordPiece") {
    PIVOT_ASSIGN_OR_RETURN(std::string prefix, ReadText(component, "prefix", what));
    PIVOT_ASSIGN_OR_RETURN(const bool cleans, ReadBoolean(component, "cleanup", what));
    using Cleanup = WordPieceDecoder::Cleanup;
    return std::make_unique<const WordPieceDecoder>(std::move(prefix), cleans ? Cleanup::kEnglish : Cleanup::kNone);
  }
  if (type == "BPEDecoder") {
    PIVOT_ASSIGN_OR_RETURN(std::string suffix, ReadText(component, "suffix", what));
    if (suffix.empty()) return Unsupported(absl::StrCat(what, " with an empty suffix"));
    return std::make_unique<const SuffixDecoder>(std::move(suffix));
  }
  return Unsupported(what);
}

}  // namespace pivot::tokenizer
