// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/hub_settings.h"

#include <map>

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::hub {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<HubSettings> SettingsOf(std::map<std::string, std::string> variables) {
  variables.insert({"HOME", "/home/somebody"});
  return SettingsFrom([&variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(HubSettingsTest, HasDefaults) {
  ASSERT_OK_AND_ASSIGN(const HubSettings settings, SettingsOf({}));
  EXPECT_EQ(settings.endpoint, "https://huggingface.co");
  EXPECT_EQ(settings.cache, "/home/somebody/.cache/huggingface/hub");
  EXPECT_EQ(settings.token, "");
  EXPECT_EQ(settings.network, Network::kAllowed);
}

TEST(HubSettingsTest, CacheIsNamedByTheNearestVariable) {
  const std::map<std::string, std::string> all = {
      {"HF_HUB_CACHE", "~/a"}, {"HUGGINGFACE_HUB_CACHE", "/b/"}, {"HF_HOME", "/c"}, {"XDG_CACHE_HOME", "/d"}};
  std::map<std::string, std::string> left = all;
  for (const auto& [name, cache] : {std::pair{"HF_HUB_CACHE", "/home/somebody/a"},
                                    {"HUGGINGFACE_HUB_CACHE", "/b"},
                                    {"HF_HOME", "/c/hub"},
                                    {"XDG_CACHE_HOME", "/d/huggingface/hub"}}) {
    ASSERT_OK_AND_ASSIGN(const HubSettings settings, SettingsOf(left));
    EXPECT_EQ(settings.cache, cache);
    left.erase(name);
  }
}

TEST(HubSettingsTest, TokenOfTheVariableComesBeforeTheFile) {
  const TemporaryFolder folder;
  folder.Write("token", "hf_file\n");
  ASSERT_OK_AND_ASSIGN(const HubSettings both, SettingsOf({{"HF_HOME", folder.path()}, {"HF_TOKEN", " hf_variable "}}));
  EXPECT_EQ(both.token, "hf_variable");
  EXPECT_EQ(both.token_source, "HF_TOKEN");
  ASSERT_OK_AND_ASSIGN(const HubSettings file, SettingsOf({{"HF_HOME", folder.path()}}));
  EXPECT_EQ(file.token, "hf_file");
  EXPECT_EQ(file.token_source, folder / "token");
  ASSERT_OK_AND_ASSIGN(const HubSettings none,
                       SettingsOf({{"HF_HOME", folder.path()}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}}));
  EXPECT_EQ(none.token, "");
}

TEST(HubSettingsTest, OfflineIsSaidInManyWays) {
  for (const char* yes : {"1", "true", "YES", "On"}) {
    ASSERT_OK_AND_ASSIGN(const HubSettings settings, SettingsOf({{"HF_HUB_OFFLINE", yes}}));
    EXPECT_EQ(settings.network, Network::kOffline) << yes;
  }
  ASSERT_OK_AND_ASSIGN(const HubSettings other, SettingsOf({{"TRANSFORMERS_OFFLINE", "1"}}));
  EXPECT_EQ(other.network, Network::kOffline);
  ASSERT_OK_AND_ASSIGN(const HubSettings no, SettingsOf({{"HF_HUB_OFFLINE", "0"}}));
  EXPECT_EQ(no.network, Network::kAllowed);
}

TEST(HubSettingsTest, NamesTheVariableThatMakesNoSense) {
  for (const auto& [name, value] : {std::pair{"HF_ENDPOINT", "gopher://x"},
                                    {"HF_ENDPOINT", "https://a:b@c"},
                                    {"HF_HUB_DOWNLOAD_TIMEOUT", "0"},
                                    {"HF_HUB_DOWNLOAD_TIMEOUT", "soon"},
                                    {"HF_TOKEN", "a\r\nX-Evil: 1"}}) {
    const auto settings = SettingsOf({{name, value}});
    EXPECT_THAT(settings, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
    EXPECT_EQ(ReasonOf(settings.status()), "INVALID_HUB_SETTING");
    EXPECT_THAT(std::string(settings.status().message()), ::testing::Not(HasSubstr("X-Evil")));
  }
}

}  // namespace
}  // namespace pivot::hub
