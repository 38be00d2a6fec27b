// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/backoff.h"
#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/model_finder.h"
#include "client/source_paths.h"
#include "engine/model/folder_tokenizer.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  std::string model;
  std::string lines;
  bool no_special = false;
  OutputFlags shown;
};

absl::Status Run(const Flags& flags, const Console& console) {
  ModelFinder finder = ModelFinder::BesideAnswer(console, flags.shown, Need::kHeaders);
  PIVOT_ASSIGN_OR_RETURN(const std::string model, finder.Find(flags.model));
  PIVOT_ASSIGN_OR_RETURN(const std::string path, PlainFile(flags.lines, "file"));
  PIVOT_ASSIGN_OR_RETURN(const Tokenizer tokenizer, LoadTokenizer(model));
  const SpecialTokens special = flags.no_special ? SpecialTokens::kOmit : SpecialTokens::kAdd;
  std::ifstream lines(path, std::ios::binary);
  std::string line;
  for (int64_t number = 1; std::getline(lines, line); ++number) {
    if (console.interrupted.stop_requested()) return Interrupted();
    const auto text = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!text.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", number, " of ", path, " is not a JSON string: each line must be ", "one, in double quotes"));
    }
    absl::StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text.get<std::string>(), special);
    if (!ids.ok()) {
      return absl::Status(ids.status().code(),
                          absl::StrCat("line ", number, " of ", path, ": ", ids.status().message()));
    }
    *console.out << nlohmann::json(*ids).dump() << "\n";
  }
  if (lines.bad()) return absl::DataLossError(absl::StrCat("cannot read all of ", path));
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclareTokenize(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("MODEL", flags->model, "a model folder with tokenizer.json or tokenizer.model, or a GGUF file")
      ->required();
  app.add_option("--jsonl", flags->lines, "a file with one JSON string a line")->required();
  app.add_flag("--no-special", flags->no_special, "without the tokens that the tokenizer puts around a text");
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client
