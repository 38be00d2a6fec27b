// SPDX-License-Identifier: Apache-2.0
#include "engine/model/model_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/model/json.h"
#include "engine/model/model_subfolders.h"
#include "proto/files/durable_file.h"
#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kSingleFile[] = "model.safetensors";
// What GPTQ checkpoints say of themselves a second time; a writer makes its own.
constexpr char kGptqConfigFile[] = "quantize_config.json";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr size_t kMaxNamedSubfolders = 8;
constexpr std::array<absl::string_view, 6> kPickleEndings = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"};
// What is not copied beside the compressed weights: weights in any form, indexes of them, code, pickles.
constexpr std::array<absl::string_view, 14> kNotCopiedEndings = {
    ".safetensors", ".bin",     ".pt",         ".pth", ".ckpt", ".gguf", ".h5",
    ".onnx",        ".msgpack", ".index.json", ".py",  ".pyc",  ".pkl",  ".pickle"};

template <size_t N>
bool EndsWithAny(absl::string_view name, const std::array<absl::string_view, N>& endings) {
  const std::string lower = absl::AsciiStrToLower(name);
  return std::any_of(endings.begin(), endings.end(),
                     [&lower](absl::string_view ending) { return absl::EndsWith(lower, ending); });
}

absl::Status Incomplete(absl::string_view message) {
  return WithReason(absl::FailedPreconditionError(message), "SOURCE_INCOMPLETE");
}

absl::Status Unsafe(absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "UNSAFE_SOURCE");
}

absl::Status Malformed(absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "MALFORMED_WEIGHTS");
}

/// Whether the manifest, which is JSON, can name the file.
bool IsPublishable(const std::string& name) {
  const auto text = [&name](json::error_handler_t handler) { return json(name).dump(-1, ' ', false, handler); };
  return IsSafeRelativePath(name) && text(json::error_handler_t::ignore) == text(json::error_handler_t::replace);
}

/// A link may lead to another place of the folder, or to the blobs of the hub cache the folder is a snapshot of.
absl::Status CheckInside(const std::string& folder, const std::string& file) {
  std::error_code error;
  const fs::path target = fs::canonical(fs::path(folder) / file, error);
  if (error) return absl::OkStatus();  // opening it will say what is wrong
  const fs::path root = fs::canonical(folder, error);
  const fs::path blobs = root.parent_path().parent_path() / "blobs";
  const bool is_snapshot = root.parent_path().filename() == "snapshots";
  for (const fs::path& allowed : {root, is_snapshot ? blobs : root}) {
    const auto mismatch = std::mismatch(allowed.begin(), allowed.end(), target.begin(), target.end());
    if (mismatch.first == allowed.end()) return absl::OkStatus();
  }
  return Unsafe(absl::StrCat(folder, "/", file, " is a link out of the model's folder; copy the file itself there"));
}

absl::Status NoConfig(const std::string& path) {
  std::vector<std::string> models = ModelSubfolders(path);
  models.resize(std::min(models.size(), kMaxNamedSubfolders));
  for (std::string& name : models) name = absl::StrCat(path, "/", name);
  const std::string advice = models.empty()
                                 ? ": it is not a model folder"
                                 : absl::StrCat("; the models are below it: name ", absl::StrJoin(models, " or "));
  return WithReason(absl::NotFoundError(absl::StrCat(path, " has no config.json", advice)), "SOURCE_NOT_FOUND");
}

std::vector<std::string> PickleFiles(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (EndsWithAny(name, kPickleEndings)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Zip archives and pickles under a safetensors name.
bool LooksLikePickle(const std::string& path) {
  const auto file = MappedFile::Open(path);
  if (!file.ok()) return false;
  const absl::string_view head = (*file)->bytes().substr(0, 4);
  const bool is_zip = absl::StartsWith(head, "PK\x03\x04");
  const bool is_pickle = head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5 &&
                         ((*file)->size() < 9 || (*file)->bytes()[8] != '{');
  return is_zip || is_pickle;
}

absl::StatusOr<std::string> ReadTextFile(const std::string& folder, const std::string& name) {
  PIVOT_RETURN_IF_ERROR(CheckInside(folder, name));
  return ReadSmallFile(folder + "/" + name, kMaxSmallFileBytes);
}

}  // namespace

absl::StatusOr<ModelFolder> ModelFolder::Open(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return WithReason(absl::NotFoundError(absl::StrCat("no model folder at ", path,
                                                       ": it must hold config.json and safetensors files")),
                      "SOURCE_NOT_FOUND");
  }
  ModelFolder folder;
  folder.path_ = path;
  auto config_text = ReadTextFile(path, "config.json");
  if (absl::IsNotFound(config_text.status())) return NoConfig(path);
  if (!config_text.ok()) return config_text.status();
  folder.config_text_ = *std::move(config_text);
  PIVOT_ASSIGN_OR_RETURN(folder.config_, ParseModelConfig(folder.config_text_));
  PIVOT_RETURN_IF_ERROR(folder.OpenShards());
  return folder;
}

absl::Status ModelFolder::OpenShards() {
  const auto index_text = ReadTextFile(path_, kIndexFile);
  if (index_text.ok()) return OpenIndexed(*index_text);
  if (!absl::IsNotFound(index_text.status())) return index_text.status();
  const absl::Status single = AddShard(kSingleFile);
  if (!absl::IsNotFound(single)) return single;
  const std::vector<std::string> pickles = PickleFiles(path_);
  if (!pickles.empty()) {
    return Unsafe(absl::StrCat(path_, " holds its weights only as pickle (", pickles.front(),
                               "), which can run code when it is read; convert them to safetensors first"));
  }
  return Incomplete(absl::StrCat(path_, " has neither ", kSingleFile, " nor ", kIndexFile));
}

absl::Status ModelFolder::OpenIndexed(const std::string& index_text) {
  const auto index = ParseJson(index_text, kIndexFile);
  if (!index.ok()) return Malformed(absl::StrCat(path_, "/", index.status().message()));
  const json map = index->is_object() ? index->value("weight_map", json()) : json();
  if (!map.is_object() || map.empty()) return Malformed(absl::StrCat(path_, "/", kIndexFile, " has no weight_map"));
  std::set<std::string> names;
  for (const auto& [tensor, file] : map.items()) {
    if (!file.is_string() || !IsSafeRelativePath(file.get<std::string>())) {
      return Unsafe(absl::StrCat(kIndexFile, " names a file outside of the folder for ", tensor));
    }
    names.insert(file.get<std::string>());
  }
  for (const std::string& name : names) {
    const absl::Status status = AddShard(name);
    if (absl::IsNotFound(status))
      return Incomplete(absl::StrCat(path_, " lacks the shard ", name, " that its index names"));
    PIVOT_RETURN_IF_ERROR(status);
  }
  for (const auto& [tensor, file] : map.items()) {
    const auto found = tensors_.find(tensor);
    const bool is_there =
        found != tensors_.end() && files_[found->second.file].path() == path_ + "/" + file.get<std::string>();
    if (!is_there)
      return Incomplete(absl::StrCat("tensor ", tensor, " is not in ", file.get<std::string>(), " as the index says"));
  }
  return absl::OkStatus();
}

absl::Status ModelFolder::AddShard(const std::string& file_name) {
  PIVOT_RETURN_IF_ERROR(CheckInside(path_, file_name));
  const std::string path = path_ + "/" + file_name;
  if (LooksLikePickle(path)) return Unsafe(absl::StrCat(path, " is a pickle or a zip archive, not a safetensors file"));
  PIVOT_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(path));
  files_.push_back(std::move(file));
  for (const TensorInfo& info : files_.back().header().tensors) {
    // Moving a file keeps its header's elements where they are, so the pointer stays good.
    if (!tensors_.try_emplace(info.name, TensorLocation{files_.size() - 1, &info}).second) {
      return Malformed(absl::StrCat("tensor ", info.name, " is in two files, the second is ", path));
    }
  }
  return absl::OkStatus();
}

std::string ModelFolder::name() const {
  const std::string name = fs::path(path_).lexically_normal().filename().string();
  return name.empty() ? fs::path(path_).lexically_normal().parent_path().filename().string() : name;
}

const TensorInfo* ModelFolder::Find(absl::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  return found == tensors_.end() ? nullptr : found->second.info;
}

absl::string_view ModelFolder::Bytes(absl::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end()) return "";
  return files_[found->second.file].Bytes(*found->second.info);
}

int64_t ModelFolder::weight_file_bytes() const {
  int64_t total = 0;
  for (const SafetensorsFile& file : files_) total += file.file_bytes();
  return total;
}

absl::StatusOr<const TensorInfo*> RequireTensor(const ModelFolder& folder, absl::string_view name,
                                                absl::Span<const int64_t> shape) {
  const TensorInfo* info = folder.Find(name);
  if (info == nullptr) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(folder.path(), " has no tensor ", name)),
                      "MALFORMED_WEIGHTS");
  }
  const bool is_float =
      info->dtype == Dtype::kBfloat16 || info->dtype == Dtype::kFloat16 || info->dtype == Dtype::kFloat32;
  if (!is_float || absl::MakeConstSpan(info->shape) != shape) {
    return WithReason(absl::InvalidArgumentError(
                          absl::StrCat("tensor ", name, " is ", DtypeName(info->dtype), " ", ShapeText(info->shape),
                                       "; config.json asks for BF16, F16 or F32 ", ShapeText(shape))),
                      "MALFORMED_WEIGHTS");
  }
  return info;
}

absl::Status CheckTensors(const ModelFolder& folder) {
  const ModelConfig& config = folder.config();
  const Architecture& architecture = *config.architecture;
  auto require = [&folder](absl::string_view name, const std::vector<int64_t>& shape) {
    return RequireTensor(folder, name, shape).status();
  };
  PIVOT_RETURN_IF_ERROR(require(architecture.embedding, {config.vocab_size, config.hidden_size}));
  PIVOT_RETURN_IF_ERROR(require(architecture.final_norm, {config.hidden_size}));
  if (!config.tied_embeddings)
    PIVOT_RETURN_IF_ERROR(require(architecture.head, {config.vocab_size, config.hidden_size}));
  for (int block = 0; block < config.num_blocks; ++block) {
    const std::string prefix = BlockPrefix(architecture, block);
    PIVOT_RETURN_IF_ERROR(require(prefix + std::string(architecture.attention_norm), {config.hidden_size}));
    PIVOT_RETURN_IF_ERROR(require(prefix + std::string(architecture.mlp_norm), {config.hidden_size}));
    for (const LinearEntry& linear : architecture.linears) {
      const std::string module = prefix + std::string(linear.name);
      const LinearShape shape = ShapeOf(config, linear.role);
      PIVOT_RETURN_IF_ERROR(require(module + ".weight", {shape.out_features, shape.in_features}));
      if (HasBias(config, linear.bias)) PIVOT_RETURN_IF_ERROR(require(module + ".bias", {shape.out_features}));
    }
  }
  return absl::OkStatus();
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
    if (!IsPublishable(name)) return Unsafe(absl::StrCat(path, "/", name, " has a name that no checkpoint can hold"));
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
