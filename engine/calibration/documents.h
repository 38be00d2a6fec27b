// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_DOCUMENTS_H_
#define PIVOT_ENGINE_CALIBRATION_DOCUMENTS_H_

// Files of text, whatever form they have, as documents.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pivot {

enum class BuiltInText { kCalibration, kEvaluation };

/// Path of a text that was installed with the program: share/pivot/text/{calibration,evaluation}.txt beside the
/// executable's folder. kFailedPrecondition (reason TEXT_NOT_FOUND) when it is not there.
absl::StatusOr<std::string> BuiltInTextPath(BuiltInText text);

enum class DocumentKind {
  kPlainText,  // one document: the file as it is
  kTexts,      // one a record, white space at both ends stripped
  kChats,      // one a record, as the model's chat template writes it
  kTokenIds,   // one a record
};

struct Documents {
  DocumentKind kind = DocumentKind::kPlainText;
  std::string format;                     // "text", "json", "jsonl", "csv", "tsv", "parquet", "arrow"
  std::string name;                       // "built-in" or the file's name
  std::string sha256;                     // of the file
  std::vector<std::string> texts;         // not for kTokenIds; valid UTF-8
  std::vector<std::vector<int32_t>> ids;  // kTokenIds; 0 or more each
  int64_t num_empty = 0;                  // records with null, an empty text or no ids: no documents

  size_t size() const { return kind == DocumentKind::kTokenIds ? ids.size() : texts.size(); }
};

struct DocumentFile {
  std::string path;      // empty: the built-in text
  std::string text_key;  // member or column that holds the text, "a.b" for b in a; empty: as ReadDocuments says
  BuiltInText built_in = BuiltInText::kCalibration;
};

/// Writes the messages of a record as a model's chat template does.
using ChatWriter = std::function<absl::StatusOr<std::string>(const nlohmann::ordered_json& record)>;

/// Reads a file of at most 1 GiB (.json: 256 MiB). Its name decides what it is: .jsonl and .ndjson a JSON value a line,
/// .json an array of them (or a value a line), .csv and .tsv a table, .parquet, .arrow and
/// .feather a table whose rows are records (arrow_file.h; of any size), everything else a plain text.
///
/// A JSON value is a document: a string is a text, an array of whole numbers token ids; of an object the member
/// `text_key` is, else the first of "text", "messages", "conversations" (chats, which need `chat_writer`), "input_ids".
/// All of a file are of one kind.
///
/// Errors: kInvalidArgument naming file and line; reason INVALID_TEXT when the file breaks its format, is not UTF-8 or
///         has a record without a document, INVALID_SPEC for a text key that a plain text has no use for. Those of
///         `chat_writer` and of ReadArrowFile.
absl::StatusOr<Documents> ReadDocuments(const DocumentFile& file, const ChatWriter& chat_writer = nullptr);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_DOCUMENTS_H_
