// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/fetch_model.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sources/hub/fetch_headers.h"
#include "sources/hub/hub_listing.h"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

constexpr size_t kMaxIndexBytes = size_t{256} << 20;
constexpr size_t kMaxCopiedBytes = size_t{256} << 20;

class ModelFetch {
 public:
  ModelFetch(const ModelRequest& request, const HubSettings& settings, const FetchHooks& hooks)
      : request_(request),
        name_(request.name),
        hooks_(hooks),
        cache_(settings.cache, name_.repo),
        client_(settings, hooks.hooks) {}

  absl::StatusOr<FetchedModel> Run() {
    if (client_.settings().network == Network::kOffline) return Offline();
    absl::StatusOr<HubListing> listing = client_.List(name_);
    if (absl::IsUnavailable(listing.status())) return Unreachable(listing.status());
    PIVOT_RETURN_IF_ERROR(listing.status());
    listing_ = *std::move(listing);
    PIVOT_ASSIGN_OR_RETURN(Selection selection, SelectFiles(listing_, name_));
    PIVOT_RETURN_IF_ERROR(cache_.MakeFolders());
    PIVOT_RETURN_IF_ERROR(Fetch(std::move(selection.beside)));
    if (!selection.index_path.empty()) {
      PIVOT_ASSIGN_OR_RETURN(selection.weights, ShardsOfIndex(selection.index_path));
    }
    const bool is_gguf = selection.beside.empty() && files_.empty();
    if (!request_.headers_folder.empty() && !is_gguf && !AreThere(selection.weights)) {
      return Headers(std::move(selection.weights));
    }
    PIVOT_RETURN_IF_ERROR(Fetch(std::move(selection.weights)));
    TellSkipped();
    PIVOT_RETURN_IF_ERROR(cache_.LinkSnapshot(listing_.commit, files_));
    PIVOT_RETURN_IF_ERROR(cache_.WriteRef(name_.revision, listing_.commit));
    return Result();
  }

 private:
  absl::StatusOr<FetchedModel> Offline() {
    absl::StatusOr<FetchedModel> cached = FindCachedModel(cache_, name_);
    if (ReasonOf(cached.status()) != "SOURCE_NOT_CACHED") return cached;
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            cached.status().message(), "; HF_HUB_OFFLINE keeps it from being fetched: unset it, or fetch it first")),
        "SOURCE_NOT_CACHED");
  }

  absl::StatusOr<FetchedModel> Unreachable(const absl::Status& why) {
    absl::StatusOr<FetchedModel> cached = FindCachedModel(cache_, name_);
    if (!cached.ok()) return why;
    hooks_.hooks.note(
        absl::StrCat(why.message(), ": taking ", HubUri(name_), " as the cache has it, at commit ", cached->commit));
    return cached;
  }

  absl::Status Fetch(std::vector<CachedFile> files) {
    PIVOT_RETURN_IF_ERROR(Describe(&files));
    int64_t before = 0;
    for (const CachedFile& file : files_) before += file.bytes;
    const FetchBlobsRequest request{.name = name_,
                                    .commit = listing_.commit,
                                    .files = files,
                                    .on_progress = [this, before](FetchProgress progress) {
                                      progress.done_bytes += before;
                                      progress.total_bytes += before;
                                      hooks_.on_progress(progress);
                                    }};
    PIVOT_ASSIGN_OR_RETURN(const int64_t bytes, FetchBlobs(request, cache_, &client_));
    fetched_bytes_ += bytes;
    files_.insert(files_.end(), files.begin(), files.end());
    return absl::OkStatus();
  }

  /// What the listing did not tell.
  absl::Status Describe(std::vector<CachedFile>* files) {
    for (CachedFile& file : *files) {
      if (!file.etag.empty()) continue;
      PIVOT_ASSIGN_OR_RETURN(file, client_.Describe(name_, listing_.commit, file.path));
    }
    return absl::OkStatus();
  }

  bool AreThere(const std::vector<CachedFile>& files) const {
    return std::all_of(files.begin(), files.end(), [this](const CachedFile& file) {
      return !file.etag.empty() && cache_.HasBlob(file.etag, file.bytes);
    });
  }

  absl::StatusOr<FetchedModel> Headers(std::vector<CachedFile> weights) {
    const std::string& folder = request_.headers_folder;
    for (const CachedFile& file : files_) {
      PIVOT_ASSIGN_OR_RETURN(const std::string content, ReadSmallFile(cache_.BlobPath(file.etag), kMaxCopiedBytes));
      PIVOT_RETURN_IF_ERROR(WriteFileDurably(absl::StrCat(folder, "/", file.path), content));
    }
    PIVOT_RETURN_IF_ERROR(Describe(&weights));
    PIVOT_ASSIGN_OR_RETURN(
        const int64_t bytes,
        FetchHeaders({.name = name_, .commit = listing_.commit, .weights = std::move(weights), .folder = folder},
                     &client_));
    return FetchedModel{.path = folder, .commit = listing_.commit, .fetched_bytes = fetched_bytes_ + bytes};
  }

  absl::StatusOr<std::vector<CachedFile>> ShardsOfIndex(const std::string& path) {
    for (const CachedFile& file : files_) {
      if (file.path != path) continue;
      PIVOT_ASSIGN_OR_RETURN(const std::string index, ReadSmallFile(cache_.BlobPath(file.etag), kMaxIndexBytes));
      return ShardsOf(index, listing_, name_);
    }
    return absl::InternalError(absl::StrCat(path, " was not fetched"));
  }

  void TellSkipped() {
    const std::vector<std::string> skipped = SkippedFiles(listing_, files_);
    if (fetched_bytes_ == 0 || skipped.empty()) return;
    hooks_.hooks.note(absl::StrCat("not part of the model, and not fetched: ", NamesInShort(skipped)));
  }

  FetchedModel Result() const {
    FetchedModel model{
        .path = cache_.SnapshotPath(listing_.commit), .commit = listing_.commit, .fetched_bytes = fetched_bytes_};
    // A GGUF file is fetched alone.
    const bool is_folder = files_.size() != 1;
    if (!is_folder) absl::StrAppend(&model.path, "/", files_[0].path);
    return model;
  }

  const ModelRequest& request_;
  const HubName& name_;
  const FetchHooks& hooks_;
  HubCache cache_;
  HubClient client_;
  HubListing listing_;
  std::vector<CachedFile> files_;
  int64_t fetched_bytes_ = 0;
};

}  // namespace

absl::StatusOr<FetchedModel> FetchModel(const ModelRequest& request, const HubSettings& settings,
                                        const FetchHooks& hooks) {
  return ModelFetch(request, settings, hooks).Run();
}

}  // namespace pivot::hub
