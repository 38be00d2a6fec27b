// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/activation_calls.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <cmath>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "engine/ops/device.h"
#include "kernels/causal_attention.h"
#include "kernels/gated_silu.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"
#include "kernels/score_rows.h"

namespace pivot {
namespace {

// Rows a thread takes at a time.
constexpr int64_t kRowGrain = 16;

void* StreamOf(const at::Tensor& tensor) { return LoadedCudaOps()->current_stream(tensor.device().index()); }

const uint16_t* Bf16Data(const at::Tensor& x) { return static_cast<const uint16_t*>(x.const_data_ptr()); }

/// Leaves as ATen's own failures do, so that CallTorch tells them apart.
void ThrowIfFailed(int error, absl::string_view what, const at::Tensor& x) {
  if (error == 0) return;
  const absl::Status status = StatusFromCuda(error, absl::StrCat(what, " of ", x.numel(), " elements"));
  const std::string text(status.message());
  TORCH_CHECK_WITH(OutOfMemoryError, !absl::IsResourceExhausted(status), text);
  TORCH_CHECK(false, "CUDA error: ", text);
}

}  // namespace

bool PrefersOwnAttention(const at::Tensor& query) {
  return !query.requires_grad() && query.is_cpu() && query.scalar_type() == at::kBFloat16 && HasCausalAttention() &&
         !HasTileUnit() && query.size(3) % 2 == 0;
}

at::Tensor AttendCausally(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  const auto with_contiguous_rows = [](const at::Tensor& x) { return x.stride(3) == 1 ? x : x.contiguous(); };
  const at::Tensor q = with_contiguous_rows(query);
  const at::Tensor k = with_contiguous_rows(key);
  const at::Tensor v = with_contiguous_rows(value);
  const auto strides = [](const at::Tensor& x) {
    return CausalAttention::Strides{.batch = x.stride(0), .head = x.stride(1), .token = x.stride(2)};
  };
  const auto data = [](const at::Tensor& x) { return static_cast<const uint16_t*>(x.const_data_ptr()); };
  at::Tensor output = at::empty({q.size(0), q.size(2), q.size(1) * q.size(3)}, q.options());
  CausalAttention attention{.batch = q.size(0),
                            .heads = q.size(1),
                            .kv_heads = k.size(1),
                            .length = q.size(2),
                            .head_dim = q.size(3),
                            .scale = 1.0F / std::sqrt(static_cast<float>(q.size(3))),
                            .query = data(q),
                            .key = data(k),
                            .value = data(v),
                            .query_strides = strides(q),
                            .key_strides = strides(k),
                            .value_strides = strides(v),
                            .output = static_cast<uint16_t*>(output.data_ptr())};
  const at::Tensor packed = at::empty({PackedAttentionSize(attention)}, q.options());
  attention.packed = static_cast<uint16_t*>(packed.data_ptr());
  at::parallel_for(0, attention.batch * attention.kv_heads, 1,
                   [&](int64_t first, int64_t last) { PackAttention(attention, first, last); });
  at::parallel_for(0, NumAttentionTasks(attention), 1,
                   [&](int64_t first, int64_t last) { RunCausalAttention(attention, first, last); });
  return output;
}

bool CanFuse(const at::Tensor& x) {
  return x.is_cuda() && x.scalar_type() == at::kBFloat16 && LoadedCudaOps() != nullptr && !x.requires_grad();
}

at::Tensor FusedRmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  TORCH_CHECK(weight.scalar_type() == at::kBFloat16 && weight.dim() == 1 && weight.size(0) == x.size(-1),
              "a norm's weight does not fit its input");
  const at::Tensor in = x.contiguous();
  const at::Tensor weights = weight.contiguous();
  at::Tensor out = at::empty(in.sizes(), in.options());
  if (in.numel() == 0) return out;
  const RmsNormInput input{.rows = in.numel() / in.size(-1),
                           .columns = in.size(-1),
                           .x = Bf16Data(in),
                           .weight = Bf16Data(weights),
                           .epsilon = static_cast<float>(epsilon),
                           .out = static_cast<uint16_t*>(out.data_ptr())};
  ThrowIfFailed(LoadedCudaOps()->rms_norm(input, StreamOf(in)), "normalization", in);
  return out;
}

at::Tensor FusedGatedSilu(const at::Tensor& gate, const at::Tensor& up) {
  TORCH_CHECK(up.scalar_type() == at::kBFloat16 && up.sizes() == gate.sizes(), "gate and up differ in shape");
  at::Tensor out = gate.contiguous();
  const at::Tensor factor = up.contiguous();
  const GatedSiluInput input{.count = out.numel(),
                             .gate = Bf16Data(out),
                             .up = Bf16Data(factor),
                             .out = static_cast<uint16_t*>(out.data_ptr())};
  ThrowIfFailed(LoadedCudaOps()->gated_silu(input, StreamOf(out)), "gated SiLU", out);
  return out;
}

at::Tensor FusedRotary(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine, int64_t head_dim) {
  const int64_t length = x.size(1);
  const int64_t heads = x.size(2) / head_dim;
  for (const at::Tensor& table : {cosine, sine}) {
    TORCH_CHECK(table.scalar_type() == at::kBFloat16 && table.size(0) == length && table.size(1) == head_dim,
                "a rotary table does not fit its input");
  }
  at::Tensor tokens = x.reshape({x.size(0) * length, x.size(2)});
  if (tokens.stride(1) != 1) tokens = tokens.contiguous();
  const at::Tensor cosines = cosine.contiguous();
  const at::Tensor sines = sine.contiguous();
  const at::Tensor out = at::empty({x.size(0), length, heads, head_dim}, x.options());
  const RotaryInput input{.tokens = tokens.size(0),
                          .length = length,
                          .heads = heads,
                          .head_dim = head_dim,
                          .x = Bf16Data(tokens),
                          .token_stride = tokens.stride(0),
                          .cosine = Bf16Data(cosines),
                          .sine = Bf16Data(sines),
                          .out = static_cast<uint16_t*>(out.data_ptr())};
  ThrowIfFailed(LoadedCudaOps()->rotary(input, StreamOf(x)), "rotary embedding", x);
  return out.transpose(1, 2);
}

bool CanPackTokens(const at::Tensor& tokens) {
  return tokens.is_cpu() && tokens.scalar_type() == at::kBFloat16 && HasTokenProducts();
}

PackedTokens PackTokenRows(const at::Tensor& tokens) {
  const at::Tensor in = tokens.contiguous();
  PackedTokens packed{.tokens = in.size(0), .features = in.size(1), .data = {}};
  packed.data = at::empty({PackedTokensSize(packed.tokens, packed.features)}, in.options());
  const auto* data = static_cast<const uint16_t*>(in.const_data_ptr());
  auto* out = static_cast<uint16_t*>(packed.data.data_ptr());
  at::parallel_for(0, NumProductPanels(packed.features), 1, [&](int64_t first, int64_t last) {
    PackTokens(data, packed.tokens, packed.features, first, last, out);
  });
  return packed;
}

void AddTokenProducts(const PackedTokens& left, const PackedTokens& right, ProductPart part, const at::Tensor& sum) {
  const TokenProducts products{.tokens = left.tokens,
                               .left_features = left.features,
                               .right_features = right.features,
                               .part = part,
                               .left = static_cast<const uint16_t*>(left.data.const_data_ptr()),
                               .right = static_cast<const uint16_t*>(right.data.const_data_ptr()),
                               .sum = sum.data_ptr<float>()};
  // Below the diagonal the first panels have the most rows: threads take panels from both ends.
  const int64_t tasks = NumProductPanels(right.features);
  at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t task = i % 2 == 0 ? i / 2 : tasks - 1 - i / 2;
      RunTokenProducts(products, task, task + 1);
    }
  });
}

RowScores ScoreRows(const at::Tensor& model, const at::Tensor& reference, const at::Tensor& targets) {
  const at::Tensor model_rows = model.contiguous();
  const at::Tensor reference_rows = reference.defined() ? reference.contiguous() : reference;
  const at::Tensor target_rows = targets.contiguous();
  const auto floats = model.options().dtype(at::kFloat);
  RowScores scores{.model_nll = at::empty({model.size(0)}, floats)};
  ScoreInput input{.rows = model.size(0),
                   .columns = model.size(1),
                   .is_bf16 = model.scalar_type() == at::kBFloat16,
                   .model = model_rows.const_data_ptr(),
                   .target = target_rows.const_data_ptr<int64_t>(),
                   .model_nll = scores.model_nll.data_ptr<float>()};
  if (reference.defined()) {
    scores.reference_nll = at::empty({model.size(0)}, floats);
    scores.kl = at::empty({model.size(0)}, floats);
    scores.has_same_top = at::empty({model.size(0)}, floats.dtype(at::kByte));
    input.reference = reference_rows.const_data_ptr();
    input.reference_nll = scores.reference_nll.data_ptr<float>();
    input.kl = scores.kl.data_ptr<float>();
    input.has_same_top = scores.has_same_top.data_ptr<uint8_t>();
  }
  at::parallel_for(0, input.rows, kRowGrain, [&](int64_t first, int64_t last) { RunScoreRows(input, first, last); });
  return scores;
}

}  // namespace pivot
