// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_JSON_H_
#define PIVOT_ENGINE_MODEL_JSON_H_

// JSON that somebody else wrote: parsed within limits (proto/files/bounded_json.h), read with types.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "proto/files/bounded_json.h"  // IWYU pragma: export

namespace pivot {

/// Reads the members of one object. The first member that is missing or of the wrong type is remembered; what is read
/// after it are defaults, so that a caller reads everything and asks once.
class JsonFields {
 public:
  /// `what` names the object in messages; both must outlive this.
  JsonFields(const nlohmann::json& object, absl::string_view what);

  int64_t Integer(absl::string_view name);
  double Number(absl::string_view name);
  std::string Text(absl::string_view name);

  /// Null counts as absent.
  std::optional<int64_t> OptionalInteger(absl::string_view name);
  std::optional<double> OptionalNumber(absl::string_view name);
  std::optional<std::string> OptionalText(absl::string_view name);
  std::optional<bool> OptionalBoolean(absl::string_view name);
  bool BooleanOr(absl::string_view name, bool fallback) { return OptionalBoolean(name).value_or(fallback); }
  /// Null pointer when absent; the member must be an object.
  const nlohmann::json* OptionalObject(absl::string_view name);

  /// kInvalidArgument with the first fault, else OK.
  const absl::Status& status() const { return status_; }

 private:
  const nlohmann::json* Find(absl::string_view name);
  void Fault(absl::string_view name, absl::string_view problem);

  const nlohmann::json& object_;
  absl::string_view what_;
  absl::Status status_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_JSON_H_
