// SPDX-License-Identifier: Apache-2.0
// Methods of str, dict and list.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/chat_template/operators.h"
#include "engine/model/chat_template/python_text.h"

namespace pivot::chat {
namespace {

using Arguments = std::vector<std::optional<Value>>;

/// A text argument; "" and a fault when it is something else.
std::string TextAt(Machine& machine, const Arguments& arguments, size_t place) {
  if (arguments[place].has_value() && arguments[place]->is_text()) return arguments[place]->text();
  machine.Fail(absl::StrCat("argument ", place + 1, " of a method is not a str"));
  return "";
}

int64_t CountAt(Machine& machine, const Arguments& arguments, size_t place) {
  if (!arguments[place].has_value()) return -1;
  if (arguments[place]->is_integer()) return arguments[place]->integer();
  machine.Fail(absl::StrCat("argument ", place + 1, " of a method is not an int"));
  return -1;
}

Value ListOfTexts(Machine& machine, std::vector<std::string> texts) {
  std::vector<Value> items;
  items.reserve(texts.size());
  for (std::string& text : texts) items.push_back(Value::Of(std::move(text)));
  return machine.Made(Value::ListOf(std::move(items)));
}

Value Strip(Machine& machine, const std::string& text, absl::string_view name, Call call) {
  const Arguments arguments = Bind(machine, name, std::move(call), {"chars"});
  absl::string_view stripped = text;
  const bool whitespace = !arguments[0].has_value() || arguments[0]->is_none();
  const std::string set = whitespace ? "" : TextAt(machine, arguments, 0);
  if (name != "rstrip") stripped = whitespace ? StripLeft(stripped) : StripLeft(stripped, set);
  if (name != "lstrip") stripped = whitespace ? StripRight(stripped) : StripRight(stripped, set);
  return machine.Made(std::string(stripped));
}

Value Split(Machine& machine, const std::string& text, absl::string_view name, Call call) {
  const Arguments arguments = Bind(machine, name, std::move(call), {"sep", "maxsplit"});
  const int64_t max_splits = CountAt(machine, arguments, 1);
  if (!machine.SpendBytes(text.size())) return {};
  if (!arguments[0].has_value() || arguments[0]->is_none()) {
    if (name == "rsplit" && max_splits >= 0) return machine.Fail("str.rsplit without a separator is not supported");
    return ListOfTexts(machine, SplitWords(text, max_splits));
  }
  const std::string separator = TextAt(machine, arguments, 0);
  if (separator.empty()) return machine.Fail("the separator of a split is empty");
  return ListOfTexts(
      machine, name == "split" ? SplitBy(text, separator, max_splits) : SplitRightBy(text, separator, max_splits));
}

Value BeginsOrEnds(Machine& machine, const std::string& text, absl::string_view name, Call call) {
  const Arguments arguments = Bind(machine, name, std::move(call), {"part"});
  const auto matches = [&](const std::string& part) {
    return name == "startswith" ? absl::StartsWith(text, part) : absl::EndsWith(text, part);
  };
  if (!arguments[0].has_value() || !arguments[0]->is_tuple()) {
    const std::string part = TextAt(machine, arguments, 0);
    return Value::Of(matches(part));
  }
  for (const Value& part : arguments[0]->items()) {
    if (!part.is_text()) return machine.Fail(absl::StrCat(name, " wants strs"));
    if (matches(part.text())) return Value::Of(true);
  }
  return Value::Of(false);
}

Value ReplaceParts(Machine& machine, const std::string& text, absl::string_view name, Call call) {
  const Arguments arguments = Bind(machine, name, std::move(call), {"old", "new", "count"});
  const std::string from = TextAt(machine, arguments, 0);
  const std::string to = TextAt(machine, arguments, 1);
  const int64_t count = CountAt(machine, arguments, 2);
  const auto places = static_cast<size_t>(CountParts(text, from));
  if (!machine.ok() || !machine.SpendBytes(text.size() + places * to.size())) return {};
  return Value::Of(Replace(text, from, to, count));
}

Value JoinItems(Machine& machine, const std::string& text, absl::string_view name, Call call) {
  const Arguments arguments = Bind(machine, name, std::move(call), {"iterable"});
  std::string joined;
  bool is_first = true;
  for (const Value& item : Iterate(machine, arguments[0].value_or(Value::OfNone()))) {
    if (!item.is_text()) return machine.Fail("str.join wants strs");
    if (!machine.SpendBytes(joined.size() / 16 + item.text().size() + text.size())) return {};
    if (!std::exchange(is_first, false)) joined += text;
    joined += item.text();
  }
  return machine.Made(std::move(joined));
}

Value Partition(Machine& machine, const std::string& text, absl::string_view name, Call call) {
  const Arguments arguments = Bind(machine, name, std::move(call), {"sep"});
  const std::string separator = TextAt(machine, arguments, 0);
  if (separator.empty()) return machine.Fail("the separator of a partition is empty");
  const bool from_left = name == "partition";
  const size_t at = from_left ? text.find(separator) : text.rfind(separator);
  std::vector<Value> parts = {Value::Of(text), Value::Of(""), Value::Of("")};
  if (at == text.npos && !from_left) std::swap(parts[0], parts[2]);
  if (at != text.npos) {
    parts = {Value::Of(text.substr(0, at)), Value::Of(separator), Value::Of(text.substr(at + separator.size()))};
  }
  return Value::TupleOf(std::move(parts));
}

Value FindOrCount(Machine& machine, const std::string& text, absl::string_view name, Call call) {
  const Arguments arguments = Bind(machine, name, std::move(call), {"sub"});
  const std::string part = TextAt(machine, arguments, 0);
  if (!machine.SpendBytes(text.size())) return {};
  if (name == "count") return Value::Of(CountParts(text, part));
  const int64_t place = name == "rfind" || name == "rindex" ? FindLast(text, part) : FindFirst(text, part);
  if (place < 0 && absl::EndsWith(name, "index")) return machine.Fail("substring not found");
  return Value::Of(place);
}

Value RemoveEnd(Machine& machine, const std::string& text, absl::string_view name, Call call) {
  const Arguments arguments = Bind(machine, name, std::move(call), {"part"});
  const std::string part = TextAt(machine, arguments, 0);
  absl::string_view rest = text;
  if (name == "removeprefix" ? absl::StartsWith(rest, part) : false) rest.remove_prefix(part.size());
  if (name == "removesuffix" ? absl::EndsWith(rest, part) : false) rest.remove_suffix(part.size());
  return machine.Made(std::string(rest));
}

/// Methods without arguments.
Value Whole(Machine& machine, const std::string& text, absl::string_view name, Call call) {
  Bind(machine, name, std::move(call), {});
  if (!machine.SpendBytes(4 * text.size())) return {};
  if (name == "upper") return Value::Of(Upper(text));
  if (name == "lower") return Value::Of(Lower(text));
  if (name == "title") return Value::Of(Title(text));
  if (name == "capitalize") return Value::Of(Capitalize(text));
  if (name == "splitlines") return ListOfTexts(machine, SplitLines(text));
  const std::pair<absl::string_view, CharacterTest> tests[] = {
      {"isalpha", CharacterTest::kAlpha}, {"isdigit", CharacterTest::kDigit}, {"isalnum", CharacterTest::kAlphaOrDigit},
      {"isspace", CharacterTest::kSpace}, {"isupper", CharacterTest::kUpper}, {"islower", CharacterTest::kLower}};
  for (const auto& [test_name, test] : tests) {
    if (name == test_name) return Value::Of(AllAre(text, test));
  }
  return {};
}

using TextMethod = Value (*)(Machine&, const std::string&, absl::string_view, Call);

constexpr std::pair<absl::string_view, TextMethod> kTextMethods[] = {{"strip", Strip},
                                                                     {"lstrip", Strip},
                                                                     {"rstrip", Strip},
                                                                     {"split", Split},
                                                                     {"rsplit", Split},
                                                                     {"startswith", BeginsOrEnds},
                                                                     {"endswith", BeginsOrEnds},
                                                                     {"replace", ReplaceParts},
                                                                     {"join", JoinItems},
                                                                     {"partition", Partition},
                                                                     {"rpartition", Partition},
                                                                     {"find", FindOrCount},
                                                                     {"rfind", FindOrCount},
                                                                     {"index", FindOrCount},
                                                                     {"rindex", FindOrCount},
                                                                     {"count", FindOrCount},
                                                                     {"removeprefix", RemoveEnd},
                                                                     {"removesuffix", RemoveEnd},
                                                                     {"upper", Whole},
                                                                     {"lower", Whole},
                                                                     {"title", Whole},
                                                                     {"capitalize", Whole},
                                                                     {"splitlines", Whole},
                                                                     {"isalpha", Whole},
                                                                     {"isdigit", Whole},
                                                                     {"isalnum", Whole},
                                                                     {"isspace", Whole},
                                                                     {"isupper", Whole},
                                                                     {"islower", Whole}};

Value DictMethod(Machine& machine, const Value& value, absl::string_view name, Call call) {
  if (!call.named.empty()) return machine.Fail(absl::StrCat("dict.", name, " takes no arguments by name"));
  if (name == "get") {
    const Arguments arguments = Bind(machine, "get", std::move(call), {"key", "default"});
    if (!arguments[0].has_value()) return machine.Fail("dict.get wants a key");
    const Value* found = arguments[0]->is_text() ? value.dict().Find(arguments[0]->text()) : nullptr;
    return found != nullptr ? *found : arguments[1].value_or(Value::OfNone());
  }
  Bind(machine, name, std::move(call), {});
  std::vector<Value> items;
  for (const auto& [key, item] : value.dict().items()) {
    if (name == "keys") items.push_back(Value::Of(key));
    if (name == "values") items.push_back(item);
    if (name == "items") items.push_back(Value::TupleOf({Value::Of(key), item}));
  }
  return machine.Made(Value::ListOf(std::move(items)));
}

Value ListMethod(Machine& machine, const Value& value, absl::string_view name, Call call) {
  const Arguments arguments = Bind(machine, name, std::move(call), {"value"});
  if (!arguments[0].has_value()) return machine.Fail(absl::StrCat(name, " wants a value"));
  const std::vector<Value>& items = value.items();
  const auto is_equal = [&](const Value& item) { return AreEqual(item, *arguments[0]); };
  if (name == "count") return Value::Of(int64_t{std::count_if(items.begin(), items.end(), is_equal)});
  const auto found = std::find_if(items.begin(), items.end(), is_equal);
  if (found == items.end()) return machine.Fail("the value is not in the list");
  return Value::Of(int64_t{found - items.begin()});
}

// What Python's types have and this has not.
constexpr absl::string_view kOtherTextMethods[] = {"casefold",    "center",    "encode",    "expandtabs",   "format",
                                                   "format_map",  "isascii",   "isdecimal", "isidentifier", "isnumeric",
                                                   "isprintable", "istitle",   "ljust",     "maketrans",    "rjust",
                                                   "swapcase",    "translate", "zfill"};
constexpr absl::string_view kOtherDictMethods[] = {"clear",   "copy",       "fromkeys", "pop",
                                                   "popitem", "setdefault", "update"};
constexpr absl::string_view kOtherListMethods[] = {"append", "clear",  "copy",    "extend", "insert",
                                                   "pop",    "remove", "reverse", "sort"};

template <typename Names>
std::optional<Value> NotSupported(Machine& machine, const Value& value, const Names& names, absl::string_view name) {
  if (std::find(std::begin(names), std::end(names), name) == std::end(names)) return std::nullopt;
  return machine.Fail(absl::StrCat(value.type_name(), ".", name, " is not supported"));
}

}  // namespace

std::optional<Value> MethodOf(Machine& machine, const Value& value, absl::string_view name) {
  if (absl::StartsWith(name, "__") && absl::EndsWith(name, "__"))
    return machine.Fail(absl::StrCat("the attribute ", name, " is not supported"));
  const std::string method(name);
  if (value.is_text()) {
    const auto* const found = std::find_if(std::begin(kTextMethods), std::end(kTextMethods),
                                           [name](const auto& entry) { return entry.first == name; });
    if (found == std::end(kTextMethods)) return NotSupported(machine, value, kOtherTextMethods, name);
    return MakeFunction(method, [value, method, run = found->second](Machine& m, Call call) {
      const bool may_name = run == Split || call.named.empty();
      if (!may_name) return m.Fail(absl::StrCat("str.", method, " takes no arguments by name"));
      return run(m, value.text(), method, std::move(call));
    });
  }
  if (value.is_dict()) {
    if (name != "get" && name != "items" && name != "keys" && name != "values")
      return NotSupported(machine, value, kOtherDictMethods, name);
    return MakeFunction(
        method, [value, method](Machine& m, Call call) { return DictMethod(m, value, method, std::move(call)); });
  }
  if (!value.is_list() && !value.is_tuple()) return std::nullopt;
  if (name != "index" && name != "count")
    return value.is_list() ? NotSupported(machine, value, kOtherListMethods, name) : std::nullopt;
  return MakeFunction(method,
                      [value, method](Machine& m, Call call) { return ListMethod(m, value, method, std::move(call)); });
}

}  // namespace pivot::chat
