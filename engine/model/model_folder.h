// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_MODEL_FOLDER_H_
#define PIVOT_ENGINE_MODEL_MODEL_FOLDER_H_

// A model on disk: configuration, safetensors shards and the files beside them, or one GGUF file. Nothing of it is
// executed or unpickled.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/model_config.h"
#include "engine/model/safetensors.h"

namespace pivot {

inline constexpr size_t kMaxSmallFileBytes = size_t{256} << 20;

class GgufModel;

/// Where a tensor lies.
struct TensorLocation {
  size_t file = 0;  // index into ModelFolder::files(); 0 in a GGUF file
  const TensorInfo* info = nullptr;
};

/// The bytes of a tensor: those of a mapped file, or computed ones that live as long as this.
struct TensorContent {
  absl::string_view bytes;
  std::shared_ptr<const std::string> computed;
};

/// An opened folder. Its shards are mapped, not read. Several threads may use it.
class ModelFolder {
 public:
  /// Opens a GGUF file (PATH.gguf, or a folder that holds one and no config.json), which then looks like a folder
  /// (engine/model/gguf/gguf_model.h). Otherwise opens the folder and checks that it is whole: every shard of the index
  /// is there, every header obeys the format, every file lies in the folder (or is a link into the blobs of the hub
  /// cache that the folder belongs to). Of a model around a decoder it is the decoder (engine/model/wrapped_decoder.h).
  /// Of a family that is not in the table the linear layers are found by their tensors (engine/model/found_model.h);
  /// who runs a model asks CheckCanRun. Errors, by reason: SOURCE_NOT_FOUND, SOURCE_INCOMPLETE (names the shard),
  /// UNSAFE_SOURCE (pickled weights, links out), MALFORMED_WEIGHTS, UNSUPPORTED_ARCHITECTURE (nothing is found),
  /// UNSUPPORTED_CHECKPOINT, INVALID_CONFIG.
  static absl::StatusOr<ModelFolder> Open(const std::string& path);

  const std::string& path() const { return path_; }
  /// The folder's own name, for people.
  std::string name() const;
  const std::string& config_text() const { return config_text_; }
  const ModelConfig& config() const { return config_; }
  /// Empty for a GGUF file.
  const std::vector<SafetensorsFile>& files() const { return files_; }
  /// Null for a folder of safetensors.
  const GgufModel* gguf() const { return gguf_.get(); }
  /// Of all files that hold weights.
  std::vector<std::string> weight_paths() const;
  /// Every tensor by name; of one that holds all experts of a block the experts' (engine/model/fused_experts.h).
  const std::map<std::string, TensorLocation, std::less<>>& tensors() const { return tensors_; }

  /// Null when there is no such tensor.
  const TensorInfo* Find(absl::string_view name) const;
  /// The tensor's bytes, or "" when there is none; of safetensors.
  absl::string_view Bytes(absl::string_view name) const;
  /// The bytes that its TensorInfo describes, wherever it lies; empty when there is none.
  TensorContent Read(absl::string_view name) const;

  /// Names of the other files that go into an output folder as they are: docs/format.md says which. Sorted. For a GGUF
  /// file also those that are made from it.
  absl::StatusOr<std::vector<std::string>> OtherFiles() const;
  /// One such file: what lies beside the weights, else what a GGUF file tells. kNotFound.
  absl::StatusOr<std::string> ReadOtherFile(const std::string& name) const;

  /// Of all weight files.
  int64_t weight_file_bytes() const;

 private:
  ModelFolder() = default;
  absl::Status OpenShards();
  absl::Status OpenIndexed(const std::string& index_text);
  absl::Status AddShard(const std::string& file_name);
  absl::Status OpenGguf(const std::string& file);
  absl::Status SplitExperts();

  std::string path_;
  std::string config_text_;
  ModelConfig config_;
  std::vector<SafetensorsFile> files_;
  std::shared_ptr<const GgufModel> gguf_;
  std::list<TensorInfo> split_;  // parts of the files' tensors
  std::map<std::string, TensorLocation, std::less<>> tensors_;
};

/// Names of the files that go into an output folder as they are: docs/format.md says which. Sorted.
absl::StatusOr<std::vector<std::string>> FilesToCopy(const std::string& path);

/// SHA-256 over config.json and every shard's name, size and header: identifies the model without reading its weights.
std::string SourceDigest(const ModelFolder& folder);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_MODEL_FOLDER_H_
