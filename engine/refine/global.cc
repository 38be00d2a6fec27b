// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/global.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/block_shard.h"
#include "engine/checkpoint/journal.h"
#include "engine/ops/call_torch.h"
#include "engine/plan/work.h"
#include "engine/refine/deterministic.h"
#include "engine/refine/refine_streams.h"
#include "engine/refine/state_file.h"
#include "engine/refine/whole_model.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr char kStage[] = "global";
constexpr char kChange[] = ".change";
constexpr char kMean[] = ".mean";
constexpr char kSquare[] = ".square";
constexpr char kBest[] = ".best";

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class GlobalStage {
 public:
  GlobalStage(const RefineInput& input, const JobHooks& hooks, Journal& journal)
      : input_(input),
        hooks_(hooks),
        options_(input.spec->refine),
        windows_(input.text.windows),
        trained_(windows_.size(0) - input.text.held_out),
        step_windows_(std::clamp<int64_t>(options_.step_tokens / windows_.size(1), 1, trained_)),
        steps_an_epoch_(trained_ / step_windows_),
        journal_(journal) {}

  absl::StatusOr<RefineResult> Run() {
    const int epochs = static_cast<int>(options_.global_epochs);
    if (hooks_.stage_started) hooks_.stage_started(kStage, epochs);
    const bool on_gpu = input_.source->device().is_cuda();
    const int64_t tile = TileWindows(on_gpu ? DeviceKind::kCuda : DeviceKind::kCpu, windows_.size(1));
    PIVOT_ASSIGN_OR_RETURN(model_, WholeModel::Read(input_, windows_, tile, hooks_.is_cancelled));
    windows_ = windows_.to(input_.source->device());
    PIVOT_RETURN_IF_ERROR(Begin());
    for (int epoch = static_cast<int>(journal_.entries().size()); epoch < epochs && !is_over_; ++epoch)
      PIVOT_RETURN_IF_ERROR(RunEpoch(epoch));
    TakeBest();
    result_.state = model_->Trace(windows_.narrow(0, 0, 1));
    PIVOT_RETURN_IF_ERROR(WriteShards());
    return std::move(result_);
  }

 private:
  std::string StatePath(int epoch) const { return absl::StrCat(input_.to_folder, "/epoch-", epoch, ".safetensors"); }

  /// From the last epoch that an earlier attempt finished, or the beginning.
  absl::Status Begin() {
    if (!journal_.entries().empty()) {
      const JournalEntry& last = journal_.entries().back();
      auto state = ReadStateFile(StatePath(last.block), last.sha256, State());
      if (state.ok()) return GoOnFrom(*state);
      if (hooks_.warning)
        hooks_.warning("SHARD_DAMAGED", absl::StrCat(state.status().message(), "; refinement begins anew"));
      PIVOT_RETURN_IF_ERROR(journal_.Truncate(0));
    }
    best_kl_ = HeldOutKl();
    if (!std::isfinite(best_kl_))
      return WithReason(absl::FailedPreconditionError("the quantized model's logits are not finite"),
                        "NUMERICAL_FAILURE");
    KeepAsBest();
    return absl::OkStatus();
  }

  absl::Status GoOnFrom(const NamedTensors& state) {
    ForEachLinear([&](const std::string& module, TrainableLinear& linear) {
      const at::Tensor& change = state.at(module + kChange);
      linear.Restore({.latent = {}, .change = change});
      const auto options = linear.Save().change.options();
      linear.scale_moments().mean = state.at(module + kMean).to(options);
      linear.scale_moments().square = state.at(module + kSquare).to(options);
      best_[module + kBest] = state.at(module + kBest).to(options);
    });
    for (const JournalEntry& entry : journal_.entries()) {
      result_.records.push_back(entry.record);
      if (hooks_.block_done) hooks_.block_done(ProgressOf(entry.block, entry.record, /*resumed=*/true));
    }
    best_kl_ = journal_.entries().back().record.at("best_kl").get<double>();
    is_over_ = journal_.entries().back().record.at("ends").get<bool>();
    return absl::OkStatus();
  }

  template <typename Body>
  void ForEachLinear(const Body& body) {
    for (TrainableBlock& block : model_->blocks()) {
      for (auto& [module, linear] : block.linears()) body(module, linear);
    }
  }

  void KeepAsBest() {
    ForEachLinear(
        [&](const std::string& module, TrainableLinear& linear) { best_[module + kBest] = linear.Save().change; });
  }

  void TakeBest() {
    ForEachLinear([&](const std::string& module, TrainableLinear& linear) {
      linear.Restore({.latent = {}, .change = best_.at(module + kBest)});
    });
  }

  /// Moments that no step has made yet are zeros.
  NamedTensors State() {
    NamedTensors state = best_;
    ForEachLinear([&](const std::string& module, TrainableLinear& linear) {
      const at::Tensor change = linear.Save().change;
      const Adam& moments = linear.scale_moments();
      state[module + kBest] = best_.empty() ? change : best_.at(module + kBest);
      state[module + kMean] = moments.mean.defined() ? moments.mean : at::zeros_like(change);
      state[module + kSquare] = moments.square.defined() ? moments.square : at::zeros_like(change);
      state[module + kChange] = change;
    });
    return state;
  }

  double HeldOutKl() {
    double kl = 0;
    for (int64_t window = trained_; window < windows_.size(0); ++window)
      kl += model_->Measure(windows_.narrow(0, window, 1), model_->teacher().narrow(0, window, 1));
    return kl / static_cast<double>((windows_.size(0) - trained_) * windows_.size(1));
  }

  absl::Status RunEpoch(int epoch) {
    const auto start = Clock::now();
    const auto seed = static_cast<uint64_t>(input_.spec->calibration.seed) + static_cast<uint64_t>(epoch);
    const at::Tensor order =
        at::randperm(trained_, at::detail::createCPUGenerator(seed), at::TensorOptions().dtype(at::kLong));
    const int64_t steps = steps_an_epoch_ * options_.global_epochs;
    double kl = 0;
    for (int64_t i = 0; i < steps_an_epoch_; ++i) {
      if (hooks_.is_cancelled && hooks_.is_cancelled()) return absl::CancelledError("the job was cancelled");
      const int64_t step = epoch * steps_an_epoch_ + i + 1;
      ReportProgress(epoch, i);
      const at::Tensor chosen = order.narrow(0, i * step_windows_, step_windows_).to(windows_.device());
      kl += model_->Step(windows_.index_select(0, chosen), model_->teacher().index_select(0, chosen),
                         {.scales = options_.global_rate * ScheduledShare(step, steps)}, step);
    }
    return FinishEpoch(epoch, start, kl / static_cast<double>(steps_an_epoch_ * step_windows_ * windows_.size(1)));
  }

  absl::Status FinishEpoch(int epoch, Clock::time_point start, double trained_kl) {
    const double held_out = HeldOutKl();
    is_over_ = !(held_out < best_kl_);
    if (!is_over_) {
      best_kl_ = held_out;
      KeepAsBest();
    }
    const std::string path = StatePath(epoch);
    PIVOT_ASSIGN_OR_RETURN(const WrittenFile file, WriteStateFile(path, State()));
    const json record{
        {"epoch", epoch},      {"steps", steps_an_epoch_}, {"kl_trained", trained_kl},      {"kl_held_out", held_out},
        {"best_kl", best_kl_}, {"ends", is_over_},         {"seconds", SecondsSince(start)}};
    PIVOT_RETURN_IF_ERROR(journal_.Append({.stage = kStage,
                                           .block = epoch,
                                           .file = path.substr(path.rfind('/') + 1),
                                           .size = file.size,
                                           .sha256 = file.sha256,
                                           .record = record}));
    if (epoch > 0) PIVOT_RETURN_IF_ERROR(RemoveAll(StatePath(epoch - 1)));
    result_.records.push_back(record);
    if (hooks_.block_done) hooks_.block_done(ProgressOf(epoch, record, /*resumed=*/false));
    return absl::OkStatus();
  }

  BlockProgress ProgressOf(int epoch, const json& record, bool resumed) const {
    return {.stage = kStage,
            .block = epoch,
            .total = static_cast<int>(options_.global_epochs),
            .seconds = record.value("seconds", 0.0),
            .relative_error = record.value("kl_held_out", 0.0),
            .resumed = resumed};
  }

  void ReportProgress(int epoch, int64_t step) {
    if (!hooks_.progress) return;
    const auto done = static_cast<double>(steps_done_++);
    const auto left = static_cast<double>((options_.global_epochs - epoch) * steps_an_epoch_ - step);
    const double elapsed = SecondsSince(start_);
    hooks_.progress({.stage = kStage,
                     .done = epoch,
                     .total = static_cast<int>(options_.global_epochs),
                     .detail = absl::StrCat("step ", step + 1, " of ", steps_an_epoch_, ", KL ", best_kl_),
                     .elapsed_seconds = elapsed,
                     .remaining_seconds = done > 0 ? elapsed / done * left : 0});
  }

  absl::Status WriteShards() {
    const ModelFolder& source = input_.source->folder().model;
    for (size_t block = 0; block < model_->blocks().size(); ++block) {
      if (hooks_.is_cancelled && hooks_.is_cancelled()) return absl::CancelledError("the job was cancelled");
      PIVOT_ASSIGN_OR_RETURN(const EncodedLinears linears, EncodeLinears(model_->blocks()[block].Rounded(), {}));
      PIVOT_RETURN_IF_ERROR(WriteShard(input_.to_folder, (*input_.shards)[block], linears, source).status());
    }
    return absl::OkStatus();
  }

  const RefineInput& input_;
  const JobHooks& hooks_;
  const RefineOptions& options_;
  at::Tensor windows_;
  int64_t trained_;
  int64_t step_windows_;
  int64_t steps_an_epoch_;
  Journal& journal_;
  std::optional<WholeModel> model_;
  NamedTensors best_;
  double best_kl_ = 0;
  bool is_over_ = false;
  RefineResult result_;
  Clock::time_point start_ = Clock::now();
  int64_t steps_done_ = 0;
};

}  // namespace

absl::StatusOr<RefineResult> RefineGlobally(const RefineInput& input, const JobHooks& hooks) {
  std::string refused;
  PIVOT_ASSIGN_OR_RETURN(Journal journal, Journal::Open(input.journal_path, input.identity, &refused));
  if (!refused.empty() && hooks.warning)
    hooks.warning("RESUME_REFUSED", absl::StrCat("earlier refinement differs in ", refused, "; it begins anew"));
  return CallTorch("global refinement", [&] {
    const Deterministic deterministic;
    return GlobalStage(input, hooks, journal).Run();
  });
}

}  // namespace pivot
