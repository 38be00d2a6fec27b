// SPDX-License-Identifier: Apache-2.0
#include "engine/model/mapped_changes.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <unistd.h>

#include "gtest/gtest.h"

#include "engine/model/mapped_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr int kNoChange = 3;
constexpr int kReported = 4;

/// A file of two pages, mapped; each test runs in a process of its own, since a change is remembered for ever.
class MappedChangesTest : public ::testing::Test {
 protected:
  MappedChangesTest() : path_(folder_.Write("weights", std::string(8192, 'x'))), file_(*MappedFile::Open(path_)) {
    // A process for each test: what has changed is remembered for ever, also what another test's child has changed.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }

  [[noreturn]] void ExitWithChange() {
    const absl::Status status = CheckMappedFiles();
    std::cerr << ReasonOf(status) << ": " << status.message() << std::endl;
    _exit(status.ok() ? kNoChange : kReported);
  }

  TemporaryFolder folder_;
  std::string path_;
  std::shared_ptr<MappedFile> file_;
};

using MappedChangesDeathTest = MappedChangesTest;

TEST_F(MappedChangesDeathTest, NothingIsSaidOfAFileThatStays) {
  EXPECT_EXIT(ExitWithChange(), ::testing::ExitedWithCode(kNoChange), "");
}

TEST_F(MappedChangesDeathTest, AFileThatIsWrittenToIsNamed) {
  const auto change = [this] {
    fs::last_write_time(path_, fs::last_write_time(path_) + std::chrono::seconds(1));
    ExitWithChange();
  };
  EXPECT_EXIT(change(), ::testing::ExitedWithCode(kReported), "SOURCE_CHANGED: .*weights changed while it was read");
}

TEST_F(MappedChangesDeathTest, AChangeIsRememberedWhenTheFileIsUnmapped) {
  const auto change = [this] {
    fs::resize_file(path_, 4096);
    file_.reset();
    fs::remove(path_);
    ExitWithChange();
  };
  EXPECT_EXIT(change(), ::testing::ExitedWithCode(kReported), "weights changed while it was read");
}

TEST_F(MappedChangesDeathTest, AnotherFileOfTheNameIsNoChange) {
  const auto change = [this] {
    fs::rename(folder_.Write("other", "y"), path_);
    ExitWithChange();
  };
  EXPECT_EXIT(change(), ::testing::ExitedWithCode(kNoChange), "");
}

TEST_F(MappedChangesDeathTest, MemoryThatIsGoneIsReportedAndNotFatal) {
  const auto read_behind_the_end = [this] {
    ReportBusErrors([](const absl::Status& status) {
      std::cerr << ReasonOf(status) << ": " << status.message() << std::endl;
      _exit(kReported);
    });
    fs::resize_file(path_, 100);
    volatile char byte = file_->bytes()[5000];
    std::cerr << "read " << byte << std::endl;
    _exit(kNoChange);
  };
  EXPECT_EXIT(read_behind_the_end(), ::testing::ExitedWithCode(kReported),
              "SOURCE_CHANGED: .*weights changed while it was read");
}

TEST_F(MappedChangesDeathTest, OtherBusErrorsAreFatal) {
  const auto raise_one = [] {
    ReportBusErrors([](const absl::Status&) { _exit(kReported); });
    raise(SIGBUS);
    raise(SIGBUS);
  };
  EXPECT_EXIT(raise_one(), ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace pivot
