// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_VALUE_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_VALUE_H_

// What the expressions of a chat template evaluate to: the part of Python's objects that templates see.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pivot::chat {

class Value;

/// A function of the template's or of ours that a name stands for.
struct Function;

/// str keys in the order of their first assignment.
class Dict {
 public:
  /// Null when there is none.
  const Value* Find(absl::string_view key) const;
  void Set(const std::string& key, Value value);
  const std::vector<std::pair<std::string, Value>>& items() const { return items_; }
  size_t size() const;

 private:
  std::optional<size_t> PlaceOf(absl::string_view key) const;

  std::vector<std::pair<std::string, Value>> items_;
  absl::flat_hash_map<std::string, size_t> places_;  // used once there are many
};

struct Undefined {
  std::string name;  // of what is not there
};
struct None {};
struct List {
  std::vector<Value> items;
  int depth = 1;  // of lists and dicts within each other
};
struct Tuple {
  std::vector<Value> items;
  int depth = 1;
};
struct Mapping {
  Dict dict;
  int depth = 1;
};
/// What is iterated over once, as map and select give it.
struct Generator {
  std::vector<Value> items;
  std::string fault;  // of going through it; Jinja finds some no sooner
  size_t next = 0;
};
/// namespace(...) and `loop`: attributes, of which those of a namespace are assigned to.
struct Namespace {
  Dict attributes;
};

/// Immutable but for namespaces and generators, and cheap to copy.
class Value {
 public:
  Value() : data_(Undefined{}) {}
  static Value OfName(std::string name) { return Value(Data(Undefined{std::move(name)})); }
  static Value OfNone() { return Value(Data(None{})); }
  static Value Of(bool boolean) { return Value(Data(boolean)); }
  static Value Of(int64_t integer) { return Value(Data(integer)); }
  static Value Of(double number) { return Value(Data(number)); }
  static Value Of(std::string text) { return Value(Data(std::make_shared<const std::string>(std::move(text)))); }
  static Value Of(absl::string_view text) { return Of(std::string(text)); }
  static Value Of(const char* text) { return Of(std::string(text)); }
  static Value ListOf(std::vector<Value> items);
  static Value TupleOf(std::vector<Value> items);
  static Value DictOf(Dict dict);
  static Value GeneratorOf(std::vector<Value> items, std::string fault = "");
  static Value Of(std::shared_ptr<Namespace> attributes) { return Value(Data(std::move(attributes))); }
  static Value Of(std::shared_ptr<const Function> function) { return Value(Data(std::move(function))); }

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_boolean() const { return std::holds_alternative<bool>(data_); }
  /// True and False are integers too, as in Python.
  bool is_integer() const { return std::holds_alternative<int64_t>(data_) || is_boolean(); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_text() const { return std::holds_alternative<std::shared_ptr<const std::string>>(data_); }
  bool is_list() const { return std::holds_alternative<std::shared_ptr<const List>>(data_); }
  bool is_tuple() const { return std::holds_alternative<std::shared_ptr<const Tuple>>(data_); }
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<const Mapping>>(data_); }
  bool is_generator() const { return std::holds_alternative<std::shared_ptr<Generator>>(data_); }
  bool is_namespace() const { return std::holds_alternative<std::shared_ptr<Namespace>>(data_); }
  bool is_function() const { return std::holds_alternative<std::shared_ptr<const Function>>(data_); }

  // Of a value that is one.
  const std::string& name() const { return std::get<Undefined>(data_).name; }
  int64_t integer() const;
  double number() const;
  const std::string& text() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
  /// Of a list or a tuple.
  const std::vector<Value>& items() const;
  const Dict& dict() const { return std::get<std::shared_ptr<const Mapping>>(data_)->dict; }
  Generator& generator() const { return *std::get<std::shared_ptr<Generator>>(data_); }
  Namespace& attributes() const { return *std::get<std::shared_ptr<Namespace>>(data_); }
  const Function& function() const { return *std::get<std::shared_ptr<const Function>>(data_); }

  /// What `if` asks.
  bool is_true() const;
  /// How deep lists and dicts lie in it; 0 of anything else.
  int depth() const;
  /// Python's name of the type: "str".
  const char* type_name() const;

 private:
  using Data = std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
                            std::shared_ptr<const List>, std::shared_ptr<const Tuple>, std::shared_ptr<const Mapping>,
                            std::shared_ptr<Generator>, std::shared_ptr<Namespace>, std::shared_ptr<const Function>>;
  explicit Value(Data data) : data_(std::move(data)) {}

  Data data_;
};

/// Python's ==.
bool AreEqual(const Value& a, const Value& b);

/// Python's < ; nothing where Python refuses: numbers, strs, and lists of what can be compared.
std::optional<bool> IsLess(const Value& a, const Value& b);

/// Numbers that fit are integers; others beyond 64 bits become floats.
Value FromJson(const nlohmann::ordered_json& json);

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_VALUE_H_
