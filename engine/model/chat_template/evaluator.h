// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_EVALUATOR_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_EVALUATOR_H_

// Expressions to values.

#include "engine/model/chat_template/machine.h"
#include "engine/model/chat_template/nodes.h"
#include "engine/model/chat_template/scope.h"

namespace pivot::chat {

class Evaluator {
 public:
  explicit Evaluator(Machine* machine) : machine_(*machine) {}

  Value Evaluate(const Expression& expression, const Scope& scope);

  /// The function `callee` called with these arguments and, if there is one, a `caller`.
  Value Invoke(const Value& callee, Call call);
  Call ArgumentsOf(const Expression& expression, const Scope& scope);

  /// A chain of filters, of which `value` takes the place of what they are of.
  Value Filter(const Expression& expression, const Value& value, const Scope& scope);

 private:
  Value EvaluateNode(const Expression& expression, const Scope& scope);
  Value Name(const Expression& expression, const Scope& scope);
  Value Items(const Expression& expression, const Scope& scope);
  Value MakeDict(const Expression& expression, const Scope& scope);
  Value Slice(const Expression& expression, const Scope& scope);
  Value ApplyOne(const Expression& filter, const Value& value, const Scope& scope);
  Value Test(const Expression& expression, const Scope& scope);
  Value Unary(const Expression& expression, const Scope& scope);
  Value Binary(const Expression& expression, const Scope& scope);
  Value Concatenate(const Expression& expression, const Scope& scope);
  Value Comparison(const Expression& expression, const Scope& scope);
  Value Conditional(const Expression& expression, const Scope& scope);
  Value Operand(const Expression& expression, size_t place, const Scope& scope) {
    return Evaluate(*expression.operands[place], scope);
  }

  Machine& machine_;
  int depth_ = 0;
};

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_EVALUATOR_H_
