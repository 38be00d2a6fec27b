// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/source_paths.h"
#include "client/view/report_text.h"
#include "proto/files/bounded_json.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr char kReportPath[] = "pivot/report.json";
constexpr size_t kMaxReportBytes = size_t{256} << 20;

struct Flags {
  std::string folder;
  OutputFlags shown;
};

absl::Status Run(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::string folder, ModelFolder(flags.folder));
  const std::string path = absl::StrCat(folder, "/", kReportPath);
  const auto text = ReadSmallFile(path, kMaxReportBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        absl::StrCat(folder, " has no ", kReportPath, ": only folders that Pivot made have a report"));
  }
  PIVOT_RETURN_IF_ERROR(text.status());
  const auto bounded = ParseJson(*text, path);
  if (!bounded.ok() || !bounded->is_object())
    return absl::DataLossError(absl::StrCat(path, " is not a report: it is no JSON object"));
  if (flags.shown.json) {
    // Once more, for the order of its keys.
    const auto report = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
    *console.out << report.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    *console.out << RenderReport(*bounded, flags.shown.verbose ? Detail::kAll : Detail::kNormal);
  }
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclareReport(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("DIR", flags->folder, "a folder that Pivot made")->required();
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client
