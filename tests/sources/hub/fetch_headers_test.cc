// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/fetch_headers.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "proto/status/reason.h"
#include "tests/sources/http/loopback_server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::hub {
namespace {

/// A file of safetensors with a header of this length, and tensors of ones behind it.
std::string MakeFile(size_t header_bytes, size_t tensor_bytes) {
  std::string file(8, '\0');
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>((header_bytes >> (8 * i)) & 0xff);
  return file + std::string(header_bytes, 'h') + std::string(tensor_bytes, '\1');
}

class FetchHeadersTest : public ::testing::Test {
 protected:
  absl::StatusOr<int64_t> Fetch(std::map<std::string, std::string> files) {
    http::LoopbackServer server([&files](const http::LoopbackRequest& request) {
      return http::FileReply(request, files[request.path.substr(request.path.rfind('/') + 1)]);
    });
    const HubSettings settings{.endpoint = server.address()};
    HubClient client(settings, {});
    HeadersRequest request{.name = {.repo = "a/b"}, .commit = std::string(40, 'c'), .folder = folder_.path()};
    for (const auto& [path, content] : files) {
      request.weights.push_back({.path = path, .etag = "", .bytes = static_cast<int64_t>(content.size())});
    }
    return FetchHeaders(request, &client);
  }

  std::string Content(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryFolder folder_;
};

TEST_F(FetchHeadersTest, KeepsSizeAndHeader) {
  const std::string small = MakeFile(1000, 4'000'000);
  const std::string large = MakeFile(700'000, 5000);
  ASSERT_OK_AND_ASSIGN(const int64_t bytes, Fetch({{"small", small}, {"large", large}}));
  EXPECT_LT(bytes, 1'500'000);
  EXPECT_EQ(Content("small"), small.substr(0, 1008) + std::string(4'000'000, '\0'));
  EXPECT_EQ(Content("large"), large.substr(0, 700'008) + std::string(5000, '\0'));
}

TEST_F(FetchHeadersTest, RefusesWhatIsNoSafetensors) {
  for (const std::string& file : {std::string("short"), MakeFile(1, 0).substr(0, 8), std::string(5000, '\xff')}) {
    EXPECT_EQ(ReasonOf(Fetch({{"x", file}}).status()), "MALFORMED_WEIGHTS");
  }
}

}  // namespace
}  // namespace pivot::hub
