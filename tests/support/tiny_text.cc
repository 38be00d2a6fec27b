// SPDX-License-Identifier: Apache-2.0
// The tokenizer and the text of a tiny model.
#include <array>
#include <random>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

// UTF-8 of U+0120, which stands for a space.
constexpr char kSpace[] = "\xC4\xA0";

/// The character that stands for a byte in byte-level vocabularies: visible Latin-1 for itself, the others from U+0100
/// on.
std::string ByteToken(int byte, int& next_hidden) {
  const bool is_visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  const int code_point = is_visible ? byte : next_hidden++;
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xC0 | (code_point >> 6)), static_cast<char>(0x80 | (code_point & 0x3F))};
}

constexpr std::array<absl::string_view, 48> kWords = {
    "the",   "of",    "and",    "a",      "to",     "in",    "is",    "was",    "that", "for",  "it",    "with",
    "as",    "river", "letter", "window", "garden", "voice", "stone", "winter", "name", "road", "quiet", "morning",
    "his",   "her",   "they",   "over",   "under",  "never", "old",   "green",  "went", "came", "said",  "found",
    "house", "light", "water",  "book",   "night",  "child", "small", "many",   "more", "than", "only",  "then"};

}  // namespace

std::string TinyTokenizerJson() {
  ordered_json vocabulary = ordered_json::object();
  int next_id = 0;
  int next_hidden = 0x100;
  for (int byte = 0; byte < 256; ++byte) vocabulary[ByteToken(byte, next_hidden)] = next_id++;
  const std::string space_t = absl::StrCat(kSpace, "t");
  for (const std::string& merged : {space_t, std::string("he"), absl::StrCat(kSpace, "the")})
    vocabulary[merged] = next_id++;
  const ordered_json merges{absl::StrCat(kSpace, " t"), "h e", absl::StrCat(space_t, " he")};
  const ordered_json end{{"id", kTinyEndToken}, {"content", "<|end|>"}, {"single_word", false}, {"lstrip", false},
                         {"rstrip", false},     {"normalized", false},  {"special", true}};
  const ordered_json byte_level{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const ordered_json model{{"type", "BPE"},
                           {"dropout", nullptr},
                           {"unk_token", nullptr},
                           {"continuing_subword_prefix", nullptr},
                           {"end_of_word_suffix", nullptr},
                           {"fuse_unk", false},
                           {"byte_fallback", false},
                           {"vocab", vocabulary},
                           {"merges", merges}};
  const ordered_json tokenizer{{"version", "1.0"},
                               {"truncation", nullptr},
                               {"padding", nullptr},
                               {"added_tokens", ordered_json::array({end})},
                               {"normalizer", nullptr},
                               {"pre_tokenizer", byte_level},
                               {"post_processor", nullptr},
                               {"decoder", byte_level},
                               {"model", model}};
  return tokenizer.dump(2) + "\n";
}

std::string PseudoEnglish(int num_words, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text;
  bool begins_sentence = true;
  for (int i = 0; i < num_words; ++i) {
    std::string word(kWords[random() % kWords.size()]);
    if (begins_sentence) word[0] = absl::ascii_toupper(static_cast<unsigned char>(word[0]));
    begins_sentence = random() % 9 == 0 || i + 1 == num_words;
    absl::StrAppend(&text, word, begins_sentence ? "." : "");
    const bool ends_paragraph = begins_sentence && random() % 5 == 0;
    absl::StrAppend(&text, i + 1 == num_words ? "\n" : ends_paragraph ? "\n\n" : " ");
  }
  return text;
}

}  // namespace pivot
