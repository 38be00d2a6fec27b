// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/decoder.h"

#include <string>
#include <vector>

#include "tests/engine/tokenizer/small_tokenizer.h"
#include "tests/support/status_matchers.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

std::string Decode(const json& component, const std::vector<std::string>& tokens) {
  const auto decoder = Decoder::Create(component.is_null() ? nullptr : &component);
  EXPECT_OK(decoder);
  return decoder.ok() ? decoder->Decode(tokens) : "";
}

TEST(DecoderTest, JoinsWithSpacesWithoutAComponent) { EXPECT_EQ(Decode(nullptr, {"a", "b"}), "a b"); }

TEST(DecoderTest, MetaspaceTurnsItsCharacterIntoSpaces) {
  const json component = {{"type", "Metaspace"}, {"replacement", "_"}};
  EXPECT_EQ(Decode(component, {"_a", "_b_c"}), "a b c");
  EXPECT_EQ(Decode({{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "never"}}, {"_a"}), " a");
}

TEST(DecoderTest, BytesBecomeCharactersTogether) {
  const json component = {{"type", "ByteFallback"}};
  EXPECT_EQ(Decode(component, {"x", "<0xC3>", "<0xA9>", "y"}), "xéy");
  EXPECT_EQ(Decode(component, {"<0xC3>", "<0xA9>", "<0xFF>"}), "\uFFFD\uFFFD\uFFFD") << "all of a run, or none";
  EXPECT_EQ(Decode(component, {"<0xZZ>", "<0x0>"}), "<0xZZ><0x0>");
}

TEST(DecoderTest, StripsAtMostSoMany) {
  const json component = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 2}};
  EXPECT_EQ(Decode(component, {"  a   ", " ", ""}), " a ");
}

TEST(DecoderTest, WordPieceJoinsPartsAndTidies) {
  json component = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  EXPECT_EQ(Decode(component, {"em", "##bed", ".", "do", "n't"}), "embed. don't");
  component["cleanup"] = false;
  EXPECT_EQ(Decode(component, {"em", "##bed", "."}), "embed .");
}

TEST(DecoderTest, SequencesApplyInOrder) {
  const json steps = {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
                      {{"type", "ByteFallback"}},
                      {{"type", "Fuse"}},
                      {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}};
  EXPECT_EQ(Decode({{"type", "Sequence"}, {"decoders", steps}}, {"\u2581a", "\u2581", "<0x41>"}), "a A");
}

TEST(DecoderTest, SuffixesBecomeSpaces) {
  EXPECT_EQ(Decode({{"type", "BPEDecoder"}, {"suffix", "</w>"}}, {"a</w>", "b", "c</w>"}), "a bc");
}

}  // namespace
}  // namespace pivot::tokenizer
