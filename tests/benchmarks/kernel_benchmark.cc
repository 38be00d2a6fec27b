// SPDX-License-Identifier: Apache-2.0
// How near each kernel comes to what the device can do.
//
//   kernel_benchmark [--device cuda:0] [--rows 28672 --columns 4096] [--group-size 128] [--bits 4] [--tokens 32768]
//
// Defaults are gate_proj and up_proj of Llama 3 8B and the activations of 16 windows. A line a kernel: microseconds of
// a call, what it must read and write at least, and its arithmetic, each beside what the device gave in the same run: a
// copy of a large tensor, and a product of large fp32 matrices. A kernel is as fast as it can be where one of the
// shares is near 100 %.

#include <ATen/ATen.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include "absl/functional/function_ref.h"

#include "engine/ops/activation_calls.h"
#include "engine/ops/device.h"
#include "engine/ops/kernel_calls.h"
#include "kernels/clip_search.h"
#include "kernels/gptq_panel.h"
#include "proto/status/status_macros.h"
#include "tests/benchmarks/run_benchmark.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

// Operations for one weight and one range that a search tries: times the inverse scale, rounded, held within the codes
// (2), what is left (2), squared and weighted (2), added.
constexpr double kSearchOperations = 9;
constexpr double kMinSeconds = 0.2;

struct Settings {
  std::string device = "cuda:0";
  int64_t rows = 28672;
  int64_t columns = 4096;
  int64_t group_size = 128;
  int64_t tokens = 32768;
  int64_t features = 14336;
  int bits = 4;
};

/// What one call of a kernel needs.
struct Work {
  double bytes = 0;       // read and written once
  double operations = 0;  // fp32
};

class Bench {
 public:
  Bench(const ComputeDevice& device, const Settings& settings) : settings_(settings), device_(device) {
    MeasureLimits();
  }

  absl::Status RunAll() {
    PIVOT_RETURN_IF_ERROR(Packing());
    PIVOT_RETURN_IF_ERROR(Searches());
    PIVOT_RETURN_IF_ERROR(Panel());
    PIVOT_RETURN_IF_ERROR(Refinement());
    return device_.kind() == DeviceKind::kCuda ? FusedActivations() : Products();
  }

 private:
  at::TensorOptions Options(at::ScalarType type = at::kFloat) const {
    return at::TensorOptions().dtype(type).device(device_.device);
  }
  at::Tensor RandomWeight() const { return at::randn({settings_.rows, settings_.columns}, Options()) * 0.02; }
  double NumWeights() const { return static_cast<double>(settings_.rows * settings_.columns); }

  /// ATen runs what is asked for in order, so that one value says that all is done.
  void Wait() const { at::zeros({1}, Options()).item<double>(); }

  /// Seconds of a call, as often as fills a fifth of a second.
  double SecondsOf(absl::FunctionRef<void()> call) const {
    call();
    Wait();
    double seconds = 0;
    for (int times = 1; seconds < kMinSeconds; times *= 2) {
      const auto start = Clock::now();
      for (int i = 0; i < times; ++i) call();
      Wait();
      seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (seconds >= kMinSeconds) return seconds / times;
    }
    return seconds;
  }

  void MeasureLimits() {
    const bool is_cuda = device_.kind() == DeviceKind::kCuda;
    const at::Tensor from = at::ones({is_cuda ? int64_t{1} << 28 : int64_t{1} << 25}, Options());
    const at::Tensor to = at::empty_like(from);
    copy_rate_ = 2.0 * static_cast<double>(from.nbytes()) / SecondsOf([&] { to.copy_(from); });
    const int64_t size = is_cuda ? 8192 : 2048;
    const at::Tensor a = at::randn({size, size}, Options());
    const auto cube = static_cast<double>(size * size * size);
    product_rate_ = 2.0 * cube / SecondsOf([&] { at::mm(a, a); });
    std::printf("%s: a copy %.0f GB/s, an fp32 product %.2f TFLOP/s\n", device_.name.c_str(), copy_rate_ / 1e9,
                product_rate_ / 1e12);
  }

  void Print(const char* name, double seconds, const Work& work) const {
    const double bytes = work.bytes / seconds;
    std::printf("%-26s %10.1f us %8.1f GB/s %5.1f %% of a copy", name, seconds * 1e6, bytes / 1e9,
                100 * bytes / copy_rate_);
    const double operations = work.operations / seconds;
    if (operations > 0)
      std::printf(" %8.3f TFLOP/s %5.1f %% of a product", operations / 1e12, 100 * operations / product_rate_);
    std::printf("\n");
    std::fflush(stdout);
  }

  /// Times a call that may refuse; the first refusal is returned.
  absl::Status Measure(const char* name, const Work& work, absl::FunctionRef<absl::Status()> call) const {
    absl::Status status;
    const double seconds = SecondsOf([&] { status.Update(call()); });
    if (status.ok()) Print(name, seconds, work);
    return status;
  }

  at::Tensor RandomCodes(int64_t columns) const {
    const int64_t half = int64_t{1} << (settings_.bits - 1);
    return at::randint(-half, half, {settings_.rows, columns}, Options(at::kChar));
  }

  absl::Status Packing() const {
    const at::Tensor codes = RandomCodes(settings_.columns);
    return Measure("pack", {.bytes = NumWeights() * (1 + settings_.bits / 8.0)},
                   [&] { return PackCodes(codes, settings_.bits).status(); });
  }

  absl::Status Searches() const {
    const at::Tensor weight = RandomWeight();
    const at::Tensor importance = at::rand({settings_.columns}, Options()) + 0.1;
    const double scale_bytes = 4 * NumWeights() / static_cast<double>(settings_.group_size);
    const auto search = [&](const char* name, Symmetry symmetry, ScaleSigns signs, double ranges) {
      const WeightScheme scheme{.bits = settings_.bits, .group_size = settings_.group_size, .symmetry = symmetry};
      return Measure(name,
                     {.bytes = 4 * NumWeights() + scale_bytes, .operations = kSearchOperations * ranges * NumWeights()},
                     [&] { return SearchGrid(weight, importance, scheme, {.signs = signs}).status(); });
    };
    PIVOT_RETURN_IF_ERROR(search("clip search", Symmetry::kSymmetric, ScaleSigns::kPositive, kClipSteps));
    PIVOT_RETURN_IF_ERROR(search("clip search, both signs", Symmetry::kSymmetric, ScaleSigns::kEither,
                                 2 * (kClipSteps - kFirstSignedStep)));
    return search("clip search, zero points", Symmetry::kAsymmetric, ScaleSigns::kPositive, kClipSteps);
  }

  absl::Status Panel() const {
    const int64_t columns = kMaxPanelColumns;
    const int64_t groups = settings_.columns / settings_.group_size;
    const at::Tensor codes = at::empty({settings_.rows, settings_.columns}, Options(at::kChar));
    const PanelTensors panel{
        .weight = RandomWeight().narrow(1, 0, columns),
        .factor = (at::randn({columns, columns}, Options()) * 0.1).triu_(1) + at::eye(columns, Options()),
        .scale = at::full({settings_.rows, groups}, 0.01, Options()),
        .group = at::floor_divide(at::arange(columns, Options(at::kInt)), settings_.group_size).to(at::kInt),
        .codes = codes.narrow(1, 0, columns),
        .errors = at::empty({settings_.rows, columns}, Options())};
    const auto cells = static_cast<double>(settings_.rows * columns);
    const WeightScheme scheme{.bits = settings_.bits, .group_size = settings_.group_size};
    // A row's trailing updates are half of a square, a product and a sum each.
    return Measure("GPTQ panel", {.bytes = 9 * cells, .operations = cells * static_cast<double>(columns)},
                   [&] { return QuantizePanel(panel, scheme); });
  }

  absl::Status Refinement() const {
    const int64_t columns = std::min(settings_.group_size, kMaxPanelColumns);
    const at::Tensor inputs = at::randn({2 * columns, columns}, Options());
    const GroupTensors group{.hessian = at::mm(inputs.t(), inputs),
                             .gradient = at::randn({settings_.rows, columns}, Options()),
                             .scale = at::full({settings_.rows}, 0.01, Options()),
                             .zero_point = {},
                             .codes = RandomCodes(columns),
                             .change = at::empty({settings_.rows, columns}, Options())};
    const auto cells = static_cast<double>(settings_.rows * columns);
    // A product with the group's part of the Hessian for the scale, and as much for the codes' steps.
    return Measure("refinement of a group",
                   {.bytes = 10 * cells, .operations = 4 * cells * static_cast<double>(columns)},
                   [&] { return RefineGroupCodes(group, settings_.bits, 7); });
  }

  /// Passes over activations on a GPU, in bf16.
  absl::Status FusedActivations() const {
    const int64_t head_dim = 128;
    const at::Tensor hidden = at::randn({settings_.tokens, settings_.features}, Options(at::kBFloat16));
    const at::Tensor stream = at::randn({1, settings_.tokens, settings_.columns}, Options(at::kBFloat16));
    const at::Tensor norm = at::ones({settings_.columns}, Options(at::kBFloat16));
    const at::Tensor angles = at::rand({settings_.tokens, head_dim}, Options(at::kBFloat16));
    const auto stream_bytes = static_cast<double>(stream.nbytes());
    const at::Tensor gate = at::randn_like(hidden);
    Print("RMS norm", SecondsOf([&] { FusedRmsNorm(stream, norm, 1e-5); }), {.bytes = 2 * stream_bytes});
    Print("silu(gate) * up", SecondsOf([&] { FusedGatedSilu(gate, hidden); }),
          {.bytes = 3 * static_cast<double>(hidden.nbytes())});
    Print("rotary embedding", SecondsOf([&] { FusedRotary(stream, angles, angles, head_dim); }),
          {.bytes = 2 * stream_bytes + 2 * static_cast<double>(angles.nbytes())});
    return absl::OkStatus();
  }

  /// Products of tokens on a CPU with AVX512_BF16.
  absl::Status Products() const {
    const at::Tensor tokens =
        at::randn({std::min<int64_t>(settings_.tokens, 2048), std::min<int64_t>(settings_.columns, 2048)}, Options())
            .to(at::kBFloat16);
    if (!CanPackTokens(tokens)) {
      std::printf("no products of bf16 tokens on this processor\n");
      return absl::OkStatus();
    }
    const PackedTokens packed = PackTokenRows(tokens);
    const at::Tensor sum = at::zeros({packed.features, packed.features}, Options());
    const auto square = static_cast<double>(sum.numel());
    Print("products of tokens", SecondsOf([&] { AddTokenProducts(packed, packed, ProductPart::kAll, sum); }),
          {.bytes = 8 * square, .operations = 2 * square * static_cast<double>(packed.tokens)});
    return absl::OkStatus();
  }

  const Settings& settings_;
  const ComputeDevice& device_;
  double copy_rate_ = 0;     // bytes a second, read and written
  double product_rate_ = 0;  // operations a second
};

absl::Status Run(const Settings& settings) {
  if (settings.columns % settings.group_size != 0)
    return absl::InvalidArgumentError("--columns must be a multiple of --group-size");
  PIVOT_ASSIGN_OR_RETURN(const ComputeDevice device, OpenDevice(settings.device, 0));
  at::manual_seed(0);
  return Bench(device, settings).RunAll();
}

int Main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Each kernel beside what the device can do");
  app.add_option("--device", settings.device, "cpu or cuda:N");
  app.add_option("--rows", settings.rows)->check(CLI::PositiveNumber);
  app.add_option("--columns", settings.columns, "a multiple of the group size")->check(CLI::PositiveNumber);
  app.add_option("--group-size", settings.group_size)->check(CLI::PositiveNumber);
  app.add_option("--tokens", settings.tokens, "of activations")->check(CLI::PositiveNumber);
  app.add_option("--features", settings.features, "of the MLP's hidden state")->check(CLI::PositiveNumber);
  app.add_option("--bits", settings.bits)->check(CLI::Range(2, 8));
  return RunBenchmark(app, argc, argv, [&] { return Run(settings); });
}

}  // namespace
}  // namespace pivot

int main(int argc, char** argv) { return pivot::Main(argc, argv); }
