// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/handlers/ended_call.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/handlers/stream_reactor.h"

namespace pivot {
namespace {

constexpr int64_t kChunkBytes = int64_t{256} << 10;
constexpr size_t kMaxAuditedBytes = 1024;

class ReadFileStream final : public StreamReactor<v1::ReadFileResponse> {
 public:
  ReadFileStream(v1::ReadFileRequest request, StreamAdmission admission, Backend& backend)
      : StreamReactor(backend.transfer),
        request_(std::move(request)),
        admission_(std::move(admission)),
        backend_(backend) {}

 protected:
  Step Next(v1::ReadFileResponse* message, absl::Status* status) override {
    if (tail_sent_) return Step::kFinish;
    *status = admission_.CheckAgain();
    if (status->ok() && !file_.fd.valid()) *status = Open();
    if (status->ok()) *status = position_ < end_ ? ReadChunk(message) : absl::OkStatus();
    if (!status->ok()) return Step::kFinish;
    if (message->data().empty()) {
      message->set_offset(position_);
      message->mutable_tail()->set_total_size(file_.size);
      message->mutable_tail()->set_sha256(file_.sha256);
      tail_sent_ = true;
    }
    return Step::kWrite;
  }

  void Ended(const absl::Status& status) override {
    Access access = admission_.access();
    access.resource = Utf8Head(absl::StrCat(access.resource, "/", request_.path()), kMaxAuditedBytes);
    WriteDown({.service = "Checkpoints",
               .method = "ReadFile",
               .access = access,
               .status = status,
               .begin = begin_,
               .bytes = sent_},
              backend_);
  }

 private:
  absl::Status Open() {
    PIVOT_ASSIGN_OR_RETURN(const CheckpointRecord checkpoint,
                           FindCheckpoint(*backend_.store, request_.checkpoint(), "checkpoint"));
    auto file = backend_.checkpoints->Open(checkpoint, request_.path());
    if (!file.ok()) return ExplainDamage(file.status(), *backend_.store, checkpoint);
    file_ = *std::move(file);
    if (request_.offset() < 0) return InvalidRequest("offset", "offset must be 0 or more");
    if (request_.limit() < 0) return InvalidRequest("limit", "limit must be 0 (to the end) or more");
    if (request_.offset() > file_.size) return OffsetBeyondEnd(request_.offset(), file_.size);
    position_ = request_.offset();
    const int64_t rest = file_.size - position_;
    end_ = position_ + (request_.limit() == 0 ? rest : std::min(request_.limit(), rest));
    return absl::OkStatus();
  }

  absl::Status ReadChunk(v1::ReadFileResponse* message) {
    std::string& data = *message->mutable_data();
    data.resize(static_cast<size_t>(std::min(kChunkBytes, end_ - position_)));
    const ssize_t count = pread(file_.fd.get(), data.data(), data.size(), position_);
    // The file was sealed when it was published: if it is shorter now, it is damaged.
    if (count <= 0) return ChecksumMismatch(request_.path());
    data.resize(static_cast<size_t>(count));
    message->set_offset(position_);
    position_ += count;
    sent_ += count;
    backend_.metrics->BytesSent(count);
    return absl::OkStatus();
  }

  const v1::ReadFileRequest request_;
  StreamAdmission admission_;
  Backend& backend_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  OpenFile file_;
  int64_t position_ = 0;
  int64_t end_ = 0;
  bool tail_sent_ = false;
  std::atomic<int64_t> sent_ = 0;
};

}  // namespace

grpc::ServerWriteReactor<v1::ReadFileResponse>* ReadFile(const v1::ReadFileRequest& request, StreamAdmission admission,
                                                         Backend& backend) {
  const absl::Status admitted = admission.status();
  const auto stream = std::make_shared<ReadFileStream>(request, std::move(admission), backend);
  stream->Begin(*backend.streams, admitted);
  return stream.get();
}

}  // namespace pivot
