// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_RECORD_DOCUMENTS_H_
#define PIVOT_ENGINE_CALIBRATION_RECORD_DOCUMENTS_H_

// JSON values as documents.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/calibration/documents.h"

namespace pivot {

/// Adds record after record to `documents`.
class RecordDocuments {
 public:
  /// `chat_writer` may be null and must outlive this, as `documents`.
  RecordDocuments(std::string text_key, const ChatWriter& chat_writer, Documents* documents)
      : text_key_(std::move(text_key)), chat_writer_(chat_writer), documents_(*documents) {}

  /// The members of records that are looked at, of all that a file may have.
  static std::vector<std::string> ColumnsFor(const std::string& text_key);

  /// As ReadDocuments describes; messages have no place, which the caller puts before.
  absl::Status Add(const nlohmann::ordered_json& record);
  absl::Status AddText(absl::string_view text);

 private:
  absl::Status AddValue(const nlohmann::ordered_json& value, const nlohmann::ordered_json& record);
  absl::Status AddIds(const nlohmann::ordered_json& array);
  absl::Status AddChat(const nlohmann::ordered_json& record);
  absl::Status SetKind(DocumentKind kind);
  absl::Status Count(size_t bytes);
  const nlohmann::ordered_json* Find(const nlohmann::ordered_json& record) const;

  std::string text_key_;
  const ChatWriter& chat_writer_;
  Documents& documents_;
  bool has_kind_ = false;
  size_t num_bytes_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_RECORD_DOCUMENTS_H_
