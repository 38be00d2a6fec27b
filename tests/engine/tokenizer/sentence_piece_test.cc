// SPDX-License-Identifier: Apache-2.0
// tokenizer.model files, put together byte by byte.

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/tokenizer/tokenizer.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7U) bytes.push_back(static_cast<char>(value | 0x80U));
  return bytes + static_cast<char>(value);
}

std::string Number(uint32_t field, int64_t value) { return Varint(field << 3U) + Varint(static_cast<uint64_t>(value)); }

std::string Message(uint32_t field, const std::string& content) {
  return Varint(field << 3U | 2U) + Varint(content.size()) + content;
}

struct Piece {
  std::string text;
  float score = 0;
  int type = 1;
};

std::string PieceBytes(const Piece& piece) {
  std::string score(4, '\0');
  std::memcpy(score.data(), &piece.score, 4);
  return Message(1, Message(1, piece.text) + Varint(2U << 3U | 5U) + score + Number(3, piece.type));
}

constexpr int kUnigram = 1;
constexpr int kBpe = 2;

std::string Model(int kind, const std::vector<Piece>& pieces, const std::string& trainer = "",
                  const std::string& normalizer = "") {
  std::string bytes;
  for (const Piece& piece : pieces) bytes += PieceBytes(piece);
  return bytes + Message(2, Number(3, kind) + trainer) + Message(3, normalizer);
}

std::vector<Piece> Pieces() {
  return {{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}, {"\u2581", -3}, {"a", -1},
          {"b", -2},       {"ab", -1.5},  {"aa", -1},     {"aaa", -0.5},  {"<m>", 0, 4}};
}

std::vector<int32_t> Encode(const std::string& model, const std::string& text, const SentencePieceAround& around) {
  const auto tokenizer = Tokenizer::FromSentencePiece(model, around);
  EXPECT_OK(tokenizer);
  if (!tokenizer.ok()) return {};
  const auto ids = tokenizer->Encode(text, SpecialTokens::kAdd);
  EXPECT_OK(ids);
  return ids.value_or(std::vector<int32_t>());
}

std::string NoPrefix() { return Number(3, 0); }
SentencePieceAround Nothing() { return {.adds_first = false}; }

TEST(SentencePieceTest, PutsThePiecesAroundThatAreAskedFor) {
  const std::string model = Model(kBpe, Pieces());
  EXPECT_THAT(Encode(model, "ab", {}), ElementsAre(1, 3, 6));
  EXPECT_THAT(Encode(model, "ab", {.adds_first = false, .adds_last = true}), ElementsAre(3, 6, 2));
  EXPECT_THAT(Encode(model, "ab", {.first = "</s>"}), ElementsAre(2, 3, 6));
  EXPECT_THAT(Encode(Model(kBpe, Pieces(), Number(41, -1)), "ab", {}), ElementsAre(3, 6));
  EXPECT_THAT(Tokenizer::FromSentencePiece(model, {.first = "<bos>"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no piece \"<bos>\"")));
  EXPECT_THAT(Tokenizer::FromSentencePiece(Model(kBpe, Pieces(), Number(41, 99)), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no piece 99")));
}

TEST(SentencePieceTest, MergesTheLeftmostOfEqualScores) {
  const std::vector<Piece> pieces = {{"<unk>", 0, 2}, {"a", -3},  {"b", -3},   {"c", -3},
                                     {"d", -3},       {"bc", -1}, {"abc", -2}, {"bcd", -2}};
  // After "bc" either of two pieces could be made; a list of merges would have to put one first wherever it stands.
  EXPECT_THAT(Encode(Model(kBpe, pieces, "", NoPrefix()), "abcd", Nothing()), ElementsAre(6, 4));
}

TEST(SentencePieceTest, LeavesUserDefinedPiecesWhole) {
  for (const int kind : {kUnigram, kBpe}) {
    EXPECT_THAT(Encode(Model(kind, Pieces()), "ab<m>b", Nothing()), ElementsAre(3, 6, 9, 5)) << kind;
  }
}

TEST(SentencePieceTest, PrefersUserDefinedPiecesToBetterSums) {
  const std::vector<Piece> pieces = {{"<unk>", 0, 2}, {"p", -8.5F}, {"pa", -5.8F},
                                     {"b", -6.2F},    {"ab", 0, 4}, {"c", -2}};
  EXPECT_THAT(Encode(Model(kUnigram, pieces, "", NoPrefix()), "pab", Nothing()), ElementsAre(1, 4));
}

TEST(SentencePieceTest, FindsControlPiecesAndPrefixesTheFrontOnly) {
  EXPECT_THAT(Encode(Model(kBpe, Pieces()), "ab</s>ab", Nothing()), ElementsAre(3, 6, 2, 6));
  EXPECT_THAT(Encode(Model(kBpe, Pieces()), "<s>ab", Nothing()), ElementsAre(1, 6));
}

TEST(SentencePieceTest, TreatsSpacesAsTheModelSays) {
  const std::string keeps_spaces = Number(4, 0);
  EXPECT_THAT(Encode(Model(kUnigram, Pieces()), "  a  b ", Nothing()), ElementsAre(3, 4, 3, 5));
  EXPECT_THAT(Encode(Model(kUnigram, Pieces(), "", keeps_spaces), "a  b ", Nothing()), ElementsAre(3, 4, 3, 3, 5, 3));
  EXPECT_THAT(Encode(Model(kUnigram, Pieces(), Number(24, 1)), "a", Nothing()), ElementsAre(4, 3));
  EXPECT_THAT(Encode(Model(kUnigram, Pieces()), "   ", Nothing()), ElementsAre());
}

TEST(SentencePieceTest, DecodesWithoutThePrefix) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Tokenizer::FromSentencePiece(Model(kBpe, Pieces()), {}));
  const std::vector<int32_t> ids = {1, 3, 6, 3, 4};
  EXPECT_EQ(tokenizer.Decode(ids, SpecialText::kSkip), "ab a");
}

TEST(SentencePieceTest, NamesWhatIsWrong) {
  const auto pieces_with = [](const Piece& piece) {
    std::vector<Piece> pieces = Pieces();
    pieces.push_back(piece);
    return pieces;
  };
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "not a model"},
      {"{\"version\": 1}", "not a model"},
      {"IQ== 0\nIg== 1\n", "not a model"},  // tiktoken's file of the same name
      {Model(kBpe, Pieces()).substr(0, 20), "not a model"},
      {Model(kBpe, pieces_with({"", 0})), "piece 10 is empty"},
      {Model(kBpe, pieces_with({"\xFF", 0})), "piece 10 is not valid UTF-8"},
      {Model(kBpe, pieces_with({"x", std::numeric_limits<float>::quiet_NaN()})), "score that is not finite"},
      {Model(kBpe, pieces_with({"x", std::numeric_limits<float>::infinity()})), "score that is not finite"},
      {Model(kBpe, pieces_with({"x", 0, 7})), "unknown type 7"},
      {Model(kBpe, pieces_with({"a", 0})), "two of its pieces are equal"},
      {Model(kBpe, pieces_with({"<unk2>", 0, 2})), "exactly one piece for what is unknown"},
      {Model(kBpe, std::vector<Piece>{Piece{"a"}}), "exactly one piece for what is unknown"},
      {Model(kBpe, Pieces(), Number(35, 1)), "byte 0 has no piece"},
      {Model(9, Pieces()), "unknown type 9"},
      {Model(kBpe, Pieces(), "", Message(2, "xyz")), "precompiled_charsmap is wrong"},
  };
  for (const auto& [model, message] : wrong) {
    EXPECT_THAT(Tokenizer::FromSentencePiece(model, Nothing()),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

TEST(SentencePieceTest, NamesWhatIsNotSupported) {
  std::vector<Piece> unused = Pieces();
  unused.push_back({"x", 0, 5});
  std::vector<Piece> unspelled = Pieces();
  unspelled.push_back({"xa", 0});
  for (const std::string& model :
       {Model(3, Pieces()), Model(4, Pieces()), Model(kBpe, unused), Model(kBpe, unspelled)}) {
    const auto tokenizer = Tokenizer::FromSentencePiece(model, Nothing());
    EXPECT_EQ(ReasonOf(tokenizer.status()), "UNSUPPORTED_TOKENIZER") << tokenizer.status();
  }
  EXPECT_OK(Tokenizer::FromSentencePiece(Model(kUnigram, unused), Nothing()));
}

TEST(SentencePieceTest, SurvivesDamage) {
  const std::string model = Model(kBpe, Pieces(), Number(41, 1), NoPrefix());
  uint32_t state = 1;
  const auto below = [&](size_t limit) {
    state = state * 1664525U + 1013904223U;
    return (state >> 8U) % limit;
  };
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = model;
    for (size_t change = 0; change <= below(3); ++change)
      damaged[below(damaged.size())] = static_cast<char>(below(256));
    const auto tokenizer = Tokenizer::FromSentencePiece(damaged, {});
    if (!tokenizer.ok()) continue;
    const auto ids = tokenizer->Encode(" ab aaa <m></s>é", SpecialTokens::kAdd);
    if (ids.ok()) tokenizer->Decode(*ids, SpecialText::kKeep);
  }
}

}  // namespace
}  // namespace pivot
