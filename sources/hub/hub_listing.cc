// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/hub_listing.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "sources/hub/blob_hash.h"

#include "proto/files/manifest.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

using nlohmann::json;

constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr char kSingleFile[] = "model.safetensors";
constexpr int64_t kMaxFileBytes = int64_t{1} << 50;
constexpr size_t kNamesInFull = 4;
constexpr std::array<absl::string_view, 6> kPickleEndings = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"};
constexpr std::array<absl::string_view, 8> kConfigFiles = {
    "config.json",        "generation_config.json", "preprocessor_config.json", "processor_config.json",
    "chat_template.json", "quantize_config.json",   "hf_quant_config.json",     "modules.json"};
constexpr std::array<absl::string_view, 5> kLicencePrefixes = {"license", "licence", "notice", "copying", "use_policy"};

absl::Status Incomplete(absl::string_view message) {
  return WithReason(absl::FailedPreconditionError(message), "SOURCE_INCOMPLETE");
}

absl::Status BadAnswer(absl::string_view fault) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "the hub's list of files makes no sense: ", fault,
                        "; if HF_ENDPOINT is set, check that it names a server that speaks like huggingface.co")),
                    "HUB_ANSWER_INVALID");
}

std::string TextAt(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

int64_t NumberAt(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : -1;
}

/// One of "siblings": {"rfilename", "size", "blobId", "lfs": {"sha256", "size"}}.
CachedFile FileFrom(const json& entry) {
  CachedFile file{
      .path = TextAt(entry, "rfilename"), .etag = TextAt(entry, "blobId"), .bytes = NumberAt(entry, "size")};
  const auto lfs = entry.find("lfs");
  if (lfs != entry.end() && lfs->is_object()) {
    file.etag = TextAt(*lfs, "sha256");
    file.bytes = NumberAt(*lfs, "size");
  }
  if (!IsBlobName(file.etag) || file.bytes < 0 || file.bytes > kMaxFileBytes) file.etag.clear();
  return file;
}

bool IsTokenizerFile(absl::string_view name) {
  if (absl::EndsWith(name, ".model") || absl::EndsWith(name, ".tiktoken") || absl::EndsWith(name, ".jinja"))
    return true;
  const bool is_text = absl::EndsWith(name, ".json") || absl::EndsWith(name, ".txt");
  return is_text &&
         (absl::StrContains(name, "token") || absl::StartsWith(name, "vocab") || absl::StartsWith(name, "merges"));
}

bool IsBeside(const std::string& path) {
  if (absl::StrContains(path, '/')) return false;
  const std::string name = absl::AsciiStrToLower(path);
  const bool is_config = std::find(kConfigFiles.begin(), kConfigFiles.end(), name) != kConfigFiles.end();
  const bool is_licence = std::any_of(kLicencePrefixes.begin(), kLicencePrefixes.end(),
                                      [&name](absl::string_view prefix) { return absl::StartsWith(name, prefix); });
  return is_config || is_licence || IsTokenizerFile(name);
}

bool IsPickle(const std::string& path) {
  return std::any_of(kPickleEndings.begin(), kPickleEndings.end(),
                     [&path](absl::string_view ending) { return absl::EndsWithIgnoreCase(path, ending); });
}

const CachedFile* Find(const HubListing& listing, absl::string_view path) {
  const auto found = std::find_if(listing.files.begin(), listing.files.end(),
                                  [path](const CachedFile& file) { return file.path == path; });
  return found == listing.files.end() ? nullptr : &*found;
}

std::vector<std::string> PathsThat(const HubListing& listing, bool (*holds)(const std::string&)) {
  std::vector<std::string> paths;
  for (const CachedFile& file : listing.files) {
    if (holds(file.path)) paths.push_back(file.path);
  }
  return paths;
}

bool IsGguf(const std::string& path) { return absl::EndsWithIgnoreCase(path, ".gguf"); }

/// The GGUF file that is meant when there are no safetensors.
absl::StatusOr<const CachedFile*> ChooseGguf(const HubListing& listing, const HubName& name) {
  const std::vector<std::string> found = PathsThat(listing, IsGguf);
  if (!name.file.empty()) {
    const CachedFile* file = Find(listing, name.file);
    if (file != nullptr) return file;
    const std::string there = found.empty() ? "no GGUF file" : NamesInShort(found);
    return WithReason(absl::NotFoundError(absl::StrCat(HubUri(name), " does not exist; the repository has ", there)),
                      "SOURCE_NOT_FOUND");
  }
  if (found.size() > 1) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(HubUri(name), " has several GGUF files (", NamesInShort(found),
                                                "): name one, as ", HubUri(name), "/", found.front())),
        "AMBIGUOUS_SOURCE");
  }
  return found.empty() ? nullptr : Find(listing, found.front());
}

/// No safetensors: one GGUF file, or no model that we read.
absl::Status SelectOtherWeights(const HubListing& listing, const HubName& name, Selection* selection) {
  PIVOT_ASSIGN_OR_RETURN(const CachedFile* gguf, ChooseGguf(listing, name));
  if (gguf != nullptr) {
    selection->weights.push_back(*gguf);
    return absl::OkStatus();
  }
  const std::vector<std::string> pickles = PathsThat(listing, IsPickle);
  if (!pickles.empty()) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(
                          HubUri(name), " holds its weights only as pickle (", NamesInShort(pickles),
                          "), which can run code when it is read; look for a revision or a copy with safetensors")),
                      "UNSAFE_SOURCE");
  }
  return Incomplete(absl::StrCat(HubUri(name), " has neither ", kSingleFile, " nor ", kIndexFile, " nor a GGUF file"));
}

}  // namespace

absl::StatusOr<HubListing> ParseListing(absl::string_view reply) {
  const json object = json::parse(reply, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return BadAnswer("it is no JSON object");
  HubListing listing{.commit = TextAt(object, "sha")};
  if (!IsCommit(listing.commit)) return BadAnswer("it has no commit (\"sha\")");
  const auto siblings = object.find("siblings");
  if (siblings == object.end() || !siblings->is_array()) return BadAnswer("it has no files (\"siblings\")");
  for (const json& entry : *siblings) {
    if (!entry.is_object()) return BadAnswer("a file is no object");
    CachedFile file = FileFrom(entry);
    if (IsSafeRelativePath(file.path)) listing.files.push_back(std::move(file));
  }
  return listing;
}

absl::StatusOr<Selection> SelectFiles(const HubListing& listing, const HubName& name) {
  Selection selection;
  const CachedFile* index = name.file.empty() ? Find(listing, kIndexFile) : nullptr;
  const CachedFile* single = name.file.empty() ? Find(listing, kSingleFile) : nullptr;
  if (index != nullptr) {
    selection.index_path = index->path;
    selection.beside.push_back(*index);
  } else if (single != nullptr) {
    selection.weights.push_back(*single);
  } else {
    PIVOT_RETURN_IF_ERROR(SelectOtherWeights(listing, name, &selection));
  }
  const bool is_folder = index != nullptr || single != nullptr;
  if (is_folder && Find(listing, "config.json") == nullptr) {
    return Incomplete(absl::StrCat(HubUri(name), " has no config.json: it is not a model by itself"));
  }
  for (const CachedFile& file : listing.files) {
    // A GGUF file brings its configuration and tokenizer with it.
    if (is_folder && IsBeside(file.path)) selection.beside.push_back(file);
  }
  return selection;
}

absl::StatusOr<std::vector<std::string>> ShardNames(absl::string_view index) {
  const json object = json::parse(index, nullptr, /*allow_exceptions=*/false);
  const auto map = object.is_object() ? object.find("weight_map") : object.end();
  if (!object.is_object() || map == object.end() || !map->is_object() || map->empty()) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(kIndexFile, " has no weight_map")), "MALFORMED_WEIGHTS");
  }
  std::set<std::string> names;
  for (const json& shard : *map) {
    if (!shard.is_string() || !IsSafeRelativePath(shard.get<std::string>()) ||
        !absl::EndsWith(shard.get<std::string>(), ".safetensors")) {
      return WithReason(
          absl::InvalidArgumentError(absl::StrCat(kIndexFile, " names a file that cannot be one of its shards")),
          "UNSAFE_SOURCE");
    }
    names.insert(shard.get<std::string>());
  }
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<std::vector<CachedFile>> ShardsOf(absl::string_view index, const HubListing& listing,
                                                 const HubName& name) {
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> names, ShardNames(index));
  std::vector<CachedFile> shards;
  for (const std::string& shard : names) {
    const CachedFile* file = Find(listing, shard);
    if (file == nullptr) {
      return Incomplete(absl::StrCat(HubUri(name), " lacks the shard ", shard, " that its index names"));
    }
    shards.push_back(*file);
  }
  return shards;
}

std::vector<std::string> SkippedFiles(const HubListing& listing, const std::vector<CachedFile>& fetched) {
  std::set<std::string> paths;
  for (const CachedFile& file : fetched) paths.insert(file.path);
  std::vector<std::string> skipped;
  for (const CachedFile& file : listing.files) {
    if (!paths.contains(file.path)) skipped.push_back(file.path);
  }
  return skipped;
}

std::string NamesInShort(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamesInFull);
  const std::string list = absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", ");
  return shown == names.size() ? list : absl::StrCat(list, " and ", names.size() - shown, " more");
}

}  // namespace pivot::hub
