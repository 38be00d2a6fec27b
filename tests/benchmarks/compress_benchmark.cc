// SPDX-License-Identifier: Apache-2.0
// How long compressing takes beside what its matrix products alone would take at the rate measured in the same run.
//
//   compress_benchmark MODEL [options]
//
// Prints one line a figure. Runs in this process, without a server.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/compress.h"
#include "engine/model/model_shapes.h"
#include "engine/plan/work.h"
#include "kernels/token_products.h"
#include "proto/files/durable_file.h"
#include "tests/benchmarks/run_benchmark.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Settings {
  std::string model;
  std::string device = "cpu";
  std::string text;             // empty: built-in
  std::string evaluation_text;  // empty: built-in
  int samples = 64;
  int sequence_length = 512;
  int64_t evaluation_tokens = 32768;
  double bits = 4;
  int64_t max_bytes = 0;
  std::string plan = "unspecified";
  int seed = 0;
  std::string dtype = "auto";
  int group_size = 0;
  bool asymmetric = false;
  std::string format = "unspecified";
  std::string quantize = "{}";                   // members of pivot.v1.QuantizeOptions
  std::string refine = R"({"stages": "none"})";  // members of pivot.v1.RefineOptions
};

/// FLOP/s of x * weightᵀ over the shapes of the model's layers, a tile of tokens at a time.
double MeasureRate(const ModelConfig& config, const ComputeDevice& device, at::ScalarType dtype) {
  const auto options = at::TensorOptions().dtype(dtype).device(device.device);
  // Reading a value waits for a GPU.
  const auto finish = [](const at::Tensor& result) { return result.flatten()[0].item<double>(); };
  double flops = 0;
  double seconds = 0;
  for (const LinearEntry& entry : config.architecture->linears) {
    const LinearShape shape = ShapeOf(config, entry.role);
    const at::Tensor x = at::randn({4096, shape.in_features}, options);
    const at::Tensor weight = at::randn({shape.out_features, shape.in_features}, options);
    finish(at::linear(x, weight));
    const auto start = Clock::now();
    for (int i = 0; i < 19; ++i) at::linear(x, weight);
    finish(at::linear(x, weight));
    seconds += SecondsSince(start);
    flops += 20 * 2.0 * 4096 * static_cast<double>(shape.in_features * shape.out_features);
  }
  return flops / seconds;
}

struct Rates {
  double float32 = 0;
  double bfloat16 = 0;
};
Rates MeasureRates(const ModelConfig& config, const ComputeDevice& device) {
  return {MeasureRate(config, device, at::kFloat), MeasureRate(config, device, at::kBFloat16)};
}

nlohmann::json TaskOf(const Settings& settings) {
  return {{"source", {{"path", settings.model}}},
          {"format", settings.format},
          {"bits", settings.max_bytes == 0 ? settings.bits : 0},
          {"max_bytes", settings.max_bytes},
          {"plan_kind", settings.plan},
          {"group_size", settings.group_size},
          {"asymmetric", settings.asymmetric},
          {"quantize", nlohmann::json::parse(settings.quantize)},
          {"refine", nlohmann::json::parse(settings.refine)},
          {"calibration",
           {{"text_path", settings.text},
            {"num_samples", settings.samples},
            {"sequence_length", settings.sequence_length},
            {"seed", settings.seed}}},
          {"evaluation", {{"text_path", settings.evaluation_text}, {"max_tokens", settings.evaluation_tokens}}},
          {"compute_dtype", settings.dtype}};
}

void Print(const char* name, double value, const char* unit) { std::printf("%-28s %12.3f %s\n", name, value, unit); }

/// Of the files that are not below pivot/.
int64_t OutputBytesIn(const std::string& folder) {
  int64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  return bytes;
}

void PrintAllocation(const std::string& report_path) {
  const nlohmann::json report = nlohmann::json::parse(std::ifstream(report_path));
  if (!report.contains("allocation")) return;
  const nlohmann::json& allocation = report["allocation"];
  for (const nlohmann::json& probe : allocation["probes"])
    std::printf("probe %-46s %d bits: estimated %.5f measured %.5f\n", probe["name"].get<std::string>().c_str(),
                probe["bits"].get<int>(), probe["estimated"].get<double>(), probe["measured"].get<double>());
  for (const nlohmann::json& point : allocation["curve"])
    std::printf("curve %s %s bits, %s bytes: %.4f\n", point["kind"].get<std::string>().c_str(),
                point["bits"].dump().c_str(), point["bytes"].dump().c_str(), point["estimated_kl"].get<double>());
  for (const nlohmann::json& unit : allocation["units"])
    if (unit["name"] == "ends") std::printf("ends %s\n", unit["costs"].dump().c_str());
  if (allocation.contains("comparison")) std::printf("comparison %s\n", allocation["comparison"].dump().c_str());
  Print("rank correlation", allocation["rank_correlation"].get<double>(), "");
  Print("estimated KL", allocation["estimated_kl"].get<double>(), "nats");
  Print("budget", allocation["max_bytes"].get<double>(), "B");
}

absl::Status Run(const Settings& settings) {
  auto folder = ModelFolder::Open(settings.model);
  if (!folder.ok()) return folder.status();
  auto device = OpenDevice(settings.device, 0);
  if (!device.ok()) return device.status();
  auto spec = ResolveCompressSpec(TaskOf(settings), *folder, device->kind());
  if (!spec.ok()) return spec.status();
  const ModelConfig& config = folder->config();
  const bool is_bf16 = ResolveDtype(*device, spec->dtype) == ComputeDtype::kBfloat16;
  const CompressWork work = WorkOf(config, *spec, settings.evaluation_tokens);

  const Rates before = MeasureRates(config, *device);
  const TemporaryFolder staging;
  const CompressJob job{
      .task = TaskOf(settings), .job_name = "benchmark", .staging_folder = std::string(staging.path())};
  JobHooks hooks;
  hooks.stage_done = [](const std::string& stage, double seconds, double) {
    Print(("stage " + stage).c_str(), seconds, "s");
  };
  hooks.quality_measured = [](const std::string& subject, const Quality& quality) {
    Print(("perplexity of " + subject).c_str(), quality.perplexity, "");
    if (!quality.kl_mean.has_value()) return;
    Print("KL", *quality.kl_mean, "nats");
    Print("top-1 agreement", *quality.top1_agreement, "");
  };
  hooks.publish = [&](const StagedPivot& staged) {
    const std::string output = absl::StrCat(staging.path(), "/", staged.directory);
    Print("bits a weight", staged.bits_per_weight, "");
    Print("size of weights and texts", static_cast<double>(OutputBytesIn(output)), "B");
    PrintAllocation(output + "/pivot/report.json");
    return absl::OkStatus();
  };
  const auto start = Clock::now();
  if (absl::Status status = Compress(job, *device, hooks); !status.ok()) return status;
  const double seconds = SecondsSince(start);
  const Rates after = MeasureRates(config, *device);

  const double float32_rate = (before.float32 + after.float32) / 2;
  const double forward_rate = is_bf16 ? (before.bfloat16 + after.bfloat16) / 2 : float32_rate;
  // Second moments of bf16 are summed by the unit that multiplies bf16, where there is one; solving is in float32 or
  // better.
  const bool has_fast_moments = is_bf16 && (device->kind() == DeviceKind::kCuda || HasTokenProducts());
  const double floor = (work.forward + work.evaluation) / forward_rate +
                       work.statistics / (has_fast_moments ? forward_rate : float32_rate) + work.solve / float32_rate;
  std::printf("%-28s %s, %d threads, forward in %s\n", "device", device->name.c_str(), device->threads,
              is_bf16 ? "bfloat16" : "float32");
  Print("float32 products", float32_rate / 1e9, "GFLOP/s");
  Print("bfloat16 products", (before.bfloat16 + after.bfloat16) / 2e9, "GFLOP/s");
  Print("forward", work.forward / 1e12, "TFLOP");
  Print("statistics", work.statistics / 1e12, "TFLOP");
  Print("solve", work.solve / 1e12, "TFLOP");
  Print("evaluation", work.evaluation / 1e12, "TFLOP");
  Print("in all", work.total() / 1e12, "TFLOP");
  Print("time of the products alone", floor, "s");
  Print("time measured", seconds, "s");
  Print("ratio", seconds / floor, "");
  const MemoryUse memory = MeasureMemory(*device);
  Print("peak host memory", static_cast<double>(memory.peak_host_bytes) / 1e9, "GB");
  Print("peak GPU memory", static_cast<double>(memory.peak_gpu_bytes) / 1e9, "GB");
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Compression beside the time of its matrix products");
  app.add_option("model", settings.model, "model folder")->required();
  app.add_option("--device", settings.device, "cpu or cuda:N");
  app.add_option("--calibration", settings.text);
  app.add_option("--eval", settings.evaluation_text);
  app.add_option("--seed", settings.seed);
  app.add_option("--group-size", settings.group_size);
  app.add_option("--format", settings.format);
  app.add_option("--refine", settings.refine, "members of RefineOptions, JSON");
  app.add_flag("--asymmetric", settings.asymmetric);
  app.add_option("--quantize", settings.quantize, "JSON, as \"quantize\" of a task")->check(CheckJson);
  app.add_option("--samples", settings.samples);
  app.add_option("--seq-len", settings.sequence_length);
  app.add_option("--eval-tokens", settings.evaluation_tokens);
  app.add_option("--bits", settings.bits);
  app.add_option("--max-size", settings.max_bytes, "bytes");
  app.add_option("--plan", settings.plan, "uniform or auto");
  app.add_option("--dtype", settings.dtype);
  return RunBenchmark(app, argc, argv, [&] { return Run(settings); });
}

}  // namespace
}  // namespace pivot

int main(int argc, char** argv) { return pivot::Main(argc, argv); }
