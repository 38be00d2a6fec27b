// SPDX-License-Identifier: Apache-2.0
#include "client/view/plan_table.h"

#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"

#include "client/view/table.h"
#include "client/view/units.h"

namespace pivot::client {
namespace {

struct KindSum {
  int64_t count = 0;
  int64_t bytes = 0;
};

std::string KindOf(const std::string& module) {
  const size_t dot = module.rfind('.');
  return Printable(dot == std::string::npos ? module : module.substr(dot + 1));
}

/// "4", "8 (fp8)".
std::string CodesOf(const v1::ModulePlan& module) {
  const bool is_integer = module.type().empty() || module.type() == "int";
  return is_integer ? absl::StrCat(module.bits()) : absl::StrCat(module.bits(), " (", Printable(module.type()), ")");
}

/// "-" of kept layers, whose 16 bits have no groups.
std::string GroupsOf(const std::string& method, int32_t group_size) {
  if (method == "none") return "-";
  return group_size == 0 ? "row" : absl::StrCat(group_size);
}

std::string RenderModules(const v1::Plan& plan) {
  std::map<std::tuple<std::string, std::string, int32_t, std::string>, KindSum> kinds;
  for (const v1::ModulePlan& module : plan.modules()) {
    KindSum& sum = kinds[{KindOf(module.name()), CodesOf(module), module.group_size(), Printable(module.method())}];
    ++sum.count;
    sum.bytes += module.bytes();
  }
  Table table({{"modules"},
               {"count", Align::kRight},
               {"bits", Align::kRight},
               {"group size", Align::kRight},
               {"method"},
               {"size", Align::kRight}});
  for (const auto& [kind, sum] : kinds) {
    const auto& [name, bits, group_size, method] = kind;
    table.AddRow({name, FormatCount(sum.count), bits, GroupsOf(method, group_size), method, FormatBytes(sum.bytes)});
  }
  return table.Render();
}

std::string RenderSizes(const v1::Plan& plan) {
  Table table({{""}, {"", Align::kRight}});
  table.AddRow({"original weights", FormatBytes(plan.source_bytes())});
  table.AddRow({"compressed folder", FormatBytes(plan.total_bytes())});
  table.AddRow({"bits per weight, quantized layers", FormatNumber(plan.bits_per_weight(), 2)});
  table.AddRow({"bits per weight, whole model", FormatNumber(plan.model_bits_per_weight(), 2)});
  table.AddRow({"peak memory, host", FormatBytes(plan.peak_host_bytes())});
  if (plan.peak_gpu_bytes() > 0) table.AddRow({"peak memory, GPU", FormatBytes(plan.peak_gpu_bytes())});
  table.AddRow({"disk while it works", FormatBytes(plan.disk_bytes())});
  table.AddRow({"time", FormatSeconds(plan.est_seconds())});
  for (const v1::StagePlan& stage : plan.stages()) {
    table.AddRow({absl::StrCat("  ", Printable(stage.name())), FormatSeconds(stage.est_seconds())});
  }
  return table.Render();
}

std::string RenderDevices(const v1::Plan& plan) {
  Table table({{"device"}, {"fits"}, {"needed", Align::kRight}, {"available", Align::kRight}});
  for (const v1::DeviceFit& device : plan.devices()) {
    table.AddRow({Printable(device.device()), device.fits() ? "yes" : "no", FormatBytes(device.needed_bytes()),
                  FormatBytes(device.available_bytes())});
  }
  return table.Render();
}

}  // namespace

std::string RenderPlan(const v1::Plan& plan) {
  std::string text = absl::StrCat(Printable(plan.architecture()), ", ", plan.num_blocks(), " blocks; ",
                                  Printable(plan.status()), "\n\n", RenderModules(plan), "\n", RenderSizes(plan));
  if (plan.devices_size() > 0) absl::StrAppend(&text, "\n", RenderDevices(plan));
  for (const std::string& warning : plan.warnings()) absl::StrAppend(&text, "\nwarning: ", Printable(warning), "\n");
  return text;
}

}  // namespace pivot::client
