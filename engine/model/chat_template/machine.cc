// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/machine.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/chat_template/lexer.h"
#include "engine/model/chat_template/python_text.h"

namespace pivot::chat {
namespace {

constexpr size_t kMaxTextBytes = size_t{16} << 20;
constexpr int64_t kBytesOfAStep = 64;
constexpr int kMaxDepth = 100;

}  // namespace

Value Machine::Fail(absl::string_view problem) {
  if (status_.ok()) {
    status_ = TemplateError(line_, problem);
    problem_ = std::string(problem);
  }
  return {};
}

std::string Machine::TakeFault() {
  status_ = absl::OkStatus();
  return std::move(problem_);
}

bool Machine::Spend(int64_t steps) {
  steps_left_ -= steps;
  if (steps_left_ < 0) Fail("the template takes too long");
  return ok();
}

bool Machine::SpendBytes(size_t bytes) {
  if (bytes > kMaxTextBytes) Fail(absl::StrCat("a text is longer than ", kMaxTextBytes, " bytes"));
  return ok() && Spend(static_cast<int64_t>(bytes) / kBytesOfAStep);
}

Value Machine::Made(std::string text) {
  if (!SpendBytes(text.size())) return {};
  return Value::Of(std::move(text));
}

Value Machine::Made(Value container) {
  if (container.depth() > kMaxDepth) return Fail(absl::StrCat("lists and dicts are nested deeper than ", kMaxDepth));
  const bool has_items = container.is_list() || container.is_tuple();
  const size_t size = has_items ? container.items().size() : 0;
  return Spend(static_cast<int64_t>(size)) ? container : Value();
}

Value MakeFunction(std::string name, std::function<Value(Machine&, Call)> run, Lifetime lifetime) {
  return Value::Of(std::make_shared<const Function>(
      Function{.name = std::move(name), .run = std::move(run), .is_storable = lifetime == Lifetime::kOfTemplate}));
}

bool CheckStorable(Machine& machine, const Value& value) {
  const bool is_loose = value.is_namespace() || (value.is_function() && !value.function().is_storable);
  if (is_loose) machine.Fail(absl::StrCat("a ", value.type_name(), " in a list, dict or namespace is not supported"));
  return machine.ok();
}

std::vector<std::optional<Value>> Bind(Machine& machine, absl::string_view function, Call call,
                                       std::initializer_list<absl::string_view> names) {
  std::vector<std::optional<Value>> values(names.size());
  if (call.positional.size() > names.size()) {
    machine.Fail(absl::StrCat("more than ", names.size(), " arguments of ", function, " are not supported"));
    return values;
  }
  std::move(call.positional.begin(), call.positional.end(), values.begin());
  for (auto& [name, value] : call.named) {
    const auto found = std::find(names.begin(), names.end(), name);
    const auto place = static_cast<size_t>(found - names.begin());
    if (found == names.end() || values[place].has_value()) {
      machine.Fail(absl::StrCat(function, " takes no argument \"", name, "\" here"));
      return values;
    }
    values[place] = std::move(value);
  }
  return values;
}

std::vector<Value> Iterate(Machine& machine, const Value& value) {
  std::vector<Value> items;
  if (value.is_list() || value.is_tuple()) {
    items = value.items();
  } else if (value.is_generator()) {
    Generator& generator = value.generator();
    if (!generator.fault.empty()) machine.Fail(generator.fault);
    items.assign(generator.items.begin() + static_cast<std::ptrdiff_t>(generator.next), generator.items.end());
    generator.next = generator.items.size();
  } else if (value.is_text()) {
    for (const absl::string_view character : CharactersOf(value.text())) items.push_back(Value::Of(character));
  } else if (value.is_dict()) {
    for (const auto& item : value.dict().items()) items.push_back(Value::Of(item.first));
  } else if (!value.is_undefined()) {
    machine.Fail(absl::StrCat("cannot go through a value of type ", value.type_name()));
  }
  machine.Spend(static_cast<int64_t>(items.size()));
  return items;
}

int64_t LengthOf(Machine& machine, const Value& value) {
  if (value.is_text()) return CountCharacters(value.text());
  if (value.is_list() || value.is_tuple()) return static_cast<int64_t>(value.items().size());
  if (value.is_dict()) return static_cast<int64_t>(value.dict().size());
  if (!value.is_undefined()) machine.Fail(absl::StrCat("a value of type ", value.type_name(), " has no length"));
  return 0;
}

}  // namespace pivot::chat
