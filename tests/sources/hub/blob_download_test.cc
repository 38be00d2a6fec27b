// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/blob_download.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "tests/sources/http/loopback_server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::hub {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kPieceBytes = 10'000;
constexpr size_t kFileBytes = 95'003;
const std::string kCommit(40, 'c');

/// No two of its parts are equal.
std::string MakeFile() {
  std::string file;
  for (int i = 0; file.size() < kFileBytes; ++i) absl::StrAppend(&file, i, ",");
  file.resize(kFileBytes);
  return file;
}

class BlobDownloadTest : public ::testing::Test {
 protected:
  void Serve(http::LoopbackServer::Handler handler) {
    server_ = std::make_unique<http::LoopbackServer>(std::move(handler));
    settings_.endpoint = server_->address();
    settings_.token = "hf_secret";
    settings_.retry.first = absl::Milliseconds(1);
    settings_.retry.longest = absl::Milliseconds(5);
    client_ = std::make_unique<HubClient>(settings_, Hooks{.note = [this](const std::string& note) { notes_ += note; },
                                                           .is_stopped = [this] { return is_stopped_; }});
  }

  absl::Status Run(const std::string& etag = "") {
    const RemoteFile remote{.name = {.repo = "org/name"},
                            .commit = kCommit,
                            .file = {.path = "model.safetensors",
                                     .etag = etag.empty() ? Sha256Of(file_) : etag,
                                     .bytes = static_cast<int64_t>(file_.size())}};
    told_ = 0;
    BlobDownload download(client_.get(), remote, path_, [this](int64_t bytes, Origin) { told_ += bytes; });
    return download.Run({.connections = 3, .piece_bytes = kPieceBytes});
  }

  std::string Content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void ExpectWhole() {
    EXPECT_TRUE(Content() == file_) << "the file has other bytes";
    EXPECT_EQ(told_, static_cast<int64_t>(file_.size()));
  }

  std::string file_ = MakeFile();
  TemporaryFolder folder_;
  const std::string path_ = folder_ / "blob.incomplete";
  HubSettings settings_;
  std::unique_ptr<http::LoopbackServer> server_;
  std::unique_ptr<HubClient> client_;
  std::string notes_;
  bool is_stopped_ = false;
  int64_t told_ = 0;
};

TEST_F(BlobDownloadTest, PutsPiecesInOrder) {
  Serve([this](const http::LoopbackRequest& request) { return http::FileReply(request, file_); });
  ASSERT_OK(Run());
  ExpectWhole();
  const auto requests = server_->requests();
  EXPECT_EQ(requests.size(), 10);
  EXPECT_EQ(requests[0].path, absl::StrCat("/org/name/resolve/", kCommit, "/model.safetensors"));
  EXPECT_EQ(requests[0].fields.at("authorization"), "Bearer hf_secret");
}

TEST_F(BlobDownloadTest, EmptyFilesNeedNoRequest) {
  Serve([](const http::LoopbackRequest&) { return http::Reply(500, {}, ""); });
  file_.clear();
  ASSERT_OK(Run());
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(BlobDownloadTest, GoesOnWhereTheFileEnds) {
  Serve([this](const http::LoopbackRequest& request) { return http::FileReply(request, file_); });
  folder_.Write("blob.incomplete", file_.substr(0, 90'000));
  ASSERT_OK(Run());
  ExpectWhole();
  ASSERT_EQ(server_->requests().size(), 1);
  EXPECT_EQ(server_->requests()[0].fields.at("range"), "bytes=90000-95002");
}

TEST_F(BlobDownloadTest, BeginsAgainAfterBytesThatDoNotFit) {
  Serve([this](const http::LoopbackRequest& request) { return http::FileReply(request, file_); });
  folder_.Write("blob.incomplete", std::string(50'000, '\0'));
  ASSERT_OK(Run());
  ExpectWhole();
  EXPECT_THAT(notes_, HasSubstr("anew"));
  folder_.Write("blob.incomplete", std::string(kFileBytes + 1, 'x'));
  ASSERT_OK(Run());
  ExpectWhole();
}

TEST_F(BlobDownloadTest, KeepsWhatCameBeforeACut) {
  Serve([this](const http::LoopbackRequest& request) {
    const std::string reply = http::FileReply(request, file_);
    return reply.substr(0, std::max(reply.size() - 4000, reply.find("\r\n\r\n") + 1004));
  });
  ASSERT_OK(Run());
  ExpectWhole();
}

TEST_F(BlobDownloadTest, GivesUpWhenNothingComes) {
  Serve([](const http::LoopbackRequest&) { return ""; });
  const absl::Status status = Run();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                               AllOf(HasSubstr("model.safetensors"), HasSubstr("0 of 95003 bytes are there"))));
  EXPECT_LE(server_->requests().size(), 3 * 7);
}

TEST_F(BlobDownloadTest, WaitsWhenAskedTo) {
  int count = 0;
  Serve([&](const http::LoopbackRequest& request) {
    if (++count <= 4) return http::Reply(count % 2 == 0 ? 503 : 429, {}, "slow down");
    return http::FileReply(request, file_);
  });
  ASSERT_OK(Run());
  ExpectWhole();
}

TEST_F(BlobDownloadTest, DoesNotWaitForEver) {
  Serve([](const http::LoopbackRequest&) { return http::Reply(429, {{"Retry-After", "4000"}}, ""); });
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("asks to wait 1h6m40s")));
}

TEST_F(BlobDownloadTest, TokenStaysWithTheHub) {
  http::LoopbackServer other([this](const http::LoopbackRequest& request) { return http::FileReply(request, file_); });
  Serve([&other](const http::LoopbackRequest&) {
    return http::Reply(302, {{"Location", other.address() + "/blob?signature=secret"}}, "");
  });
  ASSERT_OK(Run());
  ExpectWhole();
  for (const auto& request : other.requests()) EXPECT_FALSE(request.fields.contains("authorization"));
  EXPECT_LE(server_->requests().size(), 3) << "the redirect is remembered";
}

TEST_F(BlobDownloadTest, AsksAnewWhenASignedAddressHasRunOut) {
  int refusals = 2;
  http::LoopbackServer other([&](const http::LoopbackRequest& request) {
    return refusals-- > 0 ? http::Reply(403, {}, "expired") : http::FileReply(request, file_);
  });
  Serve([&other](const http::LoopbackRequest&) {
    return http::Reply(302, {{"Location", other.address() + "/blob?signature=secret"}}, "");
  });
  ASSERT_OK(Run());
  ExpectWhole();
}

TEST_F(BlobDownloadTest, CirclesOfRedirectsEnd) {
  Serve([](const http::LoopbackRequest& request) { return http::Reply(302, {{"Location", request.path}}, ""); });
  EXPECT_EQ(ReasonOf(Run()), "HUB_ANSWER_INVALID");
}

TEST_F(BlobDownloadTest, TakesWholeFilesFromServersWithoutRanges) {
  Serve([this](const http::LoopbackRequest&) { return http::Reply(200, {}, file_); });
  folder_.Write("blob.incomplete", file_.substr(0, 12'345));
  ASSERT_OK(Run());
  ExpectWhole();
}

TEST_F(BlobDownloadTest, NamesTheHashThatDiffers) {
  Serve([this](const http::LoopbackRequest& request) { return http::FileReply(request, file_); });
  const std::string promised(64, '0');
  const absl::Status status = Run(promised);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("model.safetensors"), HasSubstr(promised),
                                                                  HasSubstr(Sha256Of(file_)), HasSubstr("SHA-256"))));
  EXPECT_EQ(ReasonOf(status), "DOWNLOAD_MISMATCH");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(BlobDownloadTest, NamesTheLengthThatDiffers) {
  Serve([this](const http::LoopbackRequest& request) { return http::FileReply(request, file_ + "more"); });
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("95007 bytes, the hub's list says 95003")));
  Serve([this](const http::LoopbackRequest&) { return http::Reply(200, {}, file_.substr(1)); });
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("95002 bytes, the hub's list says 95003")));
}

TEST_F(BlobDownloadTest, RefusesAnotherPartThanItAskedFor) {
  Serve([](const http::LoopbackRequest&) { return http::Reply(206, {{"Content-Range", "bytes 5-9/95003"}}, "12345"); });
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sends from byte 5")));
  Serve([](const http::LoopbackRequest&) { return http::Reply(206, {}, "12345"); });
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("which part")));
  Serve([this](const http::LoopbackRequest& request) {
    std::string reply = http::FileReply(request, file_);
    return absl::StrCat(reply.substr(0, reply.find("Content-Length")), "\r\n", reply.substr(reply.find("\r\n\r\n") + 4),
                        "a few bytes more");
  });
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sends more than")));
}

TEST_F(BlobDownloadTest, PassesOnRefusals) {
  Serve([](const http::LoopbackRequest&) { return http::Reply(403, {{"X-Error-Code", "GatedRepo"}}, ""); });
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("gated")));
  Serve([](const http::LoopbackRequest&) { return http::Reply(416, {}, ""); });
  EXPECT_EQ(ReasonOf(Run()), "DOWNLOAD_MISMATCH");
}

TEST_F(BlobDownloadTest, StopsWhenToldTo) {
  Serve([this](const http::LoopbackRequest& request) {
    is_stopped_ = true;
    return http::FileReply(request, file_);
  });
  EXPECT_EQ(Run().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(absl::StartsWith(file_, Content()));
}

}  // namespace
}  // namespace pivot::hub
