// SPDX-License-Identifier: Apache-2.0
// Part of libpivot_arrow.so.
#include "engine/calibration/arrow/arrow_library.h"

#include <algorithm>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <parquet/arrow/reader.h>
#include <parquet/properties.h>
#include <string>
#include <utility>
#include <vector>

#include "engine/calibration/arrow/value_json.h"

namespace {

using nlohmann::ordered_json;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kStopped = 2;

// NOLINTBEGIN(readability-function-size): Arrow's macros nest by themselves
/// Gives row after row away; names of columns are those that are wanted.
class Rows {
 public:
  Rows(std::vector<std::string> columns, PivotArrowRow row, void* context)
      : columns_(std::move(columns)), row_(row), context_(context) {}

  bool is_wanted(const std::string& column) const {
    return std::find(columns_.begin(), columns_.end(), column) != columns_.end();
  }
  bool is_stopped() const { return is_stopped_; }

  arrow::Status Give(const arrow::RecordBatch& batch) {
    // Offsets in a file are whatever somebody wrote.
    ARROW_RETURN_NOT_OK(batch.ValidateFull());
    for (int64_t row = 0; row < batch.num_rows() && !is_stopped_; ++row, ++num_rows_) {
      ordered_json record = ordered_json::object();
      for (int i = 0; i < batch.num_columns(); ++i) {
        if (!is_wanted(batch.column_name(i))) continue;
        ARROW_ASSIGN_OR_RAISE(record[batch.column_name(i)], pivot::ValueJson(*batch.column(i), row));
      }
      const std::string json = record.dump();
      is_stopped_ = row_(context_, json.data(), json.size()) != 0;
    }
    return arrow::Status::OK();
  }

  arrow::Status GiveAll(arrow::RecordBatchReader& reader) {
    for (std::shared_ptr<arrow::RecordBatch> batch; !is_stopped_;) {
      ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
      if (batch == nullptr) break;
      ARROW_RETURN_NOT_OK(Give(*batch));
    }
    return arrow::Status::OK();
  }

  /// A fault when the file has nothing that is wanted.
  arrow::Status Check(const arrow::Schema& schema) const {
    std::string names;
    for (const std::string& name : schema.field_names()) {
      if (is_wanted(name)) return arrow::Status::OK();
      names += (names.empty() ? "" : ", ") + name;
    }
    return arrow::Status::Invalid("the file has the columns ", names, ": choose one with the text key (--text-key)");
  }

  int64_t num_rows() const { return num_rows_; }

 private:
  std::vector<std::string> columns_;
  PivotArrowRow row_;
  void* context_;
  bool is_stopped_ = false;
  int64_t num_rows_ = 0;
};

/// Whether the file begins with these bytes.
arrow::Result<bool> BeginsWith(arrow::io::RandomAccessFile& file, const std::string& magic) {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, file.ReadAt(0, static_cast<int64_t>(magic.size())));
  return bytes->ToString() == magic;
}

arrow::Status ReadParquet(const std::shared_ptr<arrow::io::RandomAccessFile>& file, Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto reader, parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
  reader->set_use_threads(false);
  std::shared_ptr<arrow::Schema> schema;
  ARROW_RETURN_NOT_OK(reader->GetSchema(&schema));
  ARROW_RETURN_NOT_OK(rows.Check(*schema));
  // Leaves below a column have its name before theirs.
  const parquet::SchemaDescriptor& leaves = *reader->parquet_reader()->metadata()->schema();
  std::vector<int> wanted;
  for (int i = 0; i < leaves.num_columns(); ++i) {
    if (rows.is_wanted(leaves.Column(i)->path()->ToDotVector().front())) wanted.push_back(i);
  }
  std::vector<int> groups(static_cast<size_t>(reader->num_row_groups()));
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
  ARROW_ASSIGN_OR_RAISE(const auto batches, reader->GetRecordBatchReader(groups, wanted));
  return rows.GiveAll(*batches);
}

arrow::Status GiveBatch(arrow::ipc::RecordBatchFileReader& reader, int index, Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto batch, reader.ReadRecordBatch(index));
  return rows.Give(*batch);
}

arrow::Status ReadIpcFile(const std::shared_ptr<arrow::io::RandomAccessFile>& file, Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchFileReader::Open(file));
  ARROW_RETURN_NOT_OK(rows.Check(*reader->schema()));
  for (int i = 0; i < reader->num_record_batches() && !rows.is_stopped(); ++i) {
    ARROW_RETURN_NOT_OK(GiveBatch(*reader, i, rows));
  }
  return arrow::Status::OK();
}

// NOLINTEND(readability-function-size)

arrow::Status Read(const std::string& path, Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::ReadableFile::Open(path));
  ARROW_ASSIGN_OR_RAISE(const bool is_parquet, BeginsWith(*file, "PAR1"));
  if (is_parquet) return ReadParquet(file, rows);
  ARROW_ASSIGN_OR_RAISE(const bool is_file, BeginsWith(*file, "ARROW1"));
  if (is_file) return ReadIpcFile(file, rows);
  ARROW_RETURN_NOT_OK(file->Seek(0));
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchStreamReader::Open(file));
  ARROW_RETURN_NOT_OK(rows.Check(*reader->schema()));
  return rows.GiveAll(*reader);
}

/// What is wrong, nothing when all rows were given or the receiver ended it. Arrow and Parquet throw now and then.
std::string ReadCatching(const std::string& path, Rows& rows) {
  try {
    const arrow::Status status = Read(path, rows);
    return status.ok() ? "" : status.message();
  } catch (const std::exception& error) {
    return error.what();
  }
}

int ReadFile(const PivotArrowRequest* request) {
  Rows rows({request->columns, request->columns + request->num_columns}, request->row, request->context);
  std::string problem = ReadCatching(request->path, rows);
  if (problem.empty()) return rows.is_stopped() ? kStopped : kDone;
  problem = "record " + std::to_string(rows.num_rows() + 1) + ": " + problem;
  const size_t size = std::min(problem.size(), request->error_size - 1);
  std::memcpy(request->error, problem.data(), size);
  request->error[size] = '\0';
  return kFailed;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const PivotArrowLibrary* pivot_arrow_library() {
  static constexpr PivotArrowLibrary library = {.version = kPivotArrowVersion, .read = &ReadFile};
  return &library;
}
