// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/part_seconds.h"

#include <ATen/Context.h>
#include <cassert>

namespace pivot {
namespace {

thread_local PartSeconds* measuring = nullptr;

}  // namespace

PartSeconds::PartSeconds(c10::Device device) : device_(device), last_(std::chrono::steady_clock::now()) {
  assert(measuring == nullptr);
  measuring = this;
}

PartSeconds::~PartSeconds() { measuring = nullptr; }

void PartSeconds::CountTime() {
  if (device_.is_cuda()) at::detail::getCUDAHooks().deviceSynchronize(device_.index());
  const auto now = std::chrono::steady_clock::now();
  if (!open_.empty()) seconds_[open_.back()] += std::chrono::duration<double>(now - last_).count();
  last_ = now;
}

void PartSeconds::Enter(const char* name) {
  CountTime();
  open_.push_back(name);
}

void PartSeconds::Leave() {
  CountTime();
  open_.pop_back();
}

Part::Part(const char* name) : owner_(measuring) {
  if (owner_ != nullptr) owner_->Enter(name);
}

Part::~Part() {
  if (owner_ != nullptr) owner_->Leave();
}

}  // namespace pivot
