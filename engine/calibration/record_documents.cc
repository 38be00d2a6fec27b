// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/record_documents.h"

#include <array>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

constexpr std::array<const char*, 4> kUsualKeys = {"text", "messages", "conversations", "input_ids"};
constexpr int kMaxListedKeys = 12;
// Of all documents together, which are in memory at once.
constexpr size_t kMaxBytes = size_t{1} << 30;

absl::Status InvalidText(const std::string& problem) {
  return WithReason(absl::InvalidArgumentError(problem), "INVALID_TEXT");
}

std::string KeysOf(const ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& member : object.items()) {
    if (keys.size() == kMaxListedKeys) break;
    keys.push_back(member.key());
  }
  return keys.empty() ? "nothing" : absl::StrJoin(keys, ", ");
}

const char* NameOf(DocumentKind kind) {
  switch (kind) {
    case DocumentKind::kTokenIds:
      return "token ids";
    case DocumentKind::kChats:
      return "messages";
    default:
      return "text";
  }
}

const ordered_json* MemberOf(const ordered_json& object, const std::string& key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

/// A turn of a chat is an object.
bool IsChat(const ordered_json& value) { return value.is_array() && !value.empty() && value.front().is_object(); }

}  // namespace

std::vector<std::string> RecordDocuments::ColumnsFor(const std::string& text_key) {
  std::vector<std::string> columns = {"tools", "documents", "chat_template_kwargs"};
  if (text_key.empty()) {
    columns.insert(columns.end(), kUsualKeys.begin(), kUsualKeys.end());
  } else {
    columns.push_back(text_key);
    columns.push_back(text_key.substr(0, text_key.find('.')));
  }
  return columns;
}

absl::Status RecordDocuments::SetKind(DocumentKind kind) {
  if (!has_kind_) documents_.kind = kind;
  has_kind_ = true;
  if (documents_.kind == kind) return absl::OkStatus();
  return InvalidText(absl::StrCat("has ", NameOf(kind), ", those before have ", NameOf(documents_.kind),
                                  ": a file holds documents of one kind"));
}

absl::Status RecordDocuments::Count(size_t bytes) {
  num_bytes_ += bytes;
  if (num_bytes_ <= kMaxBytes) return absl::OkStatus();
  return InvalidText(absl::StrCat("is beyond ", kMaxBytes, " bytes of documents: take a part of the file"));
}

const ordered_json* RecordDocuments::Find(const ordered_json& record) const {
  if (text_key_.empty()) {
    for (const char* key : kUsualKeys) {
      if (const ordered_json* value = MemberOf(record, key); value != nullptr) return value;
    }
    return nullptr;
  }
  if (const ordered_json* value = MemberOf(record, text_key_); value != nullptr) return value;
  const ordered_json* value = &record;
  for (const absl::string_view part : absl::StrSplit(text_key_, '.')) {
    value = MemberOf(*value, std::string(part));
    if (value == nullptr) return nullptr;
  }
  return value;
}

absl::Status RecordDocuments::AddText(absl::string_view text) {
  PIVOT_RETURN_IF_ERROR(SetKind(DocumentKind::kTexts));
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) {
    ++documents_.num_empty;
  } else {
    documents_.texts.emplace_back(text);
  }
  return Count(text.size());
}

absl::Status RecordDocuments::AddIds(const ordered_json& array) {
  PIVOT_RETURN_IF_ERROR(SetKind(DocumentKind::kTokenIds));
  std::vector<int32_t> ids;
  ids.reserve(array.size());
  for (const ordered_json& id : array) {
    const bool fits = id.is_number_unsigned() && id.get<uint64_t>() <= std::numeric_limits<int32_t>::max();
    if (!fits) return InvalidText(absl::StrCat("has ", id.dump().substr(0, 40), " among its token ids"));
    ids.push_back(id.get<int32_t>());
  }
  documents_.ids.push_back(std::move(ids));
  return Count(array.size() * sizeof(int32_t));
}

absl::Status RecordDocuments::AddChat(const ordered_json& record) {
  PIVOT_RETURN_IF_ERROR(SetKind(DocumentKind::kChats));
  if (!chat_writer_) return InvalidText("has chat messages, which nothing here can write as text");
  PIVOT_ASSIGN_OR_RETURN(std::string text, chat_writer_(record));
  documents_.texts.push_back(std::move(text));
  return Count(documents_.texts.back().size());
}

absl::Status RecordDocuments::AddValue(const ordered_json& value, const ordered_json& record) {
  if (value.is_null() || (value.is_array() && value.empty())) {
    ++documents_.num_empty;
    return absl::OkStatus();
  }
  if (value.is_string()) return AddText(value.get_ref<const std::string&>());
  if (IsChat(value)) {
    // Tools and documents are beside the messages.
    ordered_json chat = record.is_object() ? record : ordered_json::object();
    chat["messages"] = value;
    return AddChat(chat);
  }
  if (value.is_array()) return AddIds(value);
  return InvalidText(
      absl::StrCat("has ", value.type_name(), " for a document: a text, messages or token ids are wanted"));
}

absl::Status RecordDocuments::Add(const ordered_json& record) {
  if (!record.is_object()) return AddValue(record, record);
  const ordered_json* value = Find(record);
  if (value != nullptr) return AddValue(*value, record);
  return InvalidText(absl::StrCat("has no member \"", text_key_.empty() ? "text" : text_key_, "\", only ",
                                  KeysOf(record), ": choose one with the text key (--text-key)"));
}

}  // namespace pivot
