// SPDX-License-Identifier: Apache-2.0
// How long the layer-wise stage takes for the decoder blocks of a large model, by part.
//
//   layerwise_benchmark [--shape llama-3-8b] [--device cuda:0] [--blocks 4] [--samples 128] [--seq-len 2048] [options]
//
// Writes a model of random bf16 weights with that many blocks into --folder (a temporary one unless named; kept and
// used again when it is), and runs the stage twice over random tokens: once as a job does, whose wall time counts, and
// once with a wait for the device at every border between parts, for the table of parts.

#include <ATen/ATen.h>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/ops/device.h"
#include "engine/ops/part_seconds.h"
#include "engine/plan/output_layout.h"
#include "engine/plan/work.h"
#include "engine/quantize/layerwise.h"
#include "engine/quantize/warm_up.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"
#include "tests/benchmarks/run_benchmark.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Settings {
  std::string shape = "llama-3-8b";
  std::string device = "cuda:0";
  std::string folder;
  int64_t blocks = 4;
  int samples = 128;
  int sequence_length = 2048;
  int bits = 4;
  int group_size = 128;
  std::string quantize = "{}";
  double memory_limit = 0;  // GB; 0: what the GPU has
  bool skips_parts = false;
};

const std::map<std::string, TinyModelOptions>& Shapes() {
  static const std::map<std::string, TinyModelOptions> shapes = {
      {"llama-3-8b",
       {.hidden_size = 4096, .intermediate_size = 14336, .num_heads = 32, .num_kv_heads = 8, .head_dim = 128}},
      {"llama-3-70b",
       {.hidden_size = 8192, .intermediate_size = 28672, .num_heads = 64, .num_kv_heads = 8, .head_dim = 128}},
      {"smollm2-135m",
       {.hidden_size = 576, .intermediate_size = 1536, .num_heads = 9, .num_kv_heads = 3, .head_dim = 64}}};
  return shapes;
}

TinyModelOptions OptionsOf(const Settings& settings) {
  TinyModelOptions options = Shapes().at(settings.shape);
  options.num_blocks = settings.blocks;
  options.vocab_size = 32000;
  options.max_positions = settings.sequence_length;
  return options;
}

/// Files of tensors: a block each, and the rest.
std::map<std::string, std::vector<TensorSpec>> FilesOf(const TinyModelOptions& options) {
  std::map<std::string, std::vector<TensorSpec>> files;
  for (const TensorSpec& tensor : TinyModelTensors(options)) {
    std::string part = "rest";
    for (int64_t block = 0; block < options.num_blocks; ++block) {
      if (absl::StrContains(tensor.name, absl::StrCat(".layers.", block, "."))) part = absl::StrCat("block-", block);
    }
    files[absl::StrCat("model-", part, ".safetensors")].push_back(tensor);
  }
  return files;
}

absl::Status WriteModel(const TinyModelOptions& options, const ComputeDevice& device, const std::string& folder) {
  PIVOT_RETURN_IF_ERROR(MakeFolders(folder));
  nlohmann::json weight_map;
  at::manual_seed(0);
  for (const auto& [file, tensors] : FilesOf(options)) {
    std::vector<at::Tensor> values;
    std::vector<TensorBytes> bytes;
    for (const TensorSpec& tensor : tensors) {
      weight_map[tensor.name] = file;
      const double mean = absl::StrContains(tensor.name, "norm") ? 1 : 0;
      const at::Tensor random =
          at::randn(tensor.shape, at::TensorOptions().dtype(at::kFloat).device(device.device)) * 0.02 + mean;
      values.push_back(random.to(at::kBFloat16).to(at::kCPU));
      bytes.push_back({.spec = tensor,
                       .bytes = {static_cast<const char*>(values.back().const_data_ptr()), values.back().nbytes()}});
    }
    PIVOT_RETURN_IF_ERROR(WriteSafetensors(folder + "/" + file, bytes).status());
  }
  PIVOT_RETURN_IF_ERROR(
      WriteFileDurably(folder + "/model.safetensors.index.json", nlohmann::json{{"weight_map", weight_map}}.dump()));
  return WriteFileDurably(folder + "/config.json", TinyConfigJson(options));
}

nlohmann::json TaskOf(const Settings& settings, const std::string& folder) {
  return {{"source", {{"path", folder}}},
          {"bits", settings.bits},
          {"group_size", settings.group_size},
          {"quantize", nlohmann::json::parse(settings.quantize)},
          {"calibration", {{"num_samples", settings.samples}, {"sequence_length", settings.sequence_length}}}};
}

/// Runs the stage into a folder, which is empty; seconds of each block, but for its write, which goes on behind the
/// next one.
absl::StatusOr<std::vector<double>> RunStage(const WeightReader& reader, const CompressSpec& spec,
                                             const at::Tensor& windows, const ActivationPlacement& placement,
                                             const std::string& staging) {
  const std::string shard_folder = absl::StrCat(staging, "/shards");
  PIVOT_RETURN_IF_ERROR(MakeFolders(shard_folder));
  const ModelSchemes schemes = ModelSchemes::Uniform(reader.config(), spec.scheme);
  const auto shards = OutputShards(reader.folder().model, schemes);
  std::string refused;
  PIVOT_ASSIGN_OR_RETURN(Journal journal, Journal::Open(absl::StrCat(staging, "/journal.jsonl"), {}, &refused));
  JobHooks hooks;
  hooks.warning = [](const std::string& reason, const std::string& message) {
    std::cerr << reason << ": " << message << "\n";
  };
  PIVOT_ASSIGN_OR_RETURN(const LayerwiseResult result, RunLayerwise({.source = &reader,
                                                                     .spec = &spec,
                                                                     .schemes = &schemes,
                                                                     .shards = &shards,
                                                                     .shard_folder = shard_folder,
                                                                     .windows = windows,
                                                                     .placement = placement,
                                                                     .journal = &journal},
                                                                    hooks));
  std::vector<double> seconds;
  for (const nlohmann::json& block : result.blocks) seconds.push_back(block["seconds"]);
  for (const nlohmann::json& block : result.blocks)
    std::printf("block %s: solved in %.3f s of %.3f, written in %.3f, output error of down_proj %.6f\n",
                block["block"].dump().c_str(), block["solve_seconds"].get<double>(), block["seconds"].get<double>(),
                block["write_seconds"].get<double>(), block["linears"].back().value("output_error", 0.0));
  return seconds;
}

void PrintParts(const std::map<std::string, double>& parts, double blocks) {
  double total = 0;
  for (const auto& [name, seconds] : parts) total += seconds;
  for (const auto& [name, seconds] : parts)
    std::printf("  %-24s %8.4f s a block %6.1f %%\n", name.c_str(), seconds / blocks, 100 * seconds / total);
  std::printf("  %-24s %8.4f s a block\n", "all parts", total / blocks);
}

/// Floating-point operations a second of a large product of matrices in the compute dtype: what the device really has.
double MeasureProductRate(const ComputeDevice& device) {
  const int64_t size = device.kind() == DeviceKind::kCuda ? 8192 : 2048;
  const at::Tensor a = at::randn({size, size}, at::TensorOptions().dtype(at::kFloat).device(device.device))
                           .to(ToScalarType(ResolveDtype(device, ComputeDtype::kAutomatic)));
  const auto multiply = [&](int times) {
    const auto start = Clock::now();
    at::Tensor product;
    for (int i = 0; i < times; ++i) product = at::mm(a, a);
    product[0][0].item<double>();  // waits for the device
    return SecondsSince(start);
  };
  multiply(3);
  constexpr int kTimes = 20;
  return kTimes * 2.0 * static_cast<double>(size * size * size) / multiply(kTimes);
}

void PrintSpeed(const Settings& settings, double wall, const std::vector<double>& seconds, const CompressWork& work,
                double product_rate) {
  double steady = 0;
  for (size_t i = 1; i < seconds.size(); ++i) steady += seconds[i] / static_cast<double>(seconds.size() - 1);
  const double flops = work.forward + work.statistics + work.solve;
  const auto blocks = static_cast<double>(settings.blocks);
  double in_blocks = 0;
  for (const double block : seconds) in_blocks += block;
  std::printf("wall %.3f s, %.3f s of it before the first block and behind the last\n", wall, wall - in_blocks);
  std::printf("a block behind the first %.3f s; 32 blocks %.1f s\n", steady, wall + steady * (32 - blocks));
  std::printf("forward %.1f, moments %.1f, solving %.1f TFLOP a block; %.3f s at the rate of a large product\n",
              work.forward / blocks / 1e12, work.statistics / blocks / 1e12, work.solve / blocks / 1e12,
              flops / blocks / product_rate);
  if (steady > 0)
    std::printf("%.1f TFLOP/s, %.1f %% of the %.1f of a large product\n", flops / blocks / steady / 1e12,
                100 * flops / blocks / steady / product_rate, product_rate / 1e12);
}

void PrintMemory(const MemoryUse& used, const ActivationPlacement& placement, const CompressMemory& planned,
                 int samples) {
  std::printf("peak GPU memory %.2f GB (planned %.2f), host %.2f GB (planned %.2f)\n",
              static_cast<double>(used.peak_gpu_bytes) / 1e9, static_cast<double>(placement.gpu_bytes) / 1e9,
              static_cast<double>(used.peak_host_bytes) / 1e9,
              static_cast<double>(planned.host_bytes + placement.host_bytes) / 1e9);
  if (placement.recomputes_hidden) std::printf("the hidden state computed twice\n");
  if (placement.resident_windows < samples)
    std::printf("%lld of %d windows on the GPU, the others in %.2f GB of host memory\n",
                static_cast<long long>(placement.resident_windows), samples,
                static_cast<double>(placement.host_bytes) / 1e9);
}

absl::Status Run(const Settings& settings) {
  PIVOT_ASSIGN_OR_RETURN(const ComputeDevice device, OpenDevice(settings.device, 0));
  // A job does this while it reads its texts.
  const auto warm_start = Clock::now();
  if (auto warm = WarmUp(device); warm.valid()) warm.get();
  std::printf("libraries loaded in %.3f s\n", SecondsSince(warm_start));
  const TemporaryFolder temporary;
  const std::string folder = settings.folder.empty() ? absl::StrCat(temporary.path(), "/model") : settings.folder;
  if (!std::filesystem::exists(folder + "/config.json"))
    PIVOT_RETURN_IF_ERROR(WriteModel(OptionsOf(settings), device, folder));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder source, OpenOriginal(folder));
  PIVOT_ASSIGN_OR_RETURN(CompressSpec spec, ResolveCompressSpec(TaskOf(settings, folder), source.model, device.kind()));
  spec.dtype = ResolveDtype(device, spec.dtype);
  const WeightReader reader(source, ToScalarType(spec.dtype), device.device);
  at::manual_seed(1);
  const at::Tensor windows = at::randint(source.model.config().vocab_size, {settings.samples, settings.sequence_length},
                                         at::TensorOptions().dtype(at::kLong));
  ActivationPlacement placement;
  if (device.kind() == DeviceKind::kCuda) {
    const auto limit = static_cast<int64_t>(settings.memory_limit * 1e9);
    placement = PlaceActivations(source.model.config(), spec, limit > 0 ? limit : device.memory_bytes);
  }
  const TemporaryFolder staging;
  const auto start = Clock::now();
  PIVOT_ASSIGN_OR_RETURN(const std::vector<double> seconds, RunStage(reader, spec, windows, placement, staging.path()));
  const double wall = SecondsSince(start);
  const MemoryUse memory = MeasureMemory(device);
  std::printf("%s, %lld blocks, %d x %d tokens, %d bits, groups of %d, on %s\n", settings.shape.c_str(),
              static_cast<long long>(settings.blocks), settings.samples, settings.sequence_length, settings.bits,
              settings.group_size, device.name.c_str());
  PrintSpeed(settings, wall, seconds, WorkOf(source.model.config(), spec, 0), MeasureProductRate(device));
  PrintMemory(memory, placement, MemoryOf(source.model.config(), spec, device.kind()), settings.samples);
  std::fflush(stdout);
  if (settings.skips_parts) return absl::OkStatus();
  PartSeconds parts(device.device);
  const TemporaryFolder again;
  PIVOT_RETURN_IF_ERROR(RunStage(reader, spec, windows, placement, again.path()).status());
  PrintParts(parts.seconds(), static_cast<double>(settings.blocks));
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Settings settings;
  std::vector<std::string> names;
  for (const auto& [name, options] : Shapes()) names.push_back(name);
  CLI::App app("Seconds of the layer-wise stage, a decoder block");
  app.add_option("--shape", settings.shape)->check(CLI::IsMember(names));
  app.add_option("--device", settings.device, "cpu or cuda:N");
  app.add_option("--folder", settings.folder, "where the random model is written, or was");
  app.add_option("--blocks", settings.blocks);
  app.add_option("--samples", settings.samples);
  app.add_option("--seq-len", settings.sequence_length);
  app.add_option("--bits", settings.bits);
  app.add_option("--group-size", settings.group_size);
  app.add_option("--quantize", settings.quantize, "JSON, as \"quantize\" of a task")->check(CheckJson);
  app.add_option("--memory-limit", settings.memory_limit, "GB that the GPU is taken to have");
  app.add_flag("--no-parts", settings.skips_parts, "without the second run");
  return RunBenchmark(app, argc, argv, [&] { return Run(settings); });
}

}  // namespace
}  // namespace pivot

int main(int argc, char** argv) { return pivot::Main(argc, argv); }
