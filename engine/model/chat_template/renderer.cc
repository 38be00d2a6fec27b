// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/renderer.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

#include "engine/model/chat_template/text_form.h"

namespace pivot::chat {
namespace {

// Macros within each other take more of the stack than expressions.
constexpr int kMaxDepth = 150;
// What a loop does for each item besides its body.
constexpr int64_t kStepsOfATurn = 16;

/// What the name `loop` stands for within one turn.
Value LoopFacts(const std::vector<Value>& items, size_t index) {
  auto loop = std::make_shared<Namespace>();
  Dict& facts = loop->attributes;
  const auto place = static_cast<int64_t>(index);
  const auto size = static_cast<int64_t>(items.size());
  facts.Set("index", Value::Of(place + 1));
  facts.Set("index0", Value::Of(place));
  facts.Set("revindex", Value::Of(size - place));
  facts.Set("revindex0", Value::Of(size - place - 1));
  facts.Set("first", Value::Of(index == 0));
  facts.Set("last", Value::Of(index + 1 == items.size()));
  facts.Set("length", Value::Of(size));
  facts.Set("depth", Value::Of(int64_t{1}));
  facts.Set("depth0", Value::Of(int64_t{0}));
  if (index > 0) facts.Set("previtem", items[index - 1]);
  if (index + 1 < items.size()) facts.Set("nextitem", items[index + 1]);
  facts.Set("cycle", MakeFunction("cycle", [index](Machine& machine, const Call& call) {
              if (call.positional.empty()) return machine.Fail("cycle wants values");
              return call.positional[index % call.positional.size()];
            }));
  return Value::Of(std::move(loop));
}

}  // namespace

std::string Renderer::Render(const Body& body, Scope& scope) {
  std::string text;
  Run(body, scope, &text);
  return text;
}

Renderer::Flow Renderer::Run(const Body& body, Scope& scope, std::string* text) {
  const absl::Cleanup leave = [this] { --depth_; };
  if (++depth_ > kMaxDepth) machine_.Fail("the template's tags and macros are too deep in each other");
  for (const auto& statement : body) {
    if (!machine_.ok() || !machine_.Spend(1)) return Flow::kOn;
    machine_.SetLine(statement->line);
    const Flow flow = RunOne(*statement, scope, text);
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

void Renderer::Write(absl::string_view part, std::string* text) {
  if (machine_.SpendBytes(part.size()) && text->size() + part.size() <= (size_t{64} << 20)) {
    absl::StrAppend(text, part);
  } else {
    machine_.Fail("the template writes more than 64 MiB");
  }
}

Renderer::Flow Renderer::RunOne(const Statement& statement, Scope& scope, std::string* text) {
  switch (statement.kind) {
    case StatementKind::kData:
      Write(statement.text, text);
      return Flow::kOn;
    case StatementKind::kPrint:
      Write(ToText(evaluator_.Evaluate(*statement.value, scope)), text);
      return Flow::kOn;
    case StatementKind::kSet:
      Assign(statement.targets, evaluator_.Evaluate(*statement.value, scope), scope);
      return Flow::kOn;
    case StatementKind::kIf: {
      const bool holds = evaluator_.Evaluate(*statement.value, scope).is_true();
      return machine_.ok() ? Run(holds ? statement.body : statement.otherwise, scope, text) : Flow::kOn;
    }
    case StatementKind::kFor:
      return RunFor(statement, scope, text);
    case StatementKind::kMacro:
      scope.Set(statement.text, MakeMacro(statement, scope));
      return Flow::kOn;
    case StatementKind::kCallBlock:
      RunCallBlock(statement, scope, text);
      return Flow::kOn;
    case StatementKind::kSetBlock:
    case StatementKind::kFilterBlock: {
      Value value = Value::Of(RenderScoped(statement.body, scope));
      if (statement.value != nullptr) value = evaluator_.Filter(*statement.value, value, scope);
      if (statement.kind == StatementKind::kFilterBlock) Write(ToText(value), text);
      if (statement.kind == StatementKind::kSetBlock) Assign(statement.targets, std::move(value), scope);
      return Flow::kOn;
    }
    case StatementKind::kScope: {
      Scope inner(&scope);
      for (size_t i = 0; i < statement.targets.size(); ++i)
        AssignOne(statement.targets[i], evaluator_.Evaluate(*statement.values[i], scope), inner);
      return Run(statement.body, inner, text);
    }
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kOn;
}

Renderer::Flow Renderer::RunFor(const Statement& statement, Scope& scope, std::string* text) {
  std::vector<Value> items = Iterate(machine_, evaluator_.Evaluate(*statement.value, scope));
  if (statement.condition != nullptr) {
    std::vector<Value> wanted;
    for (Value& item : items) {
      Scope inner(&scope);
      Assign(statement.targets, item, inner);
      const bool is_wanted = evaluator_.Evaluate(*statement.condition, inner).is_true();
      if (!machine_.ok()) return Flow::kOn;
      if (is_wanted) wanted.push_back(std::move(item));
    }
    items = std::move(wanted);
  }
  if (!machine_.ok()) return Flow::kOn;
  if (items.empty()) {
    Scope inner(&scope);
    return Run(statement.otherwise, inner, text);
  }
  for (size_t index = 0; index < items.size(); ++index) {
    if (!machine_.Spend(kStepsOfATurn)) break;
    Scope inner(&scope);
    inner.Set("loop", LoopFacts(items, index));
    Assign(statement.targets, items[index], inner);
    const Flow flow = Run(statement.body, inner, text);
    if (flow == Flow::kBreak || !machine_.ok()) break;
  }
  return Flow::kOn;
}

void Renderer::Assign(const std::vector<Target>& targets, Value value, Scope& scope) {
  if (!machine_.ok()) return;
  if (targets.size() == 1) return AssignOne(targets.front(), std::move(value), scope);
  std::vector<Value> parts = Iterate(machine_, value);
  if (parts.size() != targets.size())
    machine_.Fail(absl::StrCat(parts.size(), " values for ", targets.size(), " names"));
  for (size_t i = 0; i < targets.size() && machine_.ok(); ++i) AssignOne(targets[i], std::move(parts[i]), scope);
}

void Renderer::AssignOne(const Target& target, Value value, Scope& scope) {
  if (!machine_.ok()) return;
  if (target.attribute.empty()) return scope.Set(target.name, std::move(value));
  const Value* found = scope.Find(target.name);
  if (found == nullptr || !found->is_namespace()) {
    machine_.Fail(absl::StrCat("\"", target.name, "\" is no namespace: its attributes are not assigned to"));
  } else if (target.attribute.front() == '_') {
    machine_.Fail("an attribute of a namespace begins with _");
  } else if (CheckStorable(machine_, value)) {
    found->attributes().attributes.Set(target.attribute, std::move(value));
  }
}

std::string Renderer::RenderScoped(const Body& body, const Scope& around) {
  Scope inner(&around);
  std::string text;
  Run(body, inner, &text);
  return text;
}

void Renderer::RunCallBlock(const Statement& statement, Scope& scope, std::string* text) {
  const Value callee = evaluator_.Evaluate(*statement.value->operands[0], scope);
  Call call = evaluator_.ArgumentsOf(*statement.value, scope);
  call.named.emplace_back("caller", MakeMacro(statement, scope));
  Write(ToText(evaluator_.Invoke(callee, std::move(call))), text);
}

Value Renderer::MakeMacro(const Statement& statement, const Scope& around) {
  // Macros are in the template's own scope; what a call block passes is in one that ends.
  const Lifetime lifetime = statement.kind == StatementKind::kMacro ? Lifetime::kOfTemplate : Lifetime::kOfScope;
  const auto run = [this, &statement, &around](Machine&, Call call) {
    return RunMacro(statement, around, std::move(call));
  };
  return MakeFunction(statement.text, run, lifetime);
}

Value Renderer::RunMacro(const Statement& statement, const Scope& around, Call call) {
  Scope inner(&around);
  const std::string name = statement.text.empty() ? "caller" : statement.text;
  const auto& parameters = statement.parameters;
  if (call.positional.size() > parameters.size())
    return machine_.Fail(absl::StrCat(name, " takes at most ", parameters.size(), " arguments"));
  std::vector<std::optional<Value>> values(parameters.size());
  for (size_t i = 0; i < call.positional.size(); ++i) values[i] = std::move(call.positional[i]);
  for (auto& [key, value] : call.named) {
    size_t place = 0;
    while (place < parameters.size() && parameters[place].name != key) ++place;
    if (place == parameters.size() && key == "caller" && !statement.text.empty()) {
      inner.Set(key, std::move(value));
    } else if (place == parameters.size() || values[place].has_value()) {
      return machine_.Fail(absl::StrCat(name, " takes no argument \"", key, "\" here"));
    } else {
      values[place] = std::move(value);
    }
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!values[i].has_value() && parameters[i].fallback != nullptr)
      values[i] = evaluator_.Evaluate(*parameters[i].fallback, inner);
    inner.Set(parameters[i].name, values[i].value_or(Value::OfName(parameters[i].name)));
  }
  std::string text;
  Run(statement.body, inner, &text);
  return machine_.Made(std::move(text));
}

}  // namespace pivot::chat
