// SPDX-License-Identifier: Apache-2.0
#include "client/source_paths.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "client/output_folder.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

namespace fs = std::filesystem;

}  // namespace

absl::StatusOr<std::string> ModelFolder(const std::string& model) {
  std::error_code error;
  if (fs::is_directory(model, error)) return AbsolutePath(model);
  if (absl::EndsWith(model, ".gguf") && fs::is_regular_file(model, error)) {
    // Its own name stays: what a link in a hub cache leads to has none.
    const fs::path path = fs::absolute(model, error).lexically_normal();
    PIVOT_ASSIGN_OR_RETURN(const std::string folder, AbsolutePath(path.parent_path().string()));
    return (fs::path(folder) / path.filename()).string();
  }
  if (absl::StartsWith(model, "s3://")) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(
                          "the model ", model, " is of a kind that this version cannot read: give a folder with ",
                          "config.json and safetensors, a GGUF file, or a model of the hub as hf://ORG/NAME")),
                      "UNSUPPORTED_SOURCE");
  }
  const absl::string_view what = fs::exists(model, error) ? " is not a folder" : " does not exist";
  return WithReason(absl::NotFoundError(absl::StrCat("the model folder ", model, what,
                                                     ": give a folder with config.json and safetensors, or a model of ",
                                                     "the hub as hf://ORG/NAME")),
                    "SOURCE_NOT_FOUND");
}

absl::StatusOr<std::string> PlainFile(const std::string& path, absl::string_view what) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return AbsolutePath(path);
  const absl::string_view fault = fs::exists(path, error) ? " is not a plain file" : " does not exist";
  return WithReason(absl::NotFoundError(absl::StrCat("the ", what, " ", path, fault)), "SOURCE_NOT_FOUND");
}

std::string ModelLabel(const std::string& path) {
  const fs::path folder = path;
  if (folder.extension() == ".gguf") return folder.stem().string();
  std::string repository = folder.parent_path().parent_path().filename().string();
  const bool is_snapshot = folder.parent_path().filename() == "snapshots" && absl::StartsWith(repository, "models--");
  if (!is_snapshot) return folder.filename().string();
  return repository.substr(repository.rfind("--") + 2);
}

std::vector<std::string> FoldersToRead(const v1::JobSpec& spec) {
  std::set<std::string> folders;
  for (const std::string& model :
       {spec.compress().source().path(), spec.evaluate().source().path(), spec.evaluate().reference().path(),
        spec.generate().source().path(), spec.convert().source().path()}) {
    if (!absl::EndsWith(model, ".gguf")) {
      folders.insert(model);
      continue;
    }
    folders.insert(fs::path(model).parent_path().string());
    std::error_code error;
    folders.insert(fs::weakly_canonical(model, error).parent_path().string());  // of a link in a hub cache
  }
  for (const std::string& file : {spec.compress().calibration().text_path(), spec.compress().evaluation().text_path(),
                                  spec.evaluate().text_path(), spec.evaluate().tokens_path()}) {
    folders.insert(fs::path(file).parent_path().string());
  }
  folders.erase("");
  return {folders.begin(), folders.end()};
}

}  // namespace pivot::client
