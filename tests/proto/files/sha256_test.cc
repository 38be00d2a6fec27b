// SPDX-License-Identifier: Apache-2.0
#include "proto/files/sha256.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

// FIPS 180-2, appendix B.
constexpr char kOfNothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kOfAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kOfMillion[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256Test, HasTheStandardsValues) {
  EXPECT_EQ(Sha256Of(""), kOfNothing);
  EXPECT_EQ(Sha256Of("abc"), kOfAbc);
  EXPECT_EQ(Sha256Of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Of(std::string(1'000'000, 'a')), kOfMillion);
}

TEST(Sha256Test, DoesNotDependOnHowTheBytesArrive) {
  Sha256 hash;
  hash.Update("a");
  hash.Update("");
  hash.Update("bc", 2);
  EXPECT_EQ(hash.Finish(), kOfAbc);
}

TEST(Sha256Test, StartsOverAfterItsResult) {
  Sha256 hash;
  hash.Update("something else");
  hash.Finish();
  hash.Update("abc");
  EXPECT_EQ(hash.Finish(), kOfAbc);
  EXPECT_EQ(hash.Finish(), kOfNothing);
}

TEST(Sha256Test, TakesItsStateAlongWhenItIsMoved) {
  Sha256 first;
  first.Update("ab");
  Sha256 second = std::move(first);
  second.Update("c");
  EXPECT_EQ(second.Finish(), kOfAbc);
}

TEST(Sha256Test, ReadsWholeFiles) {
  const TemporaryFolder folder;
  // More than the buffer holds.
  EXPECT_EQ(*Sha256OfFile(folder.Write("big", std::string(3'000'001, 'x'))), Sha256Of(std::string(3'000'001, 'x')));
  EXPECT_EQ(*Sha256OfFile(folder.Write("empty", "")), kOfNothing);
}

TEST(Sha256Test, NamesTheFileThatItCannotRead) {
  const TemporaryFolder folder;
  EXPECT_THAT(Sha256OfFile(folder / "nowhere"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("nowhere")));
  EXPECT_THAT(Sha256OfFile(folder.path()), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(folder.path())));
}

}  // namespace
}  // namespace pivot
