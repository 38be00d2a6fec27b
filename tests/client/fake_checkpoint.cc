// SPDX-License-Identifier: Apache-2.0
#include "tests/client/fake_checkpoint.h"

#include <algorithm>
#include <random>

#include "proto/files/sha256.h"

namespace pivot::client {
namespace {

ManifestFile Describe(const std::string& path, const std::string& bytes, int64_t piece_bytes) {
  ManifestFile file{.path = path, .size = static_cast<int64_t>(bytes.size()), .sha256 = Sha256Of(bytes)};
  for (int64_t offset = 0; offset < file.size; offset += piece_bytes) {
    const std::string piece = bytes.substr(static_cast<size_t>(offset), static_cast<size_t>(piece_bytes));
    file.pieces.push_back({offset, static_cast<int64_t>(piece.size()), Sha256Of(piece)});
  }
  return file;
}

}  // namespace

ManifestData FakeCheckpoint::Manifest() const {
  ManifestData manifest{.job = "projects/default/jobs/j", .uid = "u", .source_name = "m", .source_digest = "d"};
  for (const auto& [path, bytes] : files) manifest.files.push_back(Describe(path, bytes, piece_bytes));
  manifest.content_sha256 = ContentSha256(manifest.files);
  return manifest;
}

void FakeCheckpoint::Serve(FakeMethods* methods) const {
  methods->get_manifest = [this](const v1::GetManifestRequest&, v1::Manifest* manifest) {
    *manifest = ManifestMessage(ManifestToJson(Manifest()));
    return grpc::Status::OK;
  };
  methods->read_file = [this](const v1::ReadFileRequest& request, const auto& send) -> grpc::Status {
    const std::string& bytes = files.at(request.path());
    for (auto offset = request.offset(); offset < static_cast<int64_t>(bytes.size()); offset += message_bytes) {
      v1::ReadFileResponse response;
      response.set_offset(offset);
      response.set_data(bytes.substr(static_cast<size_t>(offset), static_cast<size_t>(message_bytes)));
      if (on_message && !on_message(request, &response)) return {grpc::StatusCode::UNAVAILABLE, "cut"};
      if (!send(response)) return grpc::Status::CANCELLED;
    }
    v1::ReadFileResponse tail;
    tail.mutable_tail()->set_total_size(static_cast<int64_t>(bytes.size()));
    tail.mutable_tail()->set_sha256(Sha256Of(bytes));
    send(tail);
    return grpc::Status::OK;
  };
}

std::string SomeBytes(size_t count, unsigned seed) {
  std::minstd_rand random(seed);
  std::string bytes(count, '\0');
  std::generate(bytes.begin(), bytes.end(), [&random] { return static_cast<char>(random() >> 8U); });
  return bytes;
}

v1::Manifest ManifestMessage(const std::string& json) {
  v1::Manifest manifest;
  manifest.set_json(json);
  manifest.set_sha256(Sha256Of(json));
  return manifest;
}

void ShowSuccess(v1::Job* job) {
  if (job->spec().has_generate()) {
    job->mutable_result()->mutable_generation()->set_text("and so on");
  } else if (job->spec().has_evaluate()) {
    job->mutable_result()->mutable_quality()->set_perplexity(24.5);
  }
  v1::CheckpointRef* checkpoint = job->add_checkpoints();
  checkpoint->set_name(job->name() + "/checkpoints/0");
  checkpoint->set_bytes(2502);
  checkpoint->set_bits_per_weight(4.25);
  checkpoint->mutable_quality()->set_perplexity(24.25);
}

}  // namespace pivot::client
