// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/staged_folder.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include "absl/strings/match.h"
#include "nlohmann/json.hpp"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr int kFileListSchema = 1;

absl::Status CopyOther(const ModelFolder& source, const std::string& name, const std::string& to) {
  PIVOT_ASSIGN_OR_RETURN(const std::string content, source.ReadOtherFile(name));
  return WriteFileDurably(to, content);
}

bool IsGguf(const OutputShard& shard) { return absl::EndsWith(shard.file_name, ".gguf"); }

absl::StatusOr<std::vector<int64_t>> PiecesOf(const std::string& path) {
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error) return StatusFromErrno(error.value(), "cannot read", path);
  if (!absl::EndsWith(path, ".safetensors")) return PieceOffsets({}, size);
  PIVOT_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  return PieceOffsets(file.header(), size);
}

}  // namespace

absl::Status AssembleFolder(const std::string& folder, const std::string& shard_folder,
                            const std::vector<OutputShard>& shards, const ModelFolder& source,
                            const std::map<std::string, std::string>& texts) {
  PIVOT_RETURN_IF_ERROR(RemoveAll(folder));
  PIVOT_RETURN_IF_ERROR(MakeFolders(folder));
  for (const OutputShard& shard : shards) {
    const std::string from = shard_folder + "/" + shard.file_name;
    if (link(from.c_str(), (folder + "/" + shard.file_name).c_str()) != 0)
      return StatusFromErrno(errno, "cannot link", from);
  }
  if (!std::any_of(shards.begin(), shards.end(), IsGguf))
    PIVOT_RETURN_IF_ERROR(WriteFileDurably(folder + "/model.safetensors.index.json", IndexJson(shards)));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> copied, source.OtherFiles());
  for (const std::string& name : copied) PIVOT_RETURN_IF_ERROR(CopyOther(source, name, folder + "/" + name));
  return WriteTexts(folder, texts);
}

absl::Status WriteTexts(const std::string& folder, const std::map<std::string, std::string>& texts) {
  for (const auto& [path, content] : texts) {
    PIVOT_RETURN_IF_ERROR(MakeFolders(fs::path(folder + "/" + path).parent_path().string()));
    PIVOT_RETURN_IF_ERROR(WriteFileDurably(folder + "/" + path, content));
  }
  return SyncFolder(folder);
}

absl::Status WriteFileList(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) paths.push_back(fs::relative(entry.path(), folder, error).string());
  }
  if (error) return StatusFromErrno(error.value(), "cannot read", folder);
  std::sort(paths.begin(), paths.end());
  nlohmann::json files = nlohmann::json::array();
  for (const std::string& path : paths) {
    PIVOT_ASSIGN_OR_RETURN(const std::vector<int64_t> pieces, PiecesOf(folder + "/" + path));
    files.push_back({{"path", path}, {"pieces", pieces}});
  }
  const nlohmann::json document{{"schema", kFileListSchema}, {"files", std::move(files)}};
  return WriteFileDurably(folder + ".files.json", document.dump() + "\n");
}

}  // namespace pivot
