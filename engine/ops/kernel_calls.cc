// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/kernel_calls.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "absl/strings/str_cat.h"

#include "engine/ops/call_torch.h"
#include "engine/ops/device.h"
#include "kernels/gptq_panel.h"
#include "kernels/pack.h"

namespace pivot {
namespace {

// Rows a thread takes at a time: few enough to share the work of narrow layers.
constexpr int64_t kRowGrain = 16;
// 80 steps of one per cent, as GPTQ's published search has them.
constexpr int kClipSteps = 80;

void* StreamOf(const at::Tensor& tensor) { return LoadedCudaOps()->current_stream(tensor.device().index()); }

/// Added to a signed code it gives the unsigned field of the file.
int FieldOffset(int bits) { return 1 << (bits - 1); }

std::string Describe(absl::string_view what, const at::Tensor& tensor, int bits) {
  return absl::StrCat(what, " [", tensor.size(0), ", ", tensor.size(1), "] bits=", bits);
}

}  // namespace

absl::StatusOr<at::Tensor> PackCodes(const at::Tensor& codes, int bits) {
  return CallTorch("packing codes", [&]() -> absl::StatusOr<at::Tensor> {
    const at::Tensor in = (codes.to(at::kShort) + FieldOffset(bits)).to(at::kByte).contiguous();
    const int64_t row_words = PackedRowWords(in.size(1), bits);
    at::Tensor words = at::empty({in.size(0), row_words}, in.options().dtype(at::kInt));
    auto* out = reinterpret_cast<uint32_t*>(words.data_ptr<int32_t>());
    const uint8_t* data = in.const_data_ptr<uint8_t>();
    if (in.is_cuda()) {
      const int error = LoadedCudaOps()->pack_rows(data, in.size(0), in.size(1), bits, out, StreamOf(in));
      if (error != 0) return StatusFromCuda(error, Describe("packing codes", in, bits));
      return words;
    }
    at::parallel_for(0, in.size(0), kRowGrain, [&](int64_t first, int64_t last) {
      PackRows(data + first * in.size(1), last - first, in.size(1), bits, out + first * row_words);
    });
    return words;
  });
}

absl::StatusOr<at::Tensor> UnpackCodes(const at::Tensor& words, int64_t columns, int bits) {
  return CallTorch("unpacking codes", [&] {
    const at::Tensor in = words.contiguous();
    at::Tensor codes = at::empty({in.size(0), columns}, in.options().dtype(at::kByte));
    const auto* data = reinterpret_cast<const uint32_t*>(in.const_data_ptr<int32_t>());
    at::parallel_for(0, in.size(0), kRowGrain, [&](int64_t first, int64_t last) {
      UnpackRows(data + first * in.size(1), last - first, columns, bits, codes.data_ptr<uint8_t>() + first * columns);
    });
    return (codes.to(at::kShort) - FieldOffset(bits)).to(at::kChar);
  });
}

absl::StatusOr<PanelResult> QuantizePanel(const at::Tensor& weight, const at::Tensor& factor, const at::Tensor& scale,
                                          int bits) {
  return CallTorch("a GPTQ panel", [&]() -> absl::StatusOr<PanelResult> {
    // Factorizations give their result column by column unless asked otherwise.
    if (factor.stride(1) != 1 || weight.stride(1) != 1)
      return absl::InvalidArgumentError("rows of a panel are not contiguous");
    const at::Tensor scales = scale.contiguous();
    PanelResult result{.codes = at::empty(weight.sizes(), weight.options().dtype(at::kChar)),
                       .errors = at::empty(weight.sizes(), weight.options())};
    const GptqPanel panel{.rows = weight.size(0),
                          .columns = weight.size(1),
                          .bits = bits,
                          .weight = weight.data_ptr<float>(),
                          .weight_stride = weight.stride(0),
                          .factor = factor.const_data_ptr<float>(),
                          .factor_stride = factor.stride(0),
                          .scale = scales.const_data_ptr<float>(),
                          .code = result.codes.data_ptr<int8_t>(),
                          .error = result.errors.data_ptr<float>()};
    if (weight.is_cuda()) {
      const int error = LoadedCudaOps()->gptq_panel(panel, StreamOf(weight));
      if (error != 0) return StatusFromCuda(error, Describe("GPTQ panel", weight, bits));
      return result;
    }
    at::parallel_for(0, panel.rows, kRowGrain, [&](int64_t first, int64_t last) { RunGptqPanel(panel, first, last); });
    return result;
  });
}

absl::StatusOr<at::Tensor> SearchScales(const at::Tensor& weight, const at::Tensor& importance,
                                        const WeightScheme& scheme, ClipSearch search) {
  return CallTorch("the search of scales", [&]() -> absl::StatusOr<at::Tensor> {
    const at::Tensor in = weight.contiguous();
    const at::Tensor weights_of_columns = importance.contiguous();
    at::Tensor scales = at::empty({in.size(0), in.size(1) / scheme.group_size}, in.options());
    const ClipSearchInput input{
        .rows = in.size(0),
        .columns = in.size(1),
        .group_size = scheme.group_size,
        .bits = scheme.bits,
        .num_steps = search == ClipSearch::kNone ? 1 : kClipSteps,
        .error = search == ClipSearch::kPower ? ClipError::kPower24 : ClipError::kWeightedSquare,
        .weight = in.const_data_ptr<float>(),
        .importance = weights_of_columns.const_data_ptr<float>(),
        .scale = scales.data_ptr<float>()};
    if (in.is_cuda()) {
      const int error = LoadedCudaOps()->clip_search(input, StreamOf(in));
      if (error != 0) return StatusFromCuda(error, Describe("clip search", in, scheme.bits));
      return scales;
    }
    at::parallel_for(0, input.rows, kRowGrain, [&](int64_t first, int64_t last) { RunClipSearch(input, first, last); });
    return scales;
  });
}

}  // namespace pivot
