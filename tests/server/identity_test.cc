// SPDX-License-Identifier: Apache-2.0
// Roles, the identity file, and who a caller is.
#include "server/identity/identity.h"

#include <string>
#include <sys/stat.h>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "server/identity/access.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr absl::string_view kExpiry = "2030-01-01T00:00:00Z";

json TokenEntry(const std::string& principal, const std::string& token, absl::string_view expires = kExpiry) {
  return {{"principal", principal}, {"sha256", Sha256Of(token)}, {"expires", std::string(expires)}};
}

json Binding(const std::string& principal, const std::string& project, const std::string& role) {
  return {{"principal", principal}, {"project", project}, {"role", role}};
}

std::string FileWith(const std::vector<json>& tokens, const std::vector<json>& bindings) {
  return json{{"schema", 1}, {"tokens", tokens}, {"bindings", bindings}}.dump();
}

Credentials Bearer(const std::string& token) {
  const std::string value = absl::StrCat("Bearer ", token);
  return FromAuthorization({value});
}

TEST(RoleTest, EachMayDoWhatThoseBeforeItMay) {
  const std::vector<std::vector<Reach>> table = {
      // read, create, steer, delete
      {Reach::kAll, Reach::kNone, Reach::kNone, Reach::kNone},
      {Reach::kAll, Reach::kAll, Reach::kOwn, Reach::kOwn},
      {Reach::kAll, Reach::kAll, Reach::kAll, Reach::kOwn},
      {Reach::kAll, Reach::kAll, Reach::kAll, Reach::kAll},
  };
  const std::vector<const char*> names = {"viewer", "submitter", "operator", "admin"};
  for (size_t role = 0; role < table.size(); ++role) {
    for (size_t verb = 0; verb < table[role].size(); ++verb) {
      EXPECT_EQ(ReachOf(ParseRole(names[role]).value(), static_cast<Verb>(verb)), table[role][verb])
          << names[role] << " " << VerbText(static_cast<Verb>(verb));
    }
  }
  EXPECT_FALSE(ParseRole("root").has_value());
}

TEST(RosterTest, KnowsTokensAndBindings) {
  ASSERT_OK_AND_ASSIGN(const Roster roster,
                       Roster::Parse(FileWith({TokenEntry("a", "t1"), TokenEntry("b", "t2", "never")},
                                              {Binding("a", "p", "operator"), Binding("*", "open", "viewer")}),
                                     "f"));
  EXPECT_EQ(roster.FindToken(Sha256Of("t1"))->principal, "a");
  EXPECT_EQ(roster.FindToken(Sha256Of("t2"))->expires, absl::InfiniteFuture());
  EXPECT_EQ(roster.FindToken(Sha256Of("t3")), nullptr);
  EXPECT_EQ(roster.FindToken("t1"), nullptr);
  EXPECT_EQ(roster.ReachIn("a", "p", Verb::kSteer), Reach::kAll);
  EXPECT_EQ(roster.ReachIn("a", "q", Verb::kRead), Reach::kNone);
  EXPECT_EQ(roster.ReachIn("a", "", Verb::kSteer), Reach::kAll) << "in some project";
  EXPECT_EQ(roster.ReachIn("stranger", "open", Verb::kRead), Reach::kAll);
  EXPECT_EQ(roster.ReachIn("stranger", "p", Verb::kRead), Reach::kNone);
}

TEST(RosterTest, NamesTheEntryAtFault) {
  const json good = TokenEntry("a", "t");
  const auto without = [&](const char* key) {
    json entry = good;
    entry.erase(key);
    return entry;
  };
  const auto with = [&](const char* key, const json& value) {
    json entry = good;
    entry[key] = value;
    return entry;
  };
  for (const json& bad : {without("expires"), with("expires", "2030-01-01"), with("expires", 5), without("sha256"),
                          with("sha256", "abc"), with("sha256", std::string(64, 'A')), with("principal", "local"),
                          with("principal", "a b"), with("principal", "*"), with("expire", "never"), json("text")}) {
    EXPECT_THAT(Roster::Parse(FileWith({TokenEntry("b", "x"), bad}, {}), "f"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f: tokens[1]")))
        << bad;
  }
  for (const json& bad : {Binding("a", "P", "viewer"), Binding("a", "p", "Viewer"), Binding("", "p", "viewer"),
                          json{{"principal", "a"}, {"role", "viewer"}}}) {
    EXPECT_THAT(Roster::Parse(FileWith({}, {bad}), "f"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f: bindings[0]")))
        << bad;
  }
  EXPECT_THAT(Roster::Parse(FileWith({good, good}, {}), "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
  for (const char* text :
       {"", "[]", "{}", R"({"schema": 2})", R"({"schema": 1, "token": []})", R"({"schema": 1, "tokens": {}})"}) {
    EXPECT_THAT(Roster::Parse(text, "f"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f"))) << text;
  }
}

class IdentityTest : public ::testing::Test {
 protected:
  void Write(const std::string& content, mode_t mode = 0600) {
    folder_.Write("identity.json", content);
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }
  absl::StatusOr<std::unique_ptr<Identity>> Load() {
    return Identity::Load(path_, [this] { return now_; });
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "identity.json";
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);  // 2027
};

TEST_F(IdentityTest, RefusesAFileThatOthersCanWrite) {
  for (const mode_t mode : {0620, 0602, 0666}) {
    Write(FileWith({}, {}), mode);
    EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("run chmod 06"))) << mode;
  }
  Write(FileWith({}, {}), 0644);
  EXPECT_OK(Load());
}

TEST_F(IdentityTest, NeedsItsFile) {
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path_)));
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a regular file")));
}

TEST_F(IdentityTest, AsksNobodyWithoutAFile) {
  ASSERT_OK_AND_ASSIGN(const auto identity, Identity::Load("", absl::Now));
  EXPECT_FALSE(identity->asks());
  EXPECT_EQ(identity->Identify({}).value(), kLocalPrincipal);
  EXPECT_EQ(identity->ReachIn(kLocalPrincipal, "p", Verb::kDelete), Reach::kAll);
}

TEST_F(IdentityTest, TellsMissingInvalidAndExpiredApart) {
  Write(FileWith({TokenEntry("a", "t")}, {}));
  ASSERT_OK_AND_ASSIGN(const auto identity, Load());
  const auto reason = [&](const Credentials& credentials) {
    const absl::Status status = identity->Identify(credentials).status();
    EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
    return ReasonOf(status);
  };
  EXPECT_EQ(identity->Identify(Bearer("t")).value(), "a");
  EXPECT_EQ(identity->Identify(FromAuthorization({"bearer t"})).value(), "a");
  EXPECT_EQ(reason({}), "CREDENTIAL_MISSING");
  EXPECT_EQ(reason(Bearer("u")), "CREDENTIAL_INVALID");
  EXPECT_EQ(reason(FromAuthorization({"Basic t"})), "CREDENTIAL_INVALID");
  EXPECT_EQ(reason(FromAuthorization({"Bearer"})), "CREDENTIAL_INVALID");
  EXPECT_EQ(reason(FromAuthorization({"Bearer t", "Bearer t"})), "CREDENTIAL_INVALID");
  EXPECT_EQ(reason({.has_certificate = true}), "CREDENTIAL_INVALID");
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, kExpiry, &now_, nullptr));
  EXPECT_EQ(reason(Bearer("t")), "CREDENTIAL_EXPIRED");
}

TEST_F(IdentityTest, TakesATokenBeforeACertificate) {
  Write(FileWith({TokenEntry("a", "t")}, {}));
  ASSERT_OK_AND_ASSIGN(const auto identity, Load());
  Credentials both = Bearer("t");
  both.has_certificate = true;
  both.certificate_names = {"uri:spiffe://x/y", "dns:x"};
  EXPECT_EQ(identity->Identify(both).value(), "a");
  both.token = Credentials::Token::kNone;
  EXPECT_EQ(identity->Identify(both).value(), "uri:spiffe://x/y");
  Credentials wrong = Bearer("u");
  wrong.certificate_names = both.certificate_names;
  EXPECT_FALSE(identity->Identify(wrong).ok()) << "a wrong token is not made good by a certificate";
}

TEST_F(IdentityTest, KeepsWhatItHasWhenTheNewFileIsBroken) {
  Write(FileWith({TokenEntry("a", "t")}, {}));
  ASSERT_OK_AND_ASSIGN(const auto identity, Load());
  Write("{");
  EXPECT_FALSE(identity->Reload().ok());
  EXPECT_EQ(identity->Identify(Bearer("t")).value(), "a");
  Write(FileWith({TokenEntry("b", "u")}, {}));
  ASSERT_OK(identity->Reload());
  EXPECT_FALSE(identity->Identify(Bearer("t")).ok());
  EXPECT_EQ(identity->Identify(Bearer("u")).value(), "b");
}

TEST_F(IdentityTest, AuthorizesByTheProjectInTheName) {
  Write(FileWith({TokenEntry("a", "t")}, {Binding("a", "p", "viewer")}));
  ASSERT_OK_AND_ASSIGN(const auto identity, Load());
  const auto ask = [&](Verb verb, absl::string_view resource) {
    return Authorize(*identity, Bearer("t"), verb, resource).status;
  };
  EXPECT_OK(ask(Verb::kRead, "projects/p"));
  EXPECT_OK(ask(Verb::kRead, "projects/p/jobs/j/checkpoints/0"));
  EXPECT_OK(ask(Verb::kRead, "nonsense")) << "the handler says what is wrong with the name";
  EXPECT_EQ(ReasonOf(ask(Verb::kCreate, "nonsense")), "ACCESS_DENIED");
  EXPECT_EQ(ReasonOf(ask(Verb::kRead, "projects/q")), "ACCESS_DENIED");
  EXPECT_EQ(ReasonOf(ask(Verb::kRead, "projects/q/jobs/j")), "ACCESS_DENIED");
  EXPECT_EQ(ReasonOf(ask(Verb::kSteer, "projects/p/jobs/j")), "ACCESS_DENIED");
}

TEST(AccessTest, OfASubmitterCountsWhoCreatedTheJob) {
  const Access own{.principal = "a", .verb = Verb::kSteer, .reach = Reach::kOwn};
  EXPECT_OK(CheckCreator(own, "a"));
  EXPECT_EQ(ReasonOf(CheckCreator(own, "b")), "ACCESS_DENIED");
  EXPECT_EQ(ReasonOf(CheckCreator(own, "")), "ACCESS_DENIED") << "of an earlier server";
  const Access all{.principal = "a", .verb = Verb::kSteer, .reach = Reach::kAll};
  EXPECT_OK(CheckCreator(all, "b"));
}

}  // namespace
}  // namespace pivot
