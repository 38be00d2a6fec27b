// SPDX-License-Identifier: Apache-2.0
#include "proto/files/bounded_json.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 64;
// Two bytes of text may become a value of sixteen.
constexpr size_t kMaxValues = size_t{1} << 25;
// ordered_json looks for a member from the first to the last.
constexpr size_t kMaxOrderedMembers = 1024;

/// Sees every event of the parser and stops it at the first fault: counts depth and remembers the keys of the objects
/// that are open. (A callback of json::parse could do the same, but makes the parser quadratic in the members of an
/// object.)
class Inspector : public nlohmann::json_sax<json> {
 public:
  explicit Inspector(size_t max_members) : max_members_(max_members) {}

  bool null() override { return Count(); }
  bool boolean(bool /*value*/) override { return Count(); }
  bool number_integer(int64_t /*value*/) override { return Count(); }
  bool number_unsigned(uint64_t /*value*/) override { return Count(); }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return Count(); }
  bool string(std::string& /*value*/) override { return Count(); }
  bool binary(json::binary_t& /*value*/) override { return Count(); }
  bool start_object(size_t /*size*/) override { return Enter(); }
  bool start_array(size_t /*size*/) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool end_array() override { return Leave(); }
  bool key(std::string& key) override {
    if (!keys_.back().insert(key).second) fault_ = absl::StrCat("has the key \"", key, "\" twice");
    if (keys_.back().size() > max_members_)
      fault_ = absl::StrCat("has an object of more than ", max_members_, " members");
    return fault_.empty();
  }
  bool parse_error(size_t /*position*/, const std::string& /*token*/, const json::exception& /*error*/) override {
    fault_ = "is not valid JSON";
    return false;
  }

  const std::string& fault() const { return fault_; }

 private:
  bool Count() {
    if (++values_ > kMaxValues) fault_ = absl::StrCat("has more than ", kMaxValues, " values");
    return fault_.empty();
  }
  bool Enter() {
    keys_.emplace_back();
    if (!Count()) return false;
    if (keys_.size() > kMaxDepth) fault_ = absl::StrCat("is nested deeper than ", kMaxDepth);
    return fault_.empty();
  }
  bool Leave() {
    keys_.pop_back();
    return true;
  }

  size_t max_members_;
  std::vector<absl::flat_hash_set<std::string>> keys_;  // of an array: none
  size_t values_ = 0;
  std::string fault_;
};

template <typename Document>
absl::StatusOr<Document> Parse(absl::string_view text, absl::string_view what, size_t max_members) {
  // The parser takes a NUL for the end and would not see what comes after it.
  if (text.find('\0') != text.npos) return absl::InvalidArgumentError(absl::StrCat(what, " is not valid JSON"));
  Inspector inspector(max_members);
  if (!json::sax_parse(text.begin(), text.end(), &inspector)) {
    return absl::InvalidArgumentError(absl::StrCat(what, " ", inspector.fault()));
  }
  return Document::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

}  // namespace

absl::StatusOr<json> ParseJson(absl::string_view text, absl::string_view what) {
  return Parse<json>(text, what, std::numeric_limits<size_t>::max());
}

absl::StatusOr<nlohmann::ordered_json> ParseOrderedJson(absl::string_view text, absl::string_view what) {
  return Parse<nlohmann::ordered_json>(text, what, kMaxOrderedMembers);
}

}  // namespace pivot
