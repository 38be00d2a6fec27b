// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/text_form.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utf8proc.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "engine/model/tokenizer/utf8.h"

namespace pivot::chat {
namespace {

// Python writes floats of these sizes without an exponent.
constexpr int kSmallestPlainExponent = -4;
constexpr int kLargestPlainExponent = 16;

/// repr(float): the shortest digits that give the number back.
std::string FloatText(double number, absl::string_view infinity, absl::string_view nan) {
  if (std::isnan(number)) return std::string(nan);
  if (std::isinf(number)) return absl::StrCat(number < 0 ? "-" : "", infinity);
  std::array<char, 64> buffer{};
  auto* end = std::to_chars(buffer.begin(), buffer.end(), number, std::chars_format::scientific).ptr;
  const std::string text(buffer.begin(), end);
  int exponent = 0;
  if (!absl::SimpleAtoi(text.substr(text.find('e') + 1), &exponent)) return text;
  if (exponent < kSmallestPlainExponent || exponent >= kLargestPlainExponent) return text;
  end = std::to_chars(buffer.begin(), buffer.end(), number, std::chars_format::fixed).ptr;
  std::string plain(buffer.begin(), end);
  if (!absl::StrContains(plain, '.')) plain += ".0";
  return plain;
}

std::string NumberText(const Value& value, absl::string_view infinity, absl::string_view nan) {
  return value.is_float() ? FloatText(value.number(), infinity, nan) : absl::StrCat(value.integer());
}

bool IsPrintable(char32_t c) {
  if (c == ' ') return true;
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS;
}

std::string EscapeForRepr(char32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  if (c <= 0xFF) return absl::StrFormat("\\x%02x", static_cast<uint32_t>(c));
  const auto code = static_cast<uint32_t>(c);
  return c <= 0xFFFF ? absl::StrFormat("\\u%04x", code) : absl::StrFormat("\\U%08x", code);
}

std::string TextRepr(absl::string_view text) {
  const char quote = absl::StrContains(text, '\'') && !absl::StrContains(text, '"') ? '"' : '\'';
  std::string repr(1, quote);
  for (size_t at = 0; at < text.size();) {
    const tokenizer::Character c = tokenizer::CharacterAt(text, at);
    if (c.code_point == static_cast<char32_t>(quote) || c.code_point == '\\') repr.push_back('\\');
    repr += IsPrintable(c.code_point) ? std::string(text.substr(at, c.num_bytes)) : EscapeForRepr(c.code_point);
    at += c.num_bytes;
  }
  repr.push_back(quote);
  return repr;
}

std::string ListRepr(const std::vector<Value>& items) {
  std::string repr;
  for (const Value& item : items) absl::StrAppend(&repr, repr.empty() ? "" : ", ", ToRepr(item));
  return repr;
}

std::string DictRepr(const Dict& dict) {
  std::string repr;
  for (const auto& [key, value] : dict.items())
    absl::StrAppend(&repr, repr.empty() ? "" : ", ", TextRepr(key), ": ", ToRepr(value));
  return absl::StrCat("{", repr, "}");
}

void AppendUtf16Escape(char32_t c, std::string* json) {
  if (c <= 0xFFFF) {
    absl::StrAppendFormat(json, "\\u%04x", static_cast<uint32_t>(c));
    return;
  }
  const uint32_t rest = static_cast<uint32_t>(c) - 0x10000U;
  absl::StrAppendFormat(json, "\\u%04x\\u%04x", 0xD800U + (rest >> 10U), 0xDC00U + (rest & 0x3FFU));
}

std::string JsonText(absl::string_view text, bool ascii) {
  constexpr absl::string_view kEscaped = "\"\\\n\r\t\f\b";
  constexpr absl::string_view kNames = "\"\\nrtfb";
  std::string json = "\"";
  for (size_t at = 0; at < text.size();) {
    const tokenizer::Character c = tokenizer::CharacterAt(text, at);
    const size_t place = c.num_bytes == 1 ? kEscaped.find(text[at]) : kEscaped.npos;
    if (place != kEscaped.npos) {
      json.push_back('\\');
      json.push_back(kNames[place]);
    } else if (c.code_point < ' ' || (ascii && c.code_point > '~')) {
      AppendUtf16Escape(c.code_point, &json);
    } else {
      absl::StrAppend(&json, text.substr(at, c.num_bytes));
    }
    at += c.num_bytes;
  }
  json.push_back('"');
  return json;
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonForm& form) : form_(form) {}

  std::optional<std::string> Write(const Value& value) {
    if (!Append(value)) return std::nullopt;
    return std::move(json_);
  }

 private:
  bool Append(const Value& value) {
    if (value.is_text()) {
      json_ += JsonText(value.text(), form_.ascii);
    } else if (value.is_none()) {
      json_ += "null";
    } else if (value.is_boolean()) {
      json_ += value.is_true() ? "true" : "false";
    } else if (value.is_number()) {
      json_ += NumberText(value, "Infinity", "NaN");
    } else if (value.is_list() || value.is_tuple()) {
      return AppendList(value.items());
    } else if (value.is_dict()) {
      return AppendDict(value.dict());
    } else {
      return false;
    }
    return true;
  }

  void NewLine() {
    if (!form_.indent.has_value()) return;
    json_ += '\n';
    for (int i = 0; i < level_; ++i) json_ += *form_.indent;
  }

  void Separate(bool* is_first) {
    if (!*is_first) json_ += form_.item_separator;
    *is_first = false;
    NewLine();
  }

  bool AppendList(const std::vector<Value>& items) {
    json_ += '[';
    ++level_;
    bool is_first = true;
    for (const Value& item : items) {
      Separate(&is_first);
      if (!Append(item)) return false;
    }
    --level_;
    if (!is_first) NewLine();
    json_ += ']';
    return true;
  }

  bool AppendDict(const Dict& dict) {
    auto items = dict.items();
    if (form_.sorts_keys)
      std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    json_ += '{';
    ++level_;
    bool is_first = true;
    for (const auto& [key, value] : items) {
      Separate(&is_first);
      json_ += JsonText(key, form_.ascii) + form_.key_separator;
      if (!Append(value)) return false;
    }
    --level_;
    if (!is_first) NewLine();
    json_ += '}';
    return true;
  }

  const JsonForm& form_;
  std::string json_;
  int level_ = 0;
};

}  // namespace

std::string ToText(const Value& value) {
  if (value.is_text()) return value.text();
  return value.is_undefined() ? "" : ToRepr(value);
}

std::string ToRepr(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "None";
  if (value.is_boolean()) return value.is_true() ? "True" : "False";
  if (value.is_number()) return NumberText(value, "inf", "nan");
  if (value.is_text()) return TextRepr(value.text());
  if (value.is_list()) return absl::StrCat("[", ListRepr(value.items()), "]");
  if (value.is_tuple()) return absl::StrCat("(", ListRepr(value.items()), value.items().size() == 1 ? ",)" : ")");
  if (value.is_dict()) return DictRepr(value.dict());
  return absl::StrCat("<", value.type_name(), ">");
}

std::optional<std::string> ToJson(const Value& value, const JsonForm& form) { return JsonWriter(form).Write(value); }

}  // namespace pivot::chat
