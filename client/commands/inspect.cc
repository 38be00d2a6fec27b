// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/model_finder.h"
#include "client/probe.h"
#include "client/view/table.h"
#include "client/view/units.h"
#include "proto/status/status_macros.h"
#include "proto/text/json_facts.h"

namespace pivot::client {
namespace {

using nlohmann::json;

struct Flags {
  std::string folder;
  OutputFlags shown;
};

std::string GroupsOf(const json& facts) {
  std::vector<std::string> groups;
  for (const json& group : ListAt(facts, "groups")) {
    const std::string type = TextAt(group, "type");
    const std::string kind = type.empty() || type == "int" ? "" : absl::StrCat(" (", Printable(type), ")");
    const double group_size = NumberAt(group, "group_size").value_or(-1);
    groups.push_back(absl::StrCat(CountAt(group, "modules"), " layers of ", CountAt(group, "bits"), " bits", kind, ", ",
                                  group_size > 0 ? "group size " + FormatNumber(group_size, 0) : "one scale a row"));
  }
  return absl::StrJoin(groups, "; ");
}

std::string DtypesOf(const json& facts) {
  std::vector<std::string> dtypes;
  for (const auto& [name, count] : ObjectAt(facts, "dtypes").items()) {
    dtypes.push_back(absl::StrCat(Printable(name), count.is_number() ? " (" + count.dump() + ")" : ""));
  }
  return absl::StrJoin(dtypes, ", ");
}

std::string RenderFacts(const json& facts) {
  Table table({{""}, {""}});
  const auto add = [&table](const char* name, const std::string& value) {
    if (!value.empty()) table.AddRow({name, value});
  };
  add("architecture", TextAt(facts, "architecture"));
  add("blocks", CountAt(facts, "num_blocks"));
  add("hidden size", CountAt(facts, "hidden_size"));
  add("vocabulary", CountAt(facts, "vocab_size"));
  add("parameters", CountAt(facts, "parameters"));
  add("weight files", absl::StrCat(CountAt(facts, "files"), ", ",
                                   FormatBytes(static_cast<int64_t>(NumberAt(facts, "weight_bytes").value_or(0)))));
  add("format", TextAt(facts, "format"));
  const double bits = NumberAt(facts, "bits_per_weight").value_or(0);
  if (bits > 0) add("bits per weight, quantized layers", FormatNumber(bits, 2));
  const double model_bits = NumberAt(facts, "model_bits_per_weight").value_or(0);
  if (model_bits > 0) add("bits per weight, whole model", FormatNumber(model_bits, 2));
  add("quantized", GroupsOf(facts));
  add("tensors", DtypesOf(facts));
  for (const json& problem : ListAt(facts, "problems")) add("problem", TextOf(problem));
  for (const json& warning : ListAt(facts, "warnings")) add("warning", TextOf(warning));
  return table.Render();
}

absl::Status Run(const Flags& flags, const Console& console) {
  ModelFinder finder = ModelFinder::BesideAnswer(console, flags.shown, Need::kHeaders);
  PIVOT_ASSIGN_OR_RETURN(const std::string folder, finder.Find(flags.folder));
  PIVOT_ASSIGN_OR_RETURN(json facts, AskProbe(console.program_folder + "/pivot-probe", {{"inspect", folder}}, "inspect",
                                              console.interrupted));
  if (flags.shown.json) {
    PrintJson(std::move(facts), console.out);
  } else {
    *console.out << RenderFacts(facts);
  }
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclareInspect(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("DIR", flags->folder, "a model folder, compressed or not")->required();
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client
