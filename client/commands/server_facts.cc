// SPDX-License-Identifier: Apache-2.0
// What a server can do and has: capabilities, devices.
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/jobs.h"
#include "client/task.h"
#include "client/view/table.h"
#include "client/view/units.h"
#include "proto/json.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  ServerAddress server;
  OutputFlags shown;
};

std::shared_ptr<Flags> DeclareFlags(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddServerFlag(app, &flags->server);
  AddOutputFlags(app, &flags->shown);
  return flags;
}

absl::StatusOr<v1::ServerCapabilities> Ask(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, OpenTaskSession({}, flags.server, "", console));
  return GetCapabilities(session->connection(), {.stop = console.interrupted});
}

std::string UserOf(const v1::Device& device) {
  if (!device.job().empty()) return Printable(device.job());
  if (device.set_aside_cause().empty()) return "-";
  const absl::Time until = absl::FromUnixSeconds(device.set_aside_until().seconds());
  return absl::StrCat("nobody until ", absl::FormatTime("%H:%M UTC", until, absl::UTCTimeZone()), ": ",
                      Printable(device.set_aside_cause()));
}

std::string RenderDevices(const v1::ServerCapabilities& capabilities) {
  Table table({{"device"}, {"model"}, {"memory", Align::kRight}, {"used by"}});
  for (const v1::Device& device : capabilities.devices()) {
    table.AddRow(
        {Printable(device.name()), Printable(device.model()), FormatBytes(device.memory_bytes()), UserOf(device)});
  }
  return table.Render();
}

std::string RenderCapabilities(const v1::ServerCapabilities& capabilities) {
  Table table({{""}, {""}});
  table.AddRow({"version", Printable(capabilities.version())});
  table.AddRow({"architectures", Printable(absl::StrJoin(capabilities.architectures(), ", "))});
  table.AddRow({"methods", Printable(absl::StrJoin(capabilities.methods(), ", "))});
  table.AddRow({"formats", Printable(absl::StrJoin(capabilities.formats(), ", "))});
  table.AddRow({"bits", absl::StrJoin(capabilities.bits(), ", ")});
  table.AddRow({"group sizes", absl::StrJoin(capabilities.group_sizes(), ", ")});
  table.AddRow({"queued jobs, at most", FormatCount(capabilities.max_queued_jobs())});
  return absl::StrCat(table.Render(), "\n", RenderDevices(capabilities));
}

absl::Status RunCapabilities(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const v1::ServerCapabilities capabilities, Ask(flags, console));
  if (flags.shown.json) {
    PrintJson(ToJson(capabilities), console.out);
  } else {
    *console.out << RenderCapabilities(capabilities);
  }
  return absl::OkStatus();
}

absl::Status RunDevices(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const v1::ServerCapabilities capabilities, Ask(flags, console));
  if (flags.shown.json) {
    for (const v1::Device& device : capabilities.devices()) PrintJson(ToJson(device), console.out);
  } else {
    *console.out << RenderDevices(capabilities);
  }
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclareCapabilities(CLI::App& app) {
  return [flags = DeclareFlags(app)](const Console& console) { return RunCapabilities(*flags, console); };
}

CommandAction DeclareDevices(CLI::App& app) {
  return [flags = DeclareFlags(app)](const Console& console) { return RunDevices(*flags, console); };
}

}  // namespace pivot::client
