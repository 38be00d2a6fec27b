// SPDX-License-Identifier: Apache-2.0
// Every PIVOT_CRASH_POINT of the sources kills a server, PIVOT_TORTURE_FIRINGS times.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/torture/course.h"
#include "tests/torture/rounds.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr int kThreads = 4;  // a course waits more than it works
constexpr int kMaxCount = 3;

std::set<std::string> Matches(const std::string& text, const std::string& pattern) {
  std::set<std::string> found;
  const std::regex regex(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match)
    found.insert((*match)[1]);
  return found;
}

std::string AllSources() {
  std::string text;
  for (const char* folder : {"/server", "/proto"}) {
    for (const auto& entry : fs::recursive_directory_iterator(PIVOT_SOURCE_DIR + std::string(folder))) {
      if (entry.path().extension() != ".cc") continue;
      std::ifstream file(entry.path());
      text.append(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  return text;
}

/// A point that stands for several has the kinds of the store's transactions.
std::vector<std::string> FindCrashPoints() {
  const std::string text = AllSources();
  std::set<std::string> names = Matches(text, R"re(PIVOT_CRASH_POINT\("([^"]+)"\))re");
  for (const std::string& name : Matches(text, R"re(PIVOT_CRASH_POINT_OF\("([^"]+)", [a-z>-]+\))re")) {
    for (const std::string& kind : Matches(text, R"re(\bWrite\(\s*"([a-z_]+)",)re"))
      names.insert(absl::StrCat(name, ".", kind));
  }
  return {names.begin(), names.end()};
}

/// One course that ends at the point, and a look at what is left. False when the point was not reached so often.
bool Fire(const std::string& point, int count, uint64_t seed) {
  Course course(seed);
  if (absl::StartsWith(point, "migrate.")) {
    course.LeaveOldDatabase();
  } else {
    course.LeaveThingsBehind();
  }
  if (absl::StartsWith(point, "log.")) course.LetWorkersWriteMuch();
  const bool fired = course.Run({absl::StrCat("PIVOT_CRASH_POINT=", point, ":", count)});
  if (fired || count == 1) course.CheckWhatIsLeft();
  return fired;
}

void FireOften(const std::string& point, int firings, uint64_t seed) {
  SCOPED_TRACE(point);
  std::mt19937_64 random(seed);
  for (int i = 0; i < firings && !::testing::Test::HasFailure(); ++i) {
    // The first time that it is reached, or a later one.
    const int count = i == 0 ? 1 : 1 + static_cast<int>(random() % kMaxCount);
    const bool fired = Fire(point, count, random()) || (count > 1 && Fire(point, 1, random()));
    EXPECT_TRUE(fired) << point << " is never reached";
  }
}

TEST(CrashPointsTest, AServerThatDiesAtAnyOfThemGoesOn) {
  const std::vector<std::string> points = FindCrashPoints();
  EXPECT_THAT(points, ::testing::SizeIs(::testing::Ge(40)));
  const int firings = Rounds("PIVOT_TORTURE_FIRINGS", 1);
  const uint64_t seed = Seed();
  std::mutex mutex;
  size_t next = 0;
  const auto work = [&] {
    while (true) {
      size_t mine = 0;
      {
        const std::lock_guard lock(mutex);
        if (next == points.size() || ::testing::Test::HasFailure()) return;
        mine = next++;
      }
      FireOften(points[mine], firings, seed + mine);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  std::cout << points.size() << " crash points, each fired " << firings << " times\n";
}

}  // namespace
}  // namespace pivot
