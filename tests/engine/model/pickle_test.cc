// SPDX-License-Identifier: Apache-2.0
#include "engine/model/pickle.h"

#include <string>

#include "gtest/gtest.h"

#include "tests/engine/model/raw_safetensors.h"

namespace pivot {
namespace {

/// A zip archive's first file: header, name, no content.
std::string Zip(const std::string& name) {
  std::string header = "PK\x03\x04";
  header.resize(26, '\0');
  header.push_back(static_cast<char>(name.size()));
  header.resize(30, '\0');
  return header + name;
}

TEST(PickleTest, IsKnownByItsName) {
  for (const char* name : {"pytorch_model.bin", "a.PT", "x.pth", "last.ckpt", "a.pkl", "a.Pickle"})
    EXPECT_TRUE(HasPickleName(name)) << name;
  for (const char* name : {"model.safetensors", "bin", "a.bin.json", "a.gguf"})
    EXPECT_FALSE(HasPickleName(name)) << name;
}

TEST(PickleTest, IsKnownByItsFirstBytes) {
  EXPECT_EQ(PickleKind("\x80\x02}q"), "a pickle");
  EXPECT_EQ(PickleKind("\x80\x05"), "a pickle");
  EXPECT_EQ(PickleKind("\x80\x06"), "") << "no such protocol";
  EXPECT_EQ(PickleKind(""), "");
  EXPECT_EQ(PickleKind(SmallSafetensors()), "");
}

TEST(PickleTest, IsFoundInZipArchives) {
  EXPECT_EQ(PickleKind(Zip("archive/data.pkl")), "a zip archive that holds the pickle archive/data.pkl");
  EXPECT_EQ(PickleKind(Zip("archive/version") + "PK\x01\x02\x01" + "archive/data.pkl" + "PK\x05\x06"),
            "a zip archive that holds the pickle archive/data.pkl");
  EXPECT_EQ(PickleKind(Zip("notes.txt")), "a zip archive");
  EXPECT_EQ(PickleKind("PK\x05\x06"), "a zip archive");
}

TEST(PickleTest, IsNotSeenInAHeaderThatBeginsAlike) {
  EXPECT_EQ(PickleKind(RawSafetensors("{}" + std::string(0x0280 - 2, ' '))), "");
}

}  // namespace
}  // namespace pivot
