// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/evaluator.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

#include "engine/model/chat_template/filters.h"
#include "engine/model/chat_template/operators.h"
#include "engine/model/chat_template/text_form.h"

namespace pivot::chat {
namespace {

// Of expressions within each other, through macros too.
constexpr int kMaxDepth = 1000;

// Jinja has them and this has not.
constexpr absl::string_view kOtherNames[] = {"cycler", "joiner", "lipsum", "self", "varargs", "kwargs"};

}  // namespace

Value Evaluator::Evaluate(const Expression& expression, const Scope& scope) {
  if (!machine_.Spend(1)) return {};
  const absl::Cleanup leave = [this] { --depth_; };
  machine_.SetLine(expression.line);
  if (++depth_ > kMaxDepth) return machine_.Fail("the template calls itself too often");
  Value value = EvaluateNode(expression, scope);
  return machine_.ok() ? value : Value();
}

Value Evaluator::EvaluateNode(const Expression& expression, const Scope& scope) {
  switch (expression.kind) {
    case ExpressionKind::kConstant:
      return expression.constant;
    case ExpressionKind::kName:
      return Name(expression, scope);
    case ExpressionKind::kList:
    case ExpressionKind::kTuple:
      return Items(expression, scope);
    case ExpressionKind::kDict:
      return MakeDict(expression, scope);
    case ExpressionKind::kAttribute:
      return AttributeOf(machine_, Operand(expression, 0, scope), expression.text);
    case ExpressionKind::kItem: {
      const Value value = Operand(expression, 0, scope);
      const Value key = Operand(expression, 1, scope);
      return machine_.ok() ? ItemOf(machine_, value, key) : Value();
    }
    case ExpressionKind::kSlice:
      return Slice(expression, scope);
    case ExpressionKind::kCall: {
      const Value callee = Operand(expression, 0, scope);
      Call call = ArgumentsOf(expression, scope);
      return Invoke(callee, std::move(call));
    }
    case ExpressionKind::kFilter:
      return ApplyOne(expression, Operand(expression, 0, scope), scope);
    case ExpressionKind::kTest:
      return Test(expression, scope);
    case ExpressionKind::kUnary:
      return Unary(expression, scope);
    case ExpressionKind::kBinary:
      return Binary(expression, scope);
    case ExpressionKind::kConcatenate:
      return Concatenate(expression, scope);
    case ExpressionKind::kCompare:
      return Comparison(expression, scope);
    case ExpressionKind::kConditional:
      return Conditional(expression, scope);
  }
  return {};
}

Value Evaluator::Name(const Expression& expression, const Scope& scope) {
  if (const Value* found = scope.Find(expression.text); found != nullptr) return *found;
  if (std::find(std::begin(kOtherNames), std::end(kOtherNames), expression.text) != std::end(kOtherNames))
    return machine_.Fail(absl::StrCat(expression.text, " is not supported"));
  return Value::OfName(expression.text);
}

Value Evaluator::Items(const Expression& expression, const Scope& scope) {
  std::vector<Value> items;
  for (size_t place = 0; place < expression.operands.size(); ++place) {
    items.push_back(Operand(expression, place, scope));
    if (!machine_.ok() || !CheckStorable(machine_, items.back())) return {};
  }
  const bool is_list = expression.kind == ExpressionKind::kList;
  return machine_.Made(is_list ? Value::ListOf(std::move(items)) : Value::TupleOf(std::move(items)));
}

Value Evaluator::MakeDict(const Expression& expression, const Scope& scope) {
  Dict dict;
  for (size_t place = 0; place < expression.operands.size(); place += 2) {
    const Value key = Operand(expression, place, scope);
    Value value = Operand(expression, place + 1, scope);
    if (!machine_.ok() || !CheckStorable(machine_, value)) return {};
    if (!key.is_text()) return machine_.Fail(absl::StrCat("a key of type ", key.type_name(), " is not supported"));
    dict.Set(key.text(), std::move(value));
  }
  return machine_.Made(Value::DictOf(std::move(dict)));
}

Value Evaluator::Slice(const Expression& expression, const Scope& scope) {
  std::vector<Value> parts;
  for (size_t place = 0; place < expression.operands.size(); ++place) {
    parts.push_back(expression.operands[place] == nullptr ? Value::OfNone() : Operand(expression, place, scope));
  }
  return machine_.ok() ? SliceOf(machine_, parts[0], parts[1], parts[2], parts[3]) : Value();
}

Call Evaluator::ArgumentsOf(const Expression& expression, const Scope& scope) {
  Call call;
  for (const Argument& argument : expression.arguments) {
    Value value = Evaluate(*argument.value, scope);
    if (argument.name.empty()) {
      call.positional.push_back(std::move(value));
    } else if (argument.name == "*") {
      for (const Value& item : Iterate(machine_, value)) call.positional.push_back(item);
    } else if (argument.name == "**") {
      if (!value.is_dict()) machine_.Fail("what stands behind ** is no dict");
      if (value.is_dict())
        call.named.insert(call.named.end(), value.dict().items().begin(), value.dict().items().end());
    } else {
      call.named.emplace_back(argument.name, std::move(value));
    }
  }
  machine_.SetLine(expression.line);
  return call;
}

Value Evaluator::Invoke(const Value& callee, Call call) {
  if (!machine_.ok()) return {};
  if (callee.is_undefined()) return machine_.Fail(absl::StrCat("\"", callee.name(), "\" is undefined"));
  if (!callee.is_function()) return machine_.Fail(absl::StrCat("a value of type ", callee.type_name(), " is called"));
  return callee.function().run(machine_, std::move(call));
}

Value Evaluator::Filter(const Expression& expression, const Value& value, const Scope& scope) {
  if (expression.kind != ExpressionKind::kFilter) return value;
  return ApplyOne(expression, Filter(*expression.operands[0], value, scope), scope);
}

Value Evaluator::ApplyOne(const Expression& expression, const Value& value, const Scope& scope) {
  Call call = ArgumentsOf(expression, scope);
  if (!machine_.ok()) return {};
  return ApplyFilter(machine_, expression.text, value, std::move(call));
}

Value Evaluator::Test(const Expression& expression, const Scope& scope) {
  const Value value = Operand(expression, 0, scope);
  Call call = ArgumentsOf(expression, scope);
  return machine_.ok() ? Value::Of(ApplyTest(machine_, expression.text, value, std::move(call))) : Value();
}

Value Evaluator::Unary(const Expression& expression, const Scope& scope) {
  const Value operand = Operand(expression, 0, scope);
  if (!machine_.ok()) return {};
  return expression.text == "not" ? Value::Of(!operand.is_true()) : Signed(machine_, expression.text, operand);
}

Value Evaluator::Binary(const Expression& expression, const Scope& scope) {
  const Value left = Operand(expression, 0, scope);
  if (!machine_.ok()) return {};
  if (expression.text == "and") return left.is_true() ? Operand(expression, 1, scope) : left;
  if (expression.text == "or") return left.is_true() ? left : Operand(expression, 1, scope);
  const Value right = Operand(expression, 1, scope);
  machine_.SetLine(expression.line);
  return machine_.ok() ? Calculate(machine_, expression.text, left, right) : Value();
}

Value Evaluator::Concatenate(const Expression& expression, const Scope& scope) {
  std::string text;
  for (size_t place = 0; place < expression.operands.size(); ++place) {
    text += ToText(Operand(expression, place, scope));
    if (!machine_.ok()) return {};
  }
  return machine_.Made(std::move(text));
}

Value Evaluator::Comparison(const Expression& expression, const Scope& scope) {
  Value left = Operand(expression, 0, scope);
  for (size_t place = 0; place < expression.operators.size(); ++place) {
    Value right = Operand(expression, place + 1, scope);
    if (!machine_.ok()) return {};
    machine_.SetLine(expression.line);
    if (!Compare(machine_, expression.operators[place], left, right)) return Value::Of(false);
    left = std::move(right);
  }
  return Value::Of(true);
}

Value Evaluator::Conditional(const Expression& expression, const Scope& scope) {
  const Value condition = Operand(expression, 1, scope);
  if (!machine_.ok()) return {};
  if (condition.is_true()) return Operand(expression, 0, scope);
  if (expression.operands[2] != nullptr) return Operand(expression, 2, scope);
  return Value::OfName("the inline if without else");
}

}  // namespace pivot::chat
