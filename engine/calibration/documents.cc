// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/documents.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/calibration/arrow_file.h"
#include "engine/calibration/csv_file.h"
#include "engine/calibration/record_documents.h"
#include "engine/model/json.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMaxTextBytes = size_t{1} << 30;
// A document tree takes several times the bytes of its text.
constexpr size_t kMaxJsonBytes = size_t{256} << 20;

absl::Status InvalidText(const std::string& problem) {
  return WithReason(absl::InvalidArgumentError(problem), "INVALID_TEXT");
}

/// The status with `where` before its message.
absl::Status At(const std::string& where, const absl::Status& status) {
  if (status.ok()) return status;
  return WithReason(absl::Status(status.code(), absl::StrCat(where, " ", status.message())), ReasonOf(status),
                    FieldOf(status));
}

absl::Status CheckUtf8(absl::string_view text) {
  const auto offset = tokenizer::FindInvalidUtf8(text);
  if (!offset.has_value()) return absl::OkStatus();
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<int64_t>(*offset), '\n');
  return InvalidText(absl::StrCat("line ", line, " is not valid UTF-8 (byte ", *offset, " of the file)"));
}

std::string FormatOf(const std::string& path) {
  const std::string extension = absl::AsciiStrToLower(std::filesystem::path(path).extension().string());
  if (extension == ".jsonl" || extension == ".ndjson") return "jsonl";
  if (extension == ".feather") return "arrow";
  for (const char* format : {"json", "csv", "tsv", "parquet", "arrow"}) {
    if (extension == absl::StrCat(".", format)) return format;
  }
  return "text";
}

absl::StatusOr<ordered_json> ParseRecord(absl::string_view text) {
  auto record = ParseOrderedJson(text, "this");
  if (record.ok()) return record;
  absl::string_view problem = record.status().message();
  problem.remove_prefix(std::min(problem.size(), sizeof("this ") - 1));
  return InvalidText(std::string(problem));
}

absl::Status AddLines(absl::string_view text, RecordDocuments& records) {
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const absl::string_view line = absl::StripAsciiWhitespace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const std::string where = absl::StrCat("line ", number);
    const auto record = ParseRecord(line);
    if (!record.ok()) return At(where, record.status());
    PIVOT_RETURN_IF_ERROR(At(where, records.Add(*record)));
  }
  return absl::OkStatus();
}

absl::Status AddJson(absl::string_view text, RecordDocuments& records) {
  if (!absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "[")) {
    absl::Status status = AddLines(text, records);
    const bool is_one_value = !status.ok() && text.size() <= kMaxJsonBytes && ParseRecord(text).ok();
    return is_one_value ? InvalidText("is one JSON value; an array of records or a record a line is wanted") : status;
  }
  if (text.size() > kMaxJsonBytes) {
    return InvalidText(absl::StrCat("is larger than ", kMaxJsonBytes, " bytes: write a value a line (.jsonl)"));
  }
  const auto list = ParseRecord(text);
  // Arrays of token ids, one a line, begin like an array of records.
  if (!list.ok()) return AddLines(text, records);
  int64_t number = 0;
  for (const ordered_json& record : *list) {
    PIVOT_RETURN_IF_ERROR(At(absl::StrCat("record ", ++number), records.Add(record)));
  }
  return absl::OkStatus();
}

absl::Status AddTable(absl::string_view text, char separator, const std::string& column, RecordDocuments& records) {
  PIVOT_ASSIGN_OR_RETURN(const auto fields, ReadCsvColumn(text, separator, column.empty() ? "text" : column));
  for (const std::string& field : fields) PIVOT_RETURN_IF_ERROR(records.AddText(field));
  return absl::OkStatus();
}

absl::Status AddArrow(const std::string& path, const std::string& text_key, RecordDocuments& records) {
  int64_t number = 0;
  return ReadArrowFile(path, RecordDocuments::ColumnsFor(text_key), [&](absl::string_view json) -> absl::Status {
    const std::string where = absl::StrCat("record ", ++number);
    const auto record = ParseRecord(json);
    return At(where, record.ok() ? records.Add(*record) : record.status());
  });
}

absl::Status AddAll(const std::string& path, const std::string& text_key, const ChatWriter& chat_writer,
                    Documents& documents) {
  RecordDocuments records(text_key, chat_writer, &documents);
  if (documents.format == "parquet" || documents.format == "arrow") {
    PIVOT_ASSIGN_OR_RETURN(documents.sha256, Sha256OfFile(path));
    return AddArrow(path, text_key, records);
  }
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxTextBytes));
  documents.sha256 = Sha256Of(text);
  PIVOT_RETURN_IF_ERROR(CheckUtf8(text));
  if (documents.format == "jsonl") return AddLines(text, records);
  if (documents.format == "json") return AddJson(text, records);
  return AddTable(text, documents.format == "csv" ? ',' : '\t', text_key, records);
}

absl::Status AddPlainText(const std::string& path, Documents& documents) {
  PIVOT_ASSIGN_OR_RETURN(std::string text, ReadSmallFile(path, kMaxTextBytes));
  documents.sha256 = Sha256Of(text);
  PIVOT_RETURN_IF_ERROR(CheckUtf8(text));
  documents.texts.push_back(std::move(text));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> BuiltInTextPath(BuiltInText text) {
  std::error_code error;
  const auto executable = std::filesystem::read_symlink("/proc/self/exe", error);
  const char* name = text == BuiltInText::kCalibration ? "calibration.txt" : "evaluation.txt";
  const auto path = executable.parent_path().parent_path() / "share" / "pivot" / "text" / name;
  if (!std::filesystem::exists(path, error)) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat("the built-in text ", path.string(),
                                                   " is not installed; run scripts/setup.sh or name a text file")),
        "TEXT_NOT_FOUND");
  }
  return path.string();
}

absl::StatusOr<Documents> ReadDocuments(const DocumentFile& file, const ChatWriter& chat_writer) {
  std::string path = file.path;
  if (path.empty()) {
    PIVOT_ASSIGN_OR_RETURN(path, BuiltInTextPath(file.built_in));
  }
  Documents documents{.format = FormatOf(path)};
  documents.name = file.path.empty() ? "built-in" : std::filesystem::path(path).filename().string();
  const bool is_plain = documents.format == "text";
  if (is_plain && !file.text_key.empty()) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(
                          "the text key \"", file.text_key, "\" names a member of JSON or a column of a table; ",
                          documents.name, " is a plain text (.jsonl, .json, .csv, .tsv, .parquet and .arrow are not)")),
                      "INVALID_SPEC");
  }
  PIVOT_RETURN_IF_ERROR(At(absl::StrCat(path, ":"), is_plain ? AddPlainText(path, documents)
                                                             : AddAll(path, file.text_key, chat_writer, documents)));
  return documents;
}

}  // namespace pivot
