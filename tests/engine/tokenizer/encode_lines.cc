// SPDX-License-Identifier: Apache-2.0
// Reads JSON strings, one a line, and writes the JSON array of each one's token ids: the other side of parity_test.py.
//
//   encode_lines TOKENIZER_JSON [--no-special]

#include <iostream>
#include <string>
#include <vector>

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

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: encode_lines TOKENIZER_JSON [--no-special]\n";
    return 2;
  }
  const auto tokenizer = pivot::Tokenizer::FromFile(argv[1]);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    return 1;
  }
  const bool omit = argc > 2 && std::string(argv[2]) == "--no-special";
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << EncodeLine(*tokenizer, line, omit ? pivot::SpecialTokens::kOmit : pivot::SpecialTokens::kAdd) << "\n";
  }
  return 0;
}
