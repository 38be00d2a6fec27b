// SPDX-License-Identifier: Apache-2.0
#include "sources/http/url.h"

#include "tests/support/status_matchers.h"

namespace pivot::http {
namespace {

TEST(UrlTest, TakesWebAddresses) {
  EXPECT_OK(CheckUrl("https://huggingface.co"));
  EXPECT_OK(CheckUrl("http://127.0.0.1:8080/prefix"));
  for (const char* url : {"", "huggingface.co", "ftp://host", "file:///etc/passwd", "https://", "https://u:p@host"}) {
    EXPECT_FALSE(CheckUrl(url).ok()) << url;
  }
}

TEST(UrlTest, OriginIsSchemeHostAndPort) {
  EXPECT_TRUE(HaveSameOrigin("https://a.b/x", "https://A.B:443/y?z"));
  EXPECT_FALSE(HaveSameOrigin("https://a.b/x", "http://a.b/x"));
  EXPECT_FALSE(HaveSameOrigin("https://a.b/x", "https://a.b:444/x"));
  EXPECT_FALSE(HaveSameOrigin("https://a.b/x", "https://a.b.c/x"));
  EXPECT_FALSE(HaveSameOrigin("https://a.b", "https://a.b@evil.example/"));
  EXPECT_FALSE(HaveSameOrigin("nonsense", "nonsense"));
}

TEST(UrlTest, FollowsRedirects) {
  ASSERT_OK_AND_ASSIGN(const std::string relative, FollowLocation("https://a.b/c/d?e", "/x?y"));
  EXPECT_EQ(relative, "https://a.b/x?y");
  ASSERT_OK_AND_ASSIGN(const std::string absolute, FollowLocation("http://a.b/c", "https://d.e/f"));
  EXPECT_EQ(absolute, "https://d.e/f");
  EXPECT_FALSE(FollowLocation("https://a.b/c", "http://a.b/c").ok()) << "leaves https";
  EXPECT_FALSE(FollowLocation("http://a.b/c", "file:///etc/passwd").ok());
}

TEST(UrlTest, EscapesAllButPlainCharacters) {
  EXPECT_EQ(Escape("a/b c%?#~"), "a%2Fb%20c%25%3F%23~");
  EXPECT_EQ(Escape("a/b c", "/"), "a/b%20c");
}

TEST(UrlTest, HostHasNoSecrets) {
  EXPECT_EQ(HostOf("https://cdn.x:8443/file?signature=secret"), "cdn.x:8443");
  EXPECT_EQ(HostOf("https://cdn.x/file"), "cdn.x");
}

}  // namespace
}  // namespace pivot::http
