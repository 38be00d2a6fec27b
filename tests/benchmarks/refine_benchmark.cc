// SPDX-License-Identifier: Apache-2.0
// How long refining codes and scales takes for the layers of one decoder block.
//
//   refine_benchmark [--device cuda:0] [--hidden 4096 --key-value 1024 --intermediate 14336] [--bits 4 --group-size
//   128]
//
// Defaults are the shapes of Llama 3 8B. Weights and inputs are random; the start is GPTQ's. Prints one line a group of
// layers: what GPTQ with its factorization takes, what refining takes, and what the loss of GPTQ becomes.

#include <ATen/ATen.h>
#include <chrono>
#include <cstdio>
#include <string>

#include "engine/checkpoint/quantized_linear.h"
#include "engine/ops/device.h"
#include "engine/quantize/gptq.h"
#include "engine/quantize/refine.h"
#include "proto/status/status_macros.h"
#include "tests/benchmarks/run_benchmark.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  std::string device = "cuda:0";
  int64_t hidden = 4096;
  int64_t key_value = 1024;
  int64_t intermediate = 14336;
  int bits = 4;
  int64_t group_size = 128;
  int64_t sweeps = 4;
};

/// Seconds since `start`, when everything queued on the tensor's device is done.
double SecondsSince(Clock::time_point start, const at::Tensor& last) {
  last.flatten()[0].item<double>();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double LossOf(const at::Tensor& weight, const at::Tensor& codes, const QuantizationGrid& grid,
              const at::Tensor& hessian, const WeightScheme& scheme) {
  return MeasureProxyLoss(weight, Dequantize({.codes = codes, .scale = grid.scale, .scheme = scheme}), hessian).loss;
}

absl::StatusOr<double> RunShape(const Settings& settings, const ComputeDevice& device, const char* name, int64_t out,
                                int64_t in) {
  const WeightScheme scheme{.bits = settings.bits, .group_size = settings.group_size};
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device.device);
  at::manual_seed(static_cast<uint64_t>(in));
  const at::Tensor weight = at::randn({out, in}, options) * 0.02;
  const at::Tensor tokens = at::randn({8192, in}, options) + at::randn({8192, 1}, options);
  const at::Tensor hessian = RegularizeHessian(at::mm(tokens.t(), tokens) * (2.0 / 8192), 1);
  auto start = Clock::now();
  PIVOT_ASSIGN_OR_RETURN(const HessianFactor factor, FactorizeHessian(hessian, 0.01, ActOrder::kWeight));
  PIVOT_ASSIGN_OR_RETURN(const QuantizationGrid grid,
                         SearchGrid(weight, ConditionalImportance(factor), scheme, {.signs = ScaleSigns::kEither}));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor codes, QuantizeGptq(weight, grid, factor, scheme));
  const double gptq_seconds = SecondsSince(start, codes);
  start = Clock::now();
  PIVOT_ASSIGN_OR_RETURN(const RefinedCodes refined,
                         RefineCodes(weight, codes, grid, hessian, scheme, {.sweeps = settings.sweeps}));
  const double seconds = SecondsSince(start, refined.codes);
  const double before = LossOf(weight, codes, grid, hessian, scheme);
  const double after = LossOf(weight, refined.codes, refined.grid, hessian, scheme);
  std::printf("%-8s %6lld x %-6lld GPTQ %7.3f s, refining %7.3f s, loss x %.4f\n", name, static_cast<long long>(out),
              static_cast<long long>(in), gptq_seconds, seconds, after / before);
  return seconds;
}

absl::Status Run(const Settings& settings) {
  auto device = OpenDevice(settings.device, 0);
  if (!device.ok()) return device.status();
  // The first use of a library on the device loads it.
  Settings warm = settings;
  warm.sweeps = 1;
  if (auto first = RunShape(warm, *device, "(first)", settings.group_size, 2 * settings.group_size); !first.ok())
    return first.status();
  double total = 0;
  struct Shape {
    const char* name;
    int64_t out, in;
  };
  for (const Shape& shape :
       {Shape{"q, k, v", settings.hidden + 2 * settings.key_value, settings.hidden},
        Shape{"o", settings.hidden, settings.hidden}, Shape{"gate, up", 2 * settings.intermediate, settings.hidden},
        Shape{"down", settings.hidden, settings.intermediate}}) {
    auto seconds = RunShape(settings, *device, shape.name, shape.out, shape.in);
    if (!seconds.ok()) return seconds.status();
    total += *seconds;
  }
  std::printf("refining a block: %.3f s on %s\n", total, device->name.c_str());
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Seconds of refining codes and scales, a decoder block");
  app.add_option("--device", settings.device, "cpu or cuda:N");
  app.add_option("--hidden", settings.hidden);
  app.add_option("--key-value", settings.key_value, "features of k_proj and of v_proj");
  app.add_option("--intermediate", settings.intermediate);
  app.add_option("--bits", settings.bits);
  app.add_option("--group-size", settings.group_size);
  app.add_option("--sweeps", settings.sweeps);
  return RunBenchmark(app, argc, argv, [&] { return Run(settings); });
}

}  // namespace
}  // namespace pivot

int main(int argc, char** argv) { return pivot::Main(argc, argv); }
