// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_PART_SECONDS_H_
#define PIVOT_ENGINE_OPS_PART_SECONDS_H_

// Seconds by part of the work, for benchmarks. Nothing is measured, and nothing waits for a device, on a thread without
// a PartSeconds.

#include <c10/core/Device.h>
#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace pivot {

/// Measures the parts that its thread enters while it lives. One a thread at a time.
class PartSeconds {
 public:
  /// Borders between parts wait for the device: what was queued in a part belongs to it.
  explicit PartSeconds(c10::Device device);
  ~PartSeconds();
  PartSeconds(const PartSeconds&) = delete;
  PartSeconds& operator=(const PartSeconds&) = delete;

  /// Of the parts left so far; each second is the innermost part's. May throw what ATen throws.
  const std::map<std::string, double>& seconds() const { return seconds_; }

 private:
  friend class Part;
  void Enter(const char* name);
  void Leave();
  void CountTime();

  c10::Device device_;
  std::map<std::string, double> seconds_;
  std::vector<const char*> open_;
  std::chrono::steady_clock::time_point last_;
};

/// A part of the work, from here to the end of the scope.
class Part {
 public:
  explicit Part(const char* name);
  ~Part();
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

 private:
  PartSeconds* owner_;  // null: nobody measures
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_PART_SECONDS_H_
