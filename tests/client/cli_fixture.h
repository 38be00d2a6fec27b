// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_CLIENT_CLI_FIXTURE_H_
#define PIVOT_TESTS_CLIENT_CLI_FIXTURE_H_

// Runs commands in this process and keeps what they wrote.

#include <cstdlib>
#include <sstream>
#include <stop_token>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "client/cli.h"
#include "tests/support/temporary_folder.h"

namespace pivot::client {

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    unsetenv("PIVOT_SERVER");
    model_ = folder_ / "model";
    folder_.Write("model/config.json", "{}");
  }

  ExitCode Run(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    const ExitCode code =
        RunCli(arguments, {.out = &out, .err = &err, .program_folder = folder_ / "bin", .catch_interrupts = [this] {
                             return interrupt_.get_token();
                           }});
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  /// Standard output as one JSON object a line.
  std::vector<nlohmann::json> Lines() const {
    std::vector<nlohmann::json> lines;
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(out_, '\n', absl::SkipEmpty()))) {
      lines.push_back(nlohmann::json::parse(line, nullptr, false));
      EXPECT_EQ(lines.back().value("schema", 0), 1) << line;
    }
    return lines;
  }

  /// A companion program, as a shell script.
  void WriteProgram(const std::string& name, const std::string& script) {
    chmod(folder_.Write("bin/" + name, "#!/bin/sh\n" + script).c_str(), 0755);
  }

  TemporaryFolder folder_;
  std::string model_;
  std::stop_source interrupt_;
  std::string out_;
  std::string err_;
};

}  // namespace pivot::client

#endif  // PIVOT_TESTS_CLIENT_CLI_FIXTURE_H_
