// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_RENDERER_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_RENDERER_H_

// Statements to text.

#include <string>

#include "engine/model/chat_template/evaluator.h"
#include "engine/model/chat_template/machine.h"
#include "engine/model/chat_template/nodes.h"
#include "engine/model/chat_template/scope.h"

namespace pivot::chat {

/// Runs statements; the machine tells what went wrong.
class Renderer {
 public:
  explicit Renderer(Machine* machine) : machine_(*machine), evaluator_(machine) {}

  /// What the body writes. `body` and `scope` must outlive the functions that it defines.
  std::string Render(const Body& body, Scope& scope);

 private:
  enum class Flow { kOn, kBreak, kContinue };

  Flow Run(const Body& body, Scope& scope, std::string* text);
  Flow RunOne(const Statement& statement, Scope& scope, std::string* text);
  Flow RunFor(const Statement& statement, Scope& scope, std::string* text);
  void Write(absl::string_view part, std::string* text);
  void Assign(const std::vector<Target>& targets, Value value, Scope& scope);
  void AssignOne(const Target& target, Value value, Scope& scope);
  void RunCallBlock(const Statement& statement, Scope& scope, std::string* text);
  std::string RenderScoped(const Body& body, const Scope& around);
  /// A macro, or the body of a call block.
  Value MakeMacro(const Statement& statement, const Scope& around);
  Value RunMacro(const Statement& statement, const Scope& around, Call call);

  Machine& machine_;
  Evaluator evaluator_;
  int depth_ = 0;
};

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_RENDERER_H_
