// SPDX-License-Identifier: Apache-2.0
// Reads JSON strings, one a line, and writes the JSON array of each one's token ids: the other side of parity_test.py.
//
// A tokenizer.model is read, too, and gets nothing put around its texts. With --decode the lines are arrays of ids, and
// texts are written.
//
//   encode_lines TOKENIZER_FILE [--no-special | --decode]

#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/tokenizer.h"

namespace {

/// The line to write; an error begins with "error: ".
std::string EncodeLine(const pivot::Tokenizer& tokenizer, const std::string& line, pivot::SpecialTokens special) {
  const nlohmann::json text = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!text.is_string()) return "error: not a JSON string";
  const auto ids = tokenizer.Encode(text.get_ref<const std::string&>(), special);
  if (!ids.ok()) return absl::StrCat("error: ", ids.status().ToString());
  return absl::StrCat("[", absl::StrJoin(*ids, ","), "]");
}

/// The line to write for an array of ids.
std::string DecodeLine(const pivot::Tokenizer& tokenizer, const std::string& line) {
  const nlohmann::json ids = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!ids.is_array()) return "error: not a JSON array";
  return nlohmann::json(tokenizer.Decode(ids.get<std::vector<int32_t>>(), pivot::SpecialText::kSkip))
      .dump(-1, ' ', true);
}

absl::StatusOr<pivot::Tokenizer> Load(const std::string& path) {
  if (!absl::EndsWith(path, ".model")) return pivot::Tokenizer::FromFile(path);
  std::ifstream file(path, std::ios::binary);
  const std::string model{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return pivot::Tokenizer::FromSentencePiece(model, {.adds_first = false});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: encode_lines TOKENIZER_FILE [--no-special | --decode]\n";
    return 2;
  }
  const auto tokenizer = Load(argv[1]);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    return 1;
  }
  const std::string option = argc > 2 ? argv[2] : "";
  const auto special = option == "--no-special" ? pivot::SpecialTokens::kOmit : pivot::SpecialTokens::kAdd;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << (option == "--decode" ? DecodeLine(*tokenizer, line) : EncodeLine(*tokenizer, line, special)) << "\n";
  }
  return 0;
}
