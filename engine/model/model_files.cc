// SPDX-License-Identifier: Apache-2.0
#include "engine/model/model_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "engine/model/gguf/gguf_model.h"
#include "engine/model/model_folder.h"
#include "proto/files/durable_file.h"
#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What GPTQ checkpoints say of themselves a second time; a writer makes its own.
constexpr char kGptqConfigFile[] = "quantize_config.json";
// What is not copied beside the compressed weights: weights in any form, indexes of them, code, pickles.
constexpr std::array<absl::string_view, 14> kNotCopiedEndings = {
    ".safetensors", ".bin",     ".pt",         ".pth", ".ckpt", ".gguf", ".h5",
    ".onnx",        ".msgpack", ".index.json", ".py",  ".pyc",  ".pkl",  ".pickle"};

/// Whether the manifest, which is JSON, can name the file.
bool IsPublishable(const std::string& name) {
  const auto text = [&name](json::error_handler_t handler) { return json(name).dump(-1, ' ', false, handler); };
  return IsSafeRelativePath(name) && text(json::error_handler_t::ignore) == text(json::error_handler_t::replace);
}

}  // namespace

bool EndsWithAny(absl::string_view name, absl::Span<const absl::string_view> endings) {
  const std::string lower = absl::AsciiStrToLower(name);
  return std::any_of(endings.begin(), endings.end(),
                     [&lower](absl::string_view ending) { return absl::EndsWith(lower, ending); });
}

absl::Status UnsafeSource(absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "UNSAFE_SOURCE");
}

absl::Status CheckInside(const std::string& folder, const std::string& file) {
  std::error_code error;
  const fs::path target = fs::canonical(fs::path(folder) / file, error);
  if (error) return absl::OkStatus();  // opening it will say what is wrong
  const fs::path root = fs::canonical(folder, error);
  const fs::path repository = root.parent_path().parent_path();
  const bool is_snapshot = root.parent_path().filename() == "snapshots";
  // Beside the blobs of a repository, huggingface_hub keeps those that several of them share.
  const fs::path blobs = is_snapshot ? repository / "blobs" : root;
  const bool is_cached = is_snapshot && absl::StartsWith(repository.filename().string(), "models--");
  const fs::path shared_blobs = is_cached ? repository.parent_path() / "blobs" : root;
  for (const fs::path& allowed : {root, blobs, shared_blobs}) {
    const auto mismatch = std::mismatch(allowed.begin(), allowed.end(), target.begin(), target.end());
    if (mismatch.first == allowed.end()) return absl::OkStatus();
  }
  return UnsafeSource(
      absl::StrCat(folder, "/", file, " is a link out of the model's folder; copy the file itself there"));
}

absl::StatusOr<std::string> ReadTextFile(const std::string& folder, const std::string& name) {
  PIVOT_RETURN_IF_ERROR(CheckInside(folder, name));
  return ReadSmallFile(folder + "/" + name, kMaxSmallFileBytes);
}

absl::StatusOr<std::vector<std::string>> FilesToCopy(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(path, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    if (name[0] == '.' || name == "config.json" || name == kGptqConfigFile || EndsWithAny(name, kNotCopiedEndings))
      continue;
    if (std::error_code ignored; !entries->is_regular_file(ignored)) continue;
    if (!IsPublishable(name))
      return UnsafeSource(absl::StrCat(path, "/", name, " has a name that no checkpoint can hold"));
    PIVOT_RETURN_IF_ERROR(CheckInside(path, name));
    names.push_back(name);
  }
  if (error) return StatusFromErrno(error.value(), "cannot read", path);
  std::sort(names.begin(), names.end());
  return names;
}

std::string SourceDigest(const ModelFolder& folder) {
  Sha256 hash;
  hash.Update(folder.config_text());
  if (folder.gguf() != nullptr) {
    const GgufFile& file = folder.gguf()->file();
    hash.Update(absl::StrCat("\n", fs::path(file.path()).filename().string(), " ", file.file_bytes(), "\n"));
    for (const GgufTensor& tensor : file.tensors()) {
      hash.Update(absl::StrCat(tensor.name, " ", GgmlTypeName(tensor.type), " ", ShapeText(tensor.shape), " ",
                               tensor.begin, "\n"));
    }
  }
  for (const SafetensorsFile& file : folder.files()) {
    const std::string name = fs::path(file.path()).filename().string();
    hash.Update(absl::StrCat("\n", name, " ", file.file_bytes(), "\n"));
    for (const TensorInfo& tensor : file.header().tensors) {
      hash.Update(absl::StrCat(tensor.name, " ", DtypeName(tensor.dtype), " ", ShapeText(tensor.shape), " ",
                               tensor.begin, "\n"));
    }
  }
  return hash.Finish();
}

}  // namespace pivot
