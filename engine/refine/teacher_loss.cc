// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/teacher_loss.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <functional>

#include "engine/forward/ends.h"

namespace pivot {
namespace {

/// Calls `body` with window, first position and number of positions of each part.
void ForEachPart(const at::Tensor& stream, const std::function<void(int64_t, int64_t, int64_t)>& body) {
  const int64_t rows = LogitRows(stream.device());
  for (int64_t window = 0; window < stream.size(0); ++window) {
    for (int64_t first = 0; first < stream.size(1); first += rows)
      body(window, first, std::min(rows, stream.size(1) - first));
  }
}

at::Tensor LogProbabilities(const ModelConfig& config, const HeadWeights& head, const at::Tensor& part) {
  return at::log_softmax(ComputeHead(config, head, HeadInput(config, head, part)), -1, at::kFloat);
}

}  // namespace

TeacherLoss LossAgainstTeacher(const ModelConfig& config, const TeacherPair& heads, const at::Tensor& stream,
                               const at::Tensor& teacher) {
  TeacherLoss loss{.gradients = at::empty_like(stream)};
  at::Tensor sum = at::zeros({}, stream.options().dtype(at::kDouble));
  const auto positions = static_cast<double>(stream.size(0) * stream.size(1));
  ForEachPart(stream, [&](int64_t window, int64_t first, int64_t count) {
    const auto cut = [&](const at::Tensor& x) { return x.narrow(0, window, 1).narrow(1, first, count); };
    const at::Tensor wanted = LogProbabilities(config, heads.original, cut(teacher));
    const at::Tensor part = cut(stream).detach().requires_grad_(true);
    const at::Tensor logits = ComputeHead(config, heads.quantized, HeadInput(config, heads.quantized, part));
    const at::Tensor said = at::log_softmax(logits.detach(), -1, at::kFloat);
    const at::Tensor probabilities = wanted.exp();
    sum.add_((wanted - said).mul_(probabilities).sum(at::kDouble));
    logits.backward(said.exp().sub_(probabilities).div_(positions).to(logits.scalar_type()));
    cut(loss.gradients).copy_(part.grad());
  });
  loss.kl = sum.item<double>();
  return loss;
}

double KlAgainstTeacher(const ModelConfig& config, const TeacherPair& heads, const at::Tensor& stream,
                        const at::Tensor& teacher) {
  at::Tensor sum = at::zeros({}, stream.options().dtype(at::kDouble));
  ForEachPart(stream, [&](int64_t window, int64_t first, int64_t count) {
    const auto cut = [&](const at::Tensor& x) { return x.narrow(0, window, 1).narrow(1, first, count); };
    const at::Tensor wanted = LogProbabilities(config, heads.original, cut(teacher));
    const at::Tensor said = LogProbabilities(config, heads.quantized, cut(stream));
    sum.add_((wanted - said).mul_(wanted.exp()).sum(at::kDouble));
  });
  return sum.item<double>();
}

}  // namespace pivot
