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
  const bool is_gguf = absl::EndsWith(model, ".gguf") && fs::is_regular_file(model, error);
  if (is_gguf || fs::is_directory(model, error)) return AbsolutePath(model);
  const bool is_remote = absl::StartsWith(model, "hf://") || absl::StartsWith(model, "s3://");
  if (is_remote) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(
                          "the model ", model, " is of a kind that this version cannot ",
                          "read: give a local folder with config.json and safetensors, or a ", "GGUF file")),
                      "UNSUPPORTED_SOURCE");
  }
  const absl::string_view what = fs::exists(model, error) ? " is not a folder" : " does not exist";
  return WithReason(absl::NotFoundError(absl::StrCat("the model folder ", model, what,
                                                     ": give a local folder with config.json and safetensors")),
                    "SOURCE_NOT_FOUND");
}

absl::StatusOr<std::string> PlainFile(const std::string& path, absl::string_view what) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return AbsolutePath(path);
  const absl::string_view fault = fs::exists(path, error) ? " is not a plain file" : " does not exist";
  return WithReason(absl::NotFoundError(absl::StrCat("the ", what, " ", path, fault)), "SOURCE_NOT_FOUND");
}

std::vector<std::string> FoldersToRead(const v1::JobSpec& spec) {
  std::set<std::string> folders;
  for (const std::string& model :
       {spec.compress().source().path(), spec.evaluate().source().path(), spec.evaluate().reference().path(),
        spec.generate().source().path(), spec.convert().source().path()}) {
    folders.insert(absl::EndsWith(model, ".gguf") ? fs::path(model).parent_path().string() : model);
  }
  for (const std::string& file : {spec.compress().calibration().text_path(), spec.compress().evaluation().text_path(),
                                  spec.evaluate().text_path(), spec.evaluate().tokens_path()}) {
    folders.insert(fs::path(file).parent_path().string());
  }
  folders.erase("");
  return {folders.begin(), folders.end()};
}

}  // namespace pivot::client
