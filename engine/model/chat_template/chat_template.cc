// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/chat_template.h"

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/chat_template/machine.h"
#include "engine/model/chat_template/operators.h"
#include "engine/model/chat_template/renderer.h"
#include "engine/model/chat_template/statement_parser.h"
#include "engine/model/chat_template/text_form.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/reason.h"

namespace pivot {
namespace {

using chat::Call;
using chat::Machine;
using chat::Value;

constexpr size_t kMaxSourceBytes = size_t{1} << 20;
// Jinja's sandbox has the same.
constexpr int64_t kMaxRange = 100'000;

absl::Status Refused(absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("the chat template: ", problem)), "INVALID_CHAT_TEMPLATE");
}

/// dict(...) and namespace(...): one dict, then names.
chat::Dict Members(Machine& machine, absl::string_view name, Call call) {
  chat::Dict members;
  if (call.positional.size() > 1 || (call.positional.size() == 1 && !call.positional[0].is_dict())) {
    machine.Fail(absl::StrCat(name, " takes one dict at most"));
    return members;
  }
  if (!call.positional.empty()) members = call.positional[0].dict();
  for (auto& [key, value] : call.named) members.Set(key, std::move(value));
  for (const auto& [key, value] : members.items()) {
    CheckStorable(machine, value);
    if (name == "namespace" && absl::StartsWith(key, "_")) machine.Fail("an attribute of a namespace begins with _");
  }
  return members;
}

Value MakeNamespace(Machine& machine, Call call) {
  auto attributes = std::make_shared<chat::Namespace>();
  attributes->attributes = Members(machine, "namespace", std::move(call));
  return Value::Of(std::move(attributes));
}

Value MakeDict(Machine& machine, Call call) {
  return machine.Made(Value::DictOf(Members(machine, "dict", std::move(call))));
}

Value Range(Machine& machine, const Call& call) {
  int64_t bounds[] = {0, 0, 1};  // first, end, step
  const size_t size = call.positional.size();
  if (size < 1 || size > 3 || !call.named.empty()) return machine.Fail("range takes one to three integers");
  for (size_t i = 0; i < size; ++i) {
    if (!call.positional[i].is_integer()) return machine.Fail("range takes integers");
    bounds[size == 1 ? 1 : i] = call.positional[i].integer();
  }
  const auto [first, end, step] = bounds;
  if (step == 0) return machine.Fail("the step of range is 0");
  const double length = (static_cast<double>(end) - static_cast<double>(first)) / static_cast<double>(step);
  if (length > static_cast<double>(kMaxRange)) return machine.Fail(absl::StrCat("range gives more than ", kMaxRange));
  std::vector<Value> numbers;
  for (int64_t i = 0; static_cast<double>(i) < length; ++i) numbers.push_back(Value::Of(first + i * step));
  return machine.Made(Value::ListOf(std::move(numbers)));
}

Value RaiseException(Machine& machine, Call call) {
  const auto arguments = Bind(machine, "raise_exception", std::move(call), {"message"});
  return machine.Fail(absl::StrCat("refuses these messages: ", ToText(arguments[0].value_or(Value()))));
}

Value FormatNow(Machine& machine, Call call) {
  const auto arguments = Bind(machine, "strftime_now", std::move(call), {"format"});
  if (!arguments[0].has_value() || !arguments[0]->is_text()) return machine.Fail("strftime_now wants a format");
  const std::string& format = arguments[0]->text();
  if (format.empty()) return Value::Of("");
  std::array<char, 1024> buffer{};
  const size_t size = std::strftime(buffer.data(), buffer.size(), format.c_str(), &machine.now());
  if (size == 0) return machine.Fail("the format of strftime_now is too long");
  return machine.Made(std::string(buffer.data(), size));
}

void AddFunctions(chat::Scope* scope) {
  scope->Set("namespace", chat::MakeFunction("namespace", MakeNamespace));
  scope->Set("dict", chat::MakeFunction("dict", MakeDict));
  scope->Set("range", chat::MakeFunction("range", Range));
  scope->Set("raise_exception", chat::MakeFunction("raise_exception", RaiseException));
  scope->Set("strftime_now", chat::MakeFunction("strftime_now", FormatNow));
}

}  // namespace

absl::StatusOr<ChatTemplate> ChatTemplate::Parse(absl::string_view source) {
  if (source.size() > kMaxSourceBytes) return Refused("is larger than 1 MiB");
  if (tokenizer::FindInvalidUtf8(source).has_value()) return Refused("is not valid UTF-8");
  auto body = chat::ParseTemplate(source);
  if (!body.ok()) return Refused(body.status().message());
  return ChatTemplate(*std::move(body));
}

absl::StatusOr<std::string> ChatTemplate::Render(const nlohmann::ordered_json& variables, const std::tm& now) const {
  Machine machine(now);
  chat::Scope functions(nullptr);
  AddFunctions(&functions);
  chat::Scope given(&functions);
  for (const auto& variable : variables.items()) given.Set(variable.key(), chat::FromJson(variable.value()));
  chat::Scope scope(&given);
  std::string text = chat::Renderer(&machine).Render(body_, scope);
  if (!machine.ok()) return Refused(machine.status().message());
  return text;
}

}  // namespace pivot
