// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/hub_client.h"

#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"
#include "tests/sources/http/loopback_server.h"
#include "tests/support/status_matchers.h"

namespace pivot::hub {
namespace {

using ::testing::HasSubstr;

const std::string kCommit(40, 'c');
const std::string kSha256(64, 'b');

std::string EmptyListing() { return absl::StrCat(R"({"sha": ")", kCommit, R"(", "siblings": []})"); }

class HubClientTest : public ::testing::Test {
 protected:
  HubClient& Serve(http::LoopbackServer::Handler handler) {
    server_ = std::make_unique<http::LoopbackServer>(std::move(handler));
    settings_.endpoint = server_->address() + "/prefix";
    settings_.retry.first = absl::Milliseconds(1);
    settings_.retry.longest = absl::Milliseconds(5);
    client_ = std::make_unique<HubClient>(settings_, Hooks{});
    return *client_;
  }

  HubSettings settings_;
  std::unique_ptr<http::LoopbackServer> server_;
  std::unique_ptr<HubClient> client_;
};

TEST_F(HubClientTest, AsksForTheRevision) {
  ASSERT_OK_AND_ASSIGN(const HubListing listing, Serve([](const http::LoopbackRequest&) {
                                                   return http::Reply(200, {}, EmptyListing());
                                                 }).List({.repo = "a/b", .revision = "x/y"}));
  EXPECT_EQ(listing.commit, kCommit);
  EXPECT_EQ(server_->requests()[0].path, "/prefix/api/models/a/b/revision/x%2Fy?blobs=true");
  EXPECT_FALSE(server_->requests()[0].fields.contains("authorization"));
}

TEST_F(HubClientTest, TriesAgainAndGivesUp) {
  int count = 0;
  EXPECT_OK(Serve([&count](const http::LoopbackRequest&) {
              return ++count < 4 ? http::Reply(503, {}, "") : http::Reply(200, {}, EmptyListing());
            }).List({.repo = "a/b"}));
  const auto never = Serve([](const http::LoopbackRequest&) { return http::Reply(502, {}, ""); }).List({.repo = "a/b"});
  EXPECT_THAT(never, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("502")));
  const auto cut = Serve([](const http::LoopbackRequest&) { return ""; }).List({.repo = "a/b"});
  EXPECT_EQ(ReasonOf(cut.status()), "HUB_UNREACHABLE");
}

TEST_F(HubClientTest, TakesTheCommitItAskedForAndNoOther) {
  const auto listing = Serve([](const http::LoopbackRequest&) {
                         return http::Reply(200, {}, EmptyListing());
                       }).List({.repo = "a/b", .revision = std::string(40, 'd')});
  EXPECT_EQ(ReasonOf(listing.status()), "HUB_ANSWER_INVALID");
}

TEST_F(HubClientTest, FieldsOfTheRedirectDescribeTheFile) {
  HubClient& client = Serve([](const http::LoopbackRequest& request) {
    EXPECT_EQ(request.method, "HEAD");
    return http::Reply(302,
                       {{"X-Linked-Etag", absl::StrCat("\"", kSha256, "\"")},
                        {"X-Linked-Size", "77"},
                        {"Location", "http://elsewhere.invalid/x"}},
                       "");
  });
  ASSERT_OK_AND_ASSIGN(const CachedFile file, client.Describe({.repo = "a/b"}, kCommit, "m.safetensors"));
  EXPECT_EQ(file.etag, kSha256);
  EXPECT_EQ(file.bytes, 77);
  HubClient& sizeless = Serve([](const http::LoopbackRequest&) {
    return http::Reply(302, {{"X-Linked-Etag", kSha256}, {"Location", "http://elsewhere.invalid/x"}}, "moved");
  });
  EXPECT_EQ(ReasonOf(sizeless.Describe({.repo = "a/b"}, kCommit, "x").status()), "HUB_ANSWER_INVALID");
  const auto vague = Serve([](const http::LoopbackRequest&) {
                       return http::Reply(200, {{"ETag", "W/\"deadbeef\""}}, "");
                     }).Describe({.repo = "a/b"}, kCommit, "x");
  EXPECT_EQ(ReasonOf(vague.status()), "HUB_ANSWER_INVALID");
}

TEST_F(HubClientTest, ReadsTheBeginningOfAFile) {
  const std::string file = "0123456789";
  for (const bool knows_ranges : {true, false}) {
    HubClient& client = Serve([&](const http::LoopbackRequest& request) {
      return knows_ranges ? http::FileReply(request, file) : http::Reply(200, {}, file);
    });
    ASSERT_OK_AND_ASSIGN(const std::string begin, client.ReadBeginning({.repo = "a/b"}, kCommit, "x", 4));
    EXPECT_EQ(begin, "0123");
  }
  HubClient& short_client = Serve([&](const http::LoopbackRequest&) { return http::Reply(200, {}, file); });
  EXPECT_EQ(ReasonOf(short_client.ReadBeginning({.repo = "a/b"}, kCommit, "x", 11).status()), "HUB_ANSWER_INVALID");
}

TEST_F(HubClientTest, EscapesPaths) {
  HubClient& client = Serve([](const http::LoopbackRequest&) { return ""; });
  EXPECT_EQ(client.FileUrl({.repo = "a/b"}, kCommit, "d/e f?.gguf"),
            absl::StrCat(settings_.endpoint, "/a/b/resolve/", kCommit, "/d/e%20f%3F.gguf"));
}

TEST(RefusalTest, SaysWhatToDo) {
  struct Case {
    int status;
    const char* code;
    const char* token;
    absl::StatusCode expected;
    const char* phrase;
  };
  for (const Case& c : {
           Case{403, "GatedRepo", "", absl::StatusCode::kPermissionDenied, "accept its conditions at https://h/a/b"},
           Case{401, "GatedRepo", "hf_secret", absl::StatusCode::kPermissionDenied,
                "account of the token from HF_TOKEN"},
           Case{401, "RepoNotFound", "", absl::StatusCode::kNotFound, "give a token in HF_TOKEN"},
           Case{401, "", "hf_secret", absl::StatusCode::kPermissionDenied, "does not accept the token from HF_TOKEN"},
           Case{403, "", "", absl::StatusCode::kPermissionDenied, "without a token"},
           Case{404, "RepoNotFound", "hf_secret", absl::StatusCode::kNotFound, "check the name"},
           Case{404, "RevisionNotFound", "", absl::StatusCode::kNotFound, "no revision main"},
           Case{400, "", "", absl::StatusCode::kFailedPrecondition, "status 400"},
       }) {
    const HubSettings settings{.endpoint = "https://h", .cache = "", .token = c.token, .token_source = "HF_TOKEN"};
    const absl::Status status =
        RefusalOf({.status = c.status, .fields = {{"x-error-code", c.code}}}, {.repo = "a/b"}, settings);
    EXPECT_THAT(status, StatusIs(c.expected, HasSubstr(c.phrase))) << c.status << c.code;
    EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("hf_secret")));
  }
}

}  // namespace
}  // namespace pivot::hub
