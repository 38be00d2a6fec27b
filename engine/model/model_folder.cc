// SPDX-License-Identifier: Apache-2.0
#include "engine/model/model_folder.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "engine/model/found_model.h"
#include "engine/model/fused_experts.h"
#include "engine/model/gguf/gguf_model.h"
#include "engine/model/json.h"
#include "engine/model/model_files.h"
#include "engine/model/model_subfolders.h"
#include "engine/model/pickle.h"
#include "engine/model/wrapped_decoder.h"
#include "proto/files/durable_file.h"
#include "proto/files/manifest.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr size_t kMaxNamedSubfolders = 8;
constexpr absl::string_view kGgufEnding = ".gguf";

absl::Status Incomplete(absl::string_view message) {
  return WithReason(absl::FailedPreconditionError(message), "SOURCE_INCOMPLETE");
}

absl::Status Malformed(absl::string_view message) {
  return WithReason(absl::InvalidArgumentError(message), "MALFORMED_WEIGHTS");
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

/// Names of the folder's GGUF files.
std::vector<std::string> GgufFiles(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (EndsWithAny(entry.path().filename().string(), {kGgufEnding})) names.push_back(entry.path().filename().string());
  }
  return names;
}

/// Pickles, and zip archives, under a name that is not theirs.
absl::Status CheckNoPickle(const std::string& path) {
  const auto file = MappedFile::Open(path);
  if (!file.ok()) return absl::OkStatus();  // opening it will say what is wrong
  const std::string kind = PickleKind((*file)->bytes());
  return kind.empty() ? absl::OkStatus() : RefusePickle(absl::StrCat(path, " is ", kind));
}

absl::Status NoModel(const std::string& path, size_t num_gguf_files) {
  if (num_gguf_files == 0) return NoConfig(path);
  return WithReason(absl::NotFoundError(absl::StrCat(path, " has no config.json, and ", num_gguf_files,
                                                     " GGUF files: name one of them")),
                    "SOURCE_NOT_FOUND");
}

}  // namespace

absl::StatusOr<ModelFolder> ModelFolder::Open(const std::string& path) {
  std::error_code error;
  ModelFolder folder;
  folder.path_ = path;
  if (fs::is_regular_file(path, error)) {
    PIVOT_RETURN_IF_ERROR(CheckNoPickle(path));
    if (HasPickleName(path)) return RefusePickle(absl::StrCat(path, " is a pickle by its name"));
    if (EndsWithAny(path, {kGgufEnding})) {
      PIVOT_RETURN_IF_ERROR(folder.OpenGguf(path));
      return folder;
    }
  }
  if (!fs::is_directory(path, error)) {
    return WithReason(absl::NotFoundError(absl::StrCat("no model folder at ", path,
                                                       ": it must hold config.json and safetensors files")),
                      "SOURCE_NOT_FOUND");
  }
  auto config_text = ReadTextFile(path, "config.json");
  if (absl::IsNotFound(config_text.status())) {
    const std::vector<std::string> names = GgufFiles(path);
    if (names.size() != 1) return NoModel(path, names.size());
    PIVOT_RETURN_IF_ERROR(CheckInside(path, names.front()));
    PIVOT_RETURN_IF_ERROR(CheckNoPickle(path + "/" + names.front()));
    PIVOT_RETURN_IF_ERROR(folder.OpenGguf(path + "/" + names.front()));
    return folder;
  }
  if (!config_text.ok()) return config_text.status();
  folder.config_text_ = *std::move(config_text);
  auto config = ParseModelConfig(folder.config_text_);
  const bool is_unknown = ReasonOf(config.status()) == "UNSUPPORTED_ARCHITECTURE";
  if (!config.ok() && !is_unknown) return config.status();
  PIVOT_RETURN_IF_ERROR(folder.OpenShards());
  if (is_unknown) config = UnwrapDecoder(folder, config.status());
  if (ReasonOf(config.status()) == "UNSUPPORTED_ARCHITECTURE") config = FindModel(folder, config.status());
  if (!config.ok()) return config.status();
  folder.config_ = *std::move(config);
  PIVOT_RETURN_IF_ERROR(folder.SplitExperts());
  return folder;
}

absl::Status ModelFolder::OpenShards() {
  const auto index_text = ReadTextFile(path_, kIndexFile);
  if (index_text.ok()) return OpenIndexed(*index_text);
  if (!absl::IsNotFound(index_text.status())) return index_text.status();
  const absl::Status single = AddShard(kSingleFile);
  if (!absl::IsNotFound(single)) return single;
  const std::vector<std::string> pickles = PickleFiles(path_);
  if (!pickles.empty())
    return RefusePickle(absl::StrCat(path_, " holds its weights only as pickle (", pickles.front(), ")"));
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
      return UnsafeSource(absl::StrCat(kIndexFile, " names a file outside of the folder for ", tensor));
    }
    if (HasPickleName(file.get<std::string>()))
      return RefusePickle(absl::StrCat(kIndexFile, " names ", file.get<std::string>(), ", a pickle by its name"));
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
  PIVOT_RETURN_IF_ERROR(CheckNoPickle(path));
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

absl::Status ModelFolder::SplitExperts() {
  if (config_.experts.count == 0) return absl::OkStatus();
  for (size_t file = 0; file < files_.size(); ++file) {
    for (const TensorInfo& info : files_[file].header().tensors) {
      PIVOT_ASSIGN_OR_RETURN(std::vector<TensorInfo> parts, SplitFusedExperts(config_, info));
      if (parts.empty()) continue;
      tensors_.erase(info.name);
      for (TensorInfo& part : parts) {
        split_.push_back(std::move(part));
        if (tensors_.try_emplace(split_.back().name, TensorLocation{file, &split_.back()}).second) continue;
        return Malformed(absl::StrCat("tensor ", split_.back().name, " is there twice, also as part of ", info.name));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ModelFolder::OpenGguf(const std::string& file) {
  PIVOT_ASSIGN_OR_RETURN(gguf_, GgufModel::Open(file));
  config_text_ = gguf_->config_text();
  config_ = gguf_->config();
  for (const auto& [name, entry] : gguf_->entries()) tensors_.emplace(name, TensorLocation{.info = &entry.info});
  return absl::OkStatus();
}

std::string ModelFolder::name() const {
  if (absl::EndsWith(path_, kGgufEnding)) return fs::path(path_).stem().string();
  // ".../models--ORG--NAME/snapshots/COMMIT" of a hub cache: "ORG/NAME".
  const fs::path snapshots = fs::path(path_).lexically_normal().parent_path();
  std::string repository = snapshots.parent_path().filename().string();
  constexpr absl::string_view kCached = "models--";
  if (snapshots.filename() == "snapshots" && absl::StartsWith(repository, kCached)) {
    return absl::StrReplaceAll(absl::StripPrefix(repository, kCached), {{"--", "/"}});
  }
  const std::string name = fs::path(path_).lexically_normal().filename().string();
  return name.empty() ? fs::path(path_).lexically_normal().parent_path().filename().string() : name;
}

const TensorInfo* ModelFolder::Find(absl::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  return found == tensors_.end() ? nullptr : found->second.info;
}

absl::string_view ModelFolder::Bytes(absl::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end() || gguf_ != nullptr) return "";
  return files_[found->second.file].Bytes(*found->second.info);
}

TensorContent ModelFolder::Read(absl::string_view name) const {
  if (gguf_ == nullptr) return {.bytes = Bytes(name), .computed = nullptr};
  const auto found = gguf_->entries().find(name);
  if (found == gguf_->entries().end()) return {};
  if (!GgufModel::IsComputed(found->second))
    return {.bytes = gguf_->file().Bytes(*found->second.stored), .computed = nullptr};
  auto computed = std::make_shared<const std::string>(gguf_->Compute(found->second));
  return {.bytes = *computed, .computed = computed};
}

std::vector<std::string> ModelFolder::weight_paths() const {
  if (gguf_ != nullptr) return {gguf_->file().path()};
  std::vector<std::string> paths;
  for (const SafetensorsFile& file : files_) paths.push_back(file.path());
  return paths;
}

int64_t ModelFolder::weight_file_bytes() const {
  int64_t total = gguf_ == nullptr ? 0 : gguf_->file().file_bytes();
  for (const SafetensorsFile& file : files_) total += file.file_bytes();
  return total;
}

absl::StatusOr<std::vector<std::string>> ModelFolder::OtherFiles() const {
  std::vector<std::string> names;
  std::error_code error;
  if (fs::is_directory(path_, error)) {
    PIVOT_ASSIGN_OR_RETURN(names, FilesToCopy(path_));
  }
  if (gguf_ == nullptr) return names;
  std::set<std::string> all(names.begin(), names.end());
  all.insert(GgufModel::TextNames().begin(), GgufModel::TextNames().end());
  return std::vector<std::string>(all.begin(), all.end());
}

absl::StatusOr<std::string> ModelFolder::ReadOtherFile(const std::string& name) const {
  std::error_code error;
  const bool may_make = gguf_ != nullptr && !fs::exists(path_ + "/" + name, error);
  return may_make ? gguf_->MakeText(name) : ReadTextFile(path_, name);
}

}  // namespace pivot
