// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_FILES_MANIFEST_H_
#define PIVOT_PROTO_FILES_MANIFEST_H_

// pivot/manifest.json: every file of a published folder with its hashes. docs/format.md describes it.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

inline constexpr int kManifestSchema = 1;
inline constexpr int64_t kMaxPieceBytes = int64_t{16} << 20;
inline constexpr char kManifestPath[] = "pivot/manifest.json";

struct ManifestPiece {
  int64_t offset = 0;
  int64_t size = 0;
  std::string sha256;
};

struct ManifestFile {
  std::string path;
  int64_t size = 0;
  std::string sha256;
  std::vector<ManifestPiece> pieces;
};

struct ManifestData {
  std::string job;
  std::string uid;
  int pivot = 0;
  int attempt = 0;
  std::string source_name;
  std::string source_digest;
  std::string content_sha256;
  std::vector<ManifestFile> files;  // sorted by path
};

/// True for a path that stays below its folder: relative, no empty, "." or ".." part, no NUL or backslash, at most 512
/// bytes and 8 parts.
bool IsSafeRelativePath(absl::string_view path);

/// Size and hashes of one file below `folder`, pieces beginning at `piece_offsets` (ascending, first 0; empty: every 16
/// MiB). Opened without following links. kInvalidArgument when the path is unsafe, is not a regular file, or a piece
/// would be longer than 16 MiB.
absl::StatusOr<ManifestFile> HashFile(const std::string& folder, const std::string& path,
                                      absl::Span<const int64_t> piece_offsets);

/// For each of the files whether it lies below `folder` with its size and SHA-256, opened like HashFile does. Several
/// threads read; `stopped` is asked before each file, and what is then left counts as not there. May be empty.
std::vector<bool> FindIntact(const std::string& folder, absl::Span<const ManifestFile> files,
                             const std::function<bool()>& stopped);

/// As docs/format.md defines it.
std::string ContentSha256(absl::Span<const ManifestFile> files);

std::string ManifestToJson(const ManifestData& manifest);

/// A manifest's text whose "manifest_sha256" is 64 zeros, with the SHA-256 of just that text in their place.
std::string SealManifest(std::string text);

/// kDataLoss when it is not a manifest, its paths or pieces are not as they must be, or any byte of it has changed
/// since it was sealed.
absl::StatusOr<ManifestData> ManifestFromJson(absl::string_view json);

/// Calls `report` for every fault: a file that is missing, of another size, with other bytes (naming the first bad
/// piece), or not listed. OK when the folder could be compared at all.
absl::Status CompareFolder(const std::string& folder, const ManifestData& manifest,
                           absl::FunctionRef<void(const std::string& path, const std::string& fault)> report);

}  // namespace pivot

#endif  // PIVOT_PROTO_FILES_MANIFEST_H_
