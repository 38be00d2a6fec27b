// SPDX-License-Identifier: Apache-2.0
// pivot/manifest.json, as it came and sealed again: paths that are accepted stay in their folder, pieces cover files.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

#include "proto/files/manifest.h"
#include "tests/fuzz/require.h"

namespace {

void Read(absl::string_view text) {
  const auto manifest = pivot::ManifestFromJson(text);
  if (!manifest.ok()) return;
  for (const pivot::ManifestFile& file : manifest->files) {
    PIVOT_REQUIRE(pivot::IsSafeRelativePath(file.path));
    int64_t end = 0;
    for (const pivot::ManifestPiece& piece : file.pieces) {
      PIVOT_REQUIRE(piece.offset == end && piece.size >= 0 && piece.size <= pivot::kMaxPieceBytes);
      end = piece.offset + piece.size;
    }
    PIVOT_REQUIRE(end == file.size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Read(text);
  // Without this every change would be refused for the hash alone.
  if (text.find("\"manifest_sha256\"") != std::string::npos) Read(pivot::SealManifest(text));
  return 0;
}
