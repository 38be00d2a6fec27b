// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_MACHINE_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_MACHINE_H_

// The state of one rendering that all of it shares: what went wrong first, and how much work is left.

#include <cstdint>
#include <ctime>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "engine/model/chat_template/value.h"

namespace pivot::chat {

/// Once something failed, every result is undefined and means nothing; whoever loops asks ok().
class Machine {
 public:
  explicit Machine(const std::tm& now) : now_(now) {}

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }
  const std::tm& now() const { return now_; }

  /// Remembers the first fault; undefined, for whoever wants to return it.
  Value Fail(absl::string_view problem);

  /// Forgets the fault and tells the problem.
  std::string TakeFault();

  /// The line that faults are told of.
  void SetLine(int line) { line_ = line; }
  int line() const { return line_; }

  /// Takes work off what is left; false, and a fault, when there is too little. A step is a node or an item.
  bool Spend(int64_t steps);
  /// The same for a text of so many bytes, which may have at most 16 MiB.
  bool SpendBytes(size_t bytes);

  /// A text or list, paid for and within the limits of size and depth.
  Value Made(std::string text);
  Value Made(Value container);

 private:
  absl::Status status_;
  std::string problem_;
  std::tm now_;
  int line_ = 1;
  int64_t steps_left_ = 4'000'000;
};

struct Call {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// A function's body gets the call's values; faults go to the machine.
struct Function {
  std::string name;
  std::function<Value(Machine&, Call)> run;
  bool is_storable = false;  // outlives all values, and holds none: a list may have it
};

enum class Lifetime { kOfScope, kOfTemplate };
Value MakeFunction(std::string name, std::function<Value(Machine&, Call)> run, Lifetime lifetime = Lifetime::kOfScope);

/// A fault unless a list, dict or namespace may hold the value: some functions would outlive what they see, namespaces
/// would hold themselves.
bool CheckStorable(Machine& machine, const Value& value);

/// The values of the parameters `names` in their order, nothing for those not given. A fault for others.
std::vector<std::optional<Value>> Bind(Machine& machine, absl::string_view function, Call call,
                                       std::initializer_list<absl::string_view> names);

/// What iterating gives: characters, items, keys. What a generator still has is taken out of it. A fault for what
/// Python does not iterate over; of what is undefined nothing.
std::vector<Value> Iterate(Machine& machine, const Value& value);

/// len(). A fault for what has none.
int64_t LengthOf(Machine& machine, const Value& value);

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_MACHINE_H_
