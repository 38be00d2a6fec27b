// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/arrow/value_json.h"

#include <string>

namespace pivot {
namespace {

using nlohmann::ordered_json;

template <typename ArrayType>
ordered_json TextOf(const arrow::Array& array, int64_t row) {
  return std::string(static_cast<const ArrayType&>(array).GetView(row));
}

template <typename ArrayType>
ordered_json NumberOf(const arrow::Array& array, int64_t row) {
  return static_cast<const ArrayType&>(array).Value(row);
}

arrow::Result<ordered_json> ListJson(const arrow::Array& values, int64_t first, int64_t count) {
  ordered_json list = ordered_json::array();
  for (int64_t i = first; i < first + count; ++i) {
    ARROW_ASSIGN_OR_RAISE(ordered_json item, ValueJson(values, i));
    list.push_back(std::move(item));
  }
  return list;
}

template <typename ArrayType>
arrow::Result<ordered_json> ListOf(const arrow::Array& array, int64_t row) {
  const auto& list = static_cast<const ArrayType&>(array);
  return ListJson(*list.values(), list.value_offset(row), list.value_length(row));
}

arrow::Result<ordered_json> StructOf(const arrow::Array& array, int64_t row) {
  const auto& record = static_cast<const arrow::StructArray&>(array);
  ordered_json object = ordered_json::object();
  for (int i = 0; i < record.num_fields(); ++i) {
    ARROW_ASSIGN_OR_RAISE(ordered_json value, ValueJson(*record.field(i), row));
    object[record.struct_type()->field(i)->name()] = std::move(value);
  }
  return object;
}

arrow::Result<ordered_json> NestedJson(const arrow::Array& array, int64_t row) {
  switch (array.type_id()) {
    case arrow::Type::LIST:
      return ListOf<arrow::ListArray>(array, row);
    case arrow::Type::LARGE_LIST:
      return ListOf<arrow::LargeListArray>(array, row);
    case arrow::Type::FIXED_SIZE_LIST:
      return ListOf<arrow::FixedSizeListArray>(array, row);
    case arrow::Type::STRUCT:
      return StructOf(array, row);
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return ValueJson(*dictionary.dictionary(), dictionary.GetValueIndex(row));
    }
    default:
      return arrow::Status::NotImplemented("values of type ", array.type()->ToString(), " are not read");
  }
}

}  // namespace

arrow::Result<ordered_json> ValueJson(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return ordered_json();
  switch (array.type_id()) {
    case arrow::Type::NA:
      return ordered_json();
    case arrow::Type::BOOL:
      return NumberOf<arrow::BooleanArray>(array, row);
    case arrow::Type::INT8:
      return NumberOf<arrow::Int8Array>(array, row);
    case arrow::Type::INT16:
      return NumberOf<arrow::Int16Array>(array, row);
    case arrow::Type::INT32:
      return NumberOf<arrow::Int32Array>(array, row);
    case arrow::Type::INT64:
      return NumberOf<arrow::Int64Array>(array, row);
    case arrow::Type::UINT8:
      return NumberOf<arrow::UInt8Array>(array, row);
    case arrow::Type::UINT16:
      return NumberOf<arrow::UInt16Array>(array, row);
    case arrow::Type::UINT32:
      return NumberOf<arrow::UInt32Array>(array, row);
    case arrow::Type::UINT64:
      return NumberOf<arrow::UInt64Array>(array, row);
    case arrow::Type::FLOAT:
      return NumberOf<arrow::FloatArray>(array, row);
    case arrow::Type::DOUBLE:
      return NumberOf<arrow::DoubleArray>(array, row);
    case arrow::Type::STRING:
      return TextOf<arrow::StringArray>(array, row);
    case arrow::Type::LARGE_STRING:
      return TextOf<arrow::LargeStringArray>(array, row);
    case arrow::Type::STRING_VIEW:
      return TextOf<arrow::StringViewArray>(array, row);
    default:
      return NestedJson(array, row);
  }
}

}  // namespace pivot
