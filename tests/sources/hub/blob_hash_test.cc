// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/blob_hash.h"

#include "gtest/gtest.h"

namespace pivot::hub {
namespace {

const std::string kSha1Name(40, '0');
const std::string kSha256Name(64, '0');

TEST(BlobHashTest, IsGitsOfShortNames) {
  BlobHash empty(kSha1Name, 0);
  EXPECT_EQ(empty.Finish(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");  // git hash-object /dev/null
  BlobHash hash(kSha1Name, 6);
  hash.Update("hel");
  hash.Update("lo\n");
  EXPECT_EQ(hash.Finish(), "ce013625030ba8dba906f756967f9e9ca394464a");  // echo hello | git hash-object --stdin
}

TEST(BlobHashTest, IsSha256OfLongNames) {
  BlobHash hash(kSha256Name, 3);
  hash.Update("a");
  hash.Update("bc");
  EXPECT_EQ(hash.Finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-4
}

TEST(BlobHashTest, KnowsNamesOfBlobs) {
  EXPECT_TRUE(IsBlobName(kSha1Name));
  EXPECT_TRUE(IsBlobName(kSha256Name));
  EXPECT_FALSE(IsBlobName(""));
  EXPECT_FALSE(IsBlobName(std::string(40, 'A')));
  EXPECT_FALSE(IsBlobName(std::string(39, '0') + "/"));
  EXPECT_FALSE(IsBlobName(std::string(41, '0')));
}

}  // namespace
}  // namespace pivot::hub
