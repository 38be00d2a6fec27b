// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/browser.h"
#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/exit_code.h"
#include "client/source_paths.h"
#include "client/temporary_folder.h"
#include "client/view/report_text.h"
#include "engine/page/report_page.h"
#include "proto/files/bounded_json.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr char kReportPath[] = "pivot/report.json";
constexpr char kPlanPath[] = "pivot/plan.json";
constexpr char kPagePath[] = "pivot/report.html";
constexpr size_t kMaxReportBytes = size_t{256} << 20;

struct Flags {
  std::string folder;
  bool html = false;
  bool open = false;
  OutputFlags shown;
};

absl::Status CheckFlags(const Flags& flags) {
  if (flags.html && flags.open)
    return UsageError("--html prints the page and --open shows it: leave out one", "--html");
  if (flags.shown.json && flags.html)
    return UsageError("--json and --html print different things: leave out one", "--json");
  if (flags.shown.json && flags.open) return UsageError("--open shows the page: leave out --json", "--json");
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadReport(const std::string& folder) {
  auto text = ReadSmallFile(absl::StrCat(folder, "/", kReportPath), kMaxReportBytes);
  if (!absl::IsNotFound(text.status())) return text;
  return absl::NotFoundError(
      absl::StrCat(folder, " has no ", kReportPath, ": only folders that Pivot made have a report"));
}

absl::StatusOr<nlohmann::json> ParseReport(const std::string& text, const std::string& path) {
  auto report = ParseJson(text, path);
  if (!report.ok() || !report->is_object())
    return absl::DataLossError(absl::StrCat(path, " is not a report: it is no JSON object"));
  return report;
}

/// Made anew, so that folders of older versions have one too. A plan that is missing or damaged adds nothing.
std::string MakePage(const std::string& folder, const nlohmann::json& report) {
  const std::string path = absl::StrCat(folder, "/", kPlanPath);
  const auto text = ReadSmallFile(path, kMaxReportBytes);
  const auto plan = text.ok() ? ParseJson(*text, path) : text.status();
  return ReportPage(report, plan.ok() ? *plan : nlohmann::json::object());
}

/// The folder's own page where it is what its report says; else the one made here, since a page that somebody else
/// wrote is never opened. That one stays for the browser, which may read it when we are gone.
absl::Status Open(const std::string& folder, const std::string& page, const Console& console) {
  std::string path = absl::StrCat(folder, "/", kPagePath);
  const auto own = ReadSmallFile(path, kMaxReportBytes);
  if (!own.ok() || *own != page) {
    PIVOT_ASSIGN_OR_RETURN(const std::string made, MakeTemporaryFolder(TemporaryParent()));
    path = absl::StrCat(made, "/report.html");
    PIVOT_RETURN_IF_ERROR(WriteFileDurably(path, page));
  }
  PIVOT_RETURN_IF_ERROR(ShowInBrowser(path));
  *console.out << path << "\n";
  return absl::OkStatus();
}

absl::Status Run(const Flags& flags, const Console& console) {
  PIVOT_RETURN_IF_ERROR(CheckFlags(flags));
  PIVOT_ASSIGN_OR_RETURN(const std::string folder, ModelFolder(flags.folder));
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadReport(folder));
  PIVOT_ASSIGN_OR_RETURN(const nlohmann::json report, ParseReport(text, absl::StrCat(folder, "/", kReportPath)));
  if (flags.open) return Open(folder, MakePage(folder, report), console);
  if (flags.html) {
    *console.out << MakePage(folder, report);
  } else if (flags.shown.json) {
    // Once more, for the order of its keys.
    const auto ordered = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    *console.out << ordered.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    *console.out << RenderReport(report, flags.shown.verbose ? Detail::kAll : Detail::kNormal);
  }
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclareReport(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("DIR", flags->folder, "a folder that Pivot made")->required();
  app.add_flag("--html", flags->html, "print the report as a page, for a browser, to standard output");
  app.add_flag("--open", flags->open, "show the page in a browser");
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client
