// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/files/bounded_json.h"
#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

bool IsHash(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

constexpr absl::string_view kOwnHashKey = R"("manifest_sha256": ")";

/// Puts `digits` in the place of the own hash's; false when it cannot be found as SealManifest leaves it.
bool ReplaceOwnHash(absl::string_view digits, std::string* text) {
  const size_t key = absl::string_view(*text).rfind(kOwnHashKey);
  if (key == std::string::npos || key + kOwnHashKey.size() + digits.size() > text->size()) return false;
  text->replace(key + kOwnHashKey.size(), digits.size(), std::string(digits));
  return true;
}

std::string Zeros() { return std::string(64, '0'); }

/// Whether the text is, byte for byte, what was sealed with this hash.
bool IsSealed(absl::string_view text, const std::string& own_hash) {
  std::string unsealed(text);
  return IsHash(own_hash) && ReplaceOwnHash(Zeros(), &unsealed) && Sha256Of(unsealed) == own_hash;
}

/// Typed access that gives up once: Ok() says whether every value so far was there with its type.
class Fields {
 public:
  explicit Fields(const json& object) : object_(object), ok_(object.is_object()) {}

  std::string Text(const char* name) { return Get(name, &json::is_string, std::string()); }
  int64_t Integer(const char* name) { return Get(name, &json::is_number_integer, int64_t{0}); }
  int Int(const char* name) {
    const int64_t value = Integer(name);
    ok_ = ok_ && value == static_cast<int>(value);
    return static_cast<int>(value);
  }
  json Value(const char* name, bool (json::*is_type)() const noexcept) { return Get(name, is_type, json()); }
  bool ok() const { return ok_; }

 private:
  template <typename T>
  T Get(const char* name, bool (json::*is_type)() const noexcept, T fallback) {
    const auto found = ok_ ? object_.find(name) : object_.end();
    if (!ok_ || found == object_.end() || !((*found).*is_type)()) {
      ok_ = false;
      return fallback;
    }
    return found->template get<T>();
  }

  const json& object_;
  bool ok_;
};

absl::StatusOr<ManifestFile> FileFromJson(const json& value) {
  Fields fields(value);
  ManifestFile file{.path = fields.Text("path"), .size = fields.Integer("size"), .sha256 = fields.Text("sha256")};
  const json pieces = fields.Value("pieces", &json::is_array);
  if (!fields.ok() || !IsSafeRelativePath(file.path) || file.size < 0 || !IsHash(file.sha256)) {
    return absl::DataLossError("the manifest has a file entry that makes no sense");
  }
  int64_t position = 0;
  for (const json& entry : pieces) {
    Fields piece_fields(entry);
    ManifestPiece piece{piece_fields.Integer("offset"), piece_fields.Integer("size"), piece_fields.Text("sha256")};
    const bool follows = piece.offset == position && piece.size > 0 && piece.size <= kMaxPieceBytes;
    if (!piece_fields.ok() || !follows || !IsHash(piece.sha256)) {
      return absl::DataLossError(absl::StrCat("the manifest's pieces of ", file.path, " do not fit"));
    }
    position += piece.size;
    file.pieces.push_back(std::move(piece));
  }
  if (position != file.size)
    return absl::DataLossError(absl::StrCat("the manifest's pieces of ", file.path, " do not cover it"));
  return file;
}

}  // namespace

std::string ManifestToJson(const ManifestData& manifest) {
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  for (const ManifestFile& file : manifest.files) {
    nlohmann::ordered_json pieces = nlohmann::ordered_json::array();
    for (const ManifestPiece& piece : file.pieces) {
      pieces.push_back({{"offset", piece.offset}, {"size", piece.size}, {"sha256", piece.sha256}});
    }
    files.push_back({{"path", file.path}, {"size", file.size}, {"sha256", file.sha256}, {"pieces", std::move(pieces)}});
  }
  const nlohmann::ordered_json document{
      {"schema", kManifestSchema},
      {"job", manifest.job},
      {"uid", manifest.uid},
      {"pivot", manifest.pivot},
      {"attempt", manifest.attempt},
      {"source", {{"name", manifest.source_name}, {"digest", manifest.source_digest}}},
      {"content_sha256", manifest.content_sha256},
      {"files", std::move(files)},
      {"manifest_sha256", Zeros()}};
  return SealManifest(document.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

std::string SealManifest(std::string text) {
  const std::string own_hash = Sha256Of(text);
  ReplaceOwnHash(own_hash, &text);
  return text;
}

absl::StatusOr<ManifestData> ManifestFromJson(absl::string_view text) {
  const auto document = ParseJson(text, "the manifest");
  if (!document.ok()) return absl::DataLossError(absl::StrCat("this is not a manifest: ", document.status().message()));
  Fields fields(*document);
  const int64_t schema = fields.Integer("schema");
  const json source = fields.Value("source", &json::is_object);
  const json files = fields.Value("files", &json::is_array);
  ManifestData manifest{.job = fields.Text("job"),
                        .uid = fields.Text("uid"),
                        .pivot = fields.Int("pivot"),
                        .attempt = fields.Int("attempt"),
                        .content_sha256 = fields.Text("content_sha256")};
  const std::string own_hash = fields.Text("manifest_sha256");
  Fields source_fields(source);
  manifest.source_name = source_fields.Text("name");
  manifest.source_digest = source_fields.Text("digest");
  if (schema > kManifestSchema) {
    return absl::DataLossError(absl::StrCat("the manifest has schema ", schema, ", newer than this program knows"));
  }
  if (!fields.ok() || !source_fields.ok()) return absl::DataLossError("this is not a manifest");
  for (const json& entry : files) {
    PIVOT_ASSIGN_OR_RETURN(ManifestFile file, FileFromJson(entry));
    if (!manifest.files.empty() && manifest.files.back().path >= file.path) {
      return absl::DataLossError("the manifest's files are not sorted by path");
    }
    manifest.files.push_back(std::move(file));
  }
  if (ContentSha256(manifest.files) != manifest.content_sha256) {
    return absl::DataLossError("the manifest's content_sha256 does not fit its files");
  }
  if (!IsSealed(text, own_hash))
    return absl::DataLossError("the manifest is damaged: it has another hash than it says");
  return manifest;
}

}  // namespace pivot
