// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_SCOPE_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_SCOPE_H_

// Names and what they stand for.

#include <string>
#include <utility>

#include "absl/strings/string_view.h"

#include "engine/model/chat_template/value.h"

namespace pivot::chat {

/// Names that were assigned to here; others are looked for in the scope around it, which must outlive this.
class Scope {
 public:
  explicit Scope(const Scope* around) : around_(around) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// Null when there is no such name.
  const Value* Find(absl::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->around_) {
      if (const Value* found = scope->names_.Find(name); found != nullptr) return found;
    }
    return nullptr;
  }

  void Set(const std::string& name, Value value) { names_.Set(name, std::move(value)); }

 private:
  const Scope* around_;
  Dict names_;
};

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_SCOPE_H_
