// SPDX-License-Identifier: Apache-2.0
#include "proto/worker/frame.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

TEST(FrameTest, PutsItsHeaderInLittleEndian) {
  const std::string datagram = EncodeFrame(FrameType::kPivotStaged, 0x0102030405060708, R"({"a":1})");
  const std::string expected("\x01\x00\x6C\x00\x00\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01{\"a\":1}", 23);
  EXPECT_EQ(datagram, expected);
}

TEST(FrameTest, DecodesWhatItEncodes) {
  ASSERT_OK_AND_ASSIGN(const Frame frame,
                       DecodeFrame(EncodeFrame(FrameType::kHeartbeat, uint64_t{1} << 63, R"({"phase":3})")));
  EXPECT_EQ(frame.type, FrameType::kHeartbeat);
  EXPECT_EQ(frame.seq, uint64_t{1} << 63);
  EXPECT_EQ(frame.payload, R"({"phase":3})");
  EXPECT_EQ(frame.fd, -1);
}

TEST(FrameTest, NumbersItsTypesAsTheSpecificationDoes) {
  EXPECT_EQ(static_cast<int>(FrameType::kStart), 1);
  EXPECT_EQ(static_cast<int>(FrameType::kCancel), 2);
  EXPECT_EQ(static_cast<int>(FrameType::kPublished), 3);
  EXPECT_EQ(static_cast<int>(FrameType::kRefused), 4);
  EXPECT_EQ(static_cast<int>(FrameType::kHello), 101);
  EXPECT_EQ(static_cast<int>(FrameType::kStageStarted), 102);
  EXPECT_EQ(static_cast<int>(FrameType::kProgress), 103);
  EXPECT_EQ(static_cast<int>(FrameType::kBlockDone), 104);
  EXPECT_EQ(static_cast<int>(FrameType::kStageDone), 105);
  EXPECT_EQ(static_cast<int>(FrameType::kQualityMeasured), 106);
  EXPECT_EQ(static_cast<int>(FrameType::kWarning), 107);
  EXPECT_EQ(static_cast<int>(FrameType::kPivotStaged), 108);
  EXPECT_EQ(static_cast<int>(FrameType::kHeartbeat), 109);
  EXPECT_EQ(static_cast<int>(FrameType::kDone), 110);
  EXPECT_EQ(static_cast<int>(FrameType::kError), 111);
}

TEST(FrameTest, RefusesWhatIsShorterThanAHeader) {
  const std::string whole = EncodeFrame(FrameType::kHello, 1, "{}");
  for (size_t size = 0; size < kFrameHeaderBytes; ++size) {
    EXPECT_THAT(DecodeFrame(absl::string_view(whole).substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shorter")))
        << size << " bytes";
  }
}

TEST(FrameTest, RefusesAnotherVersion) {
  std::string datagram = EncodeFrame(FrameType::kHello, 1, "{}");
  datagram[0] = 2;
  EXPECT_THAT(DecodeFrame(datagram), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("version 2")));
  datagram[0] = 1;
  datagram[1] = 1;
  EXPECT_THAT(DecodeFrame(datagram), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("version 257")));
}

TEST(FrameTest, RefusesAPayloadThatIsNotAnObject) {
  for (const char* payload :
       {"", " ", "[]", "1", "null", "true", "\"a\"", "{", "{}{}", "{}x", "{\"a\":}", "{\"a\":\"\xFF\"}"}) {
    EXPECT_THAT(DecodeFrame(EncodeFrame(FrameType::kHello, 1, payload)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a JSON object")))
        << payload;
  }
}

TEST(FrameTest, SurvivesAPayloadOfBracketsAlone) {
  EXPECT_THAT(DecodeFrame(EncodeFrame(FrameType::kHello, 1, std::string(kMaxFrameBytes - kFrameHeaderBytes, '['))),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a JSON object")));
}

TEST(FrameTest, LeavesTypesAndFlagsThatItDoesNotKnowToTheReader) {
  std::string datagram = EncodeFrame(static_cast<FrameType>(0xFFFE), 1, "{}");
  datagram[4] = 1;
  ASSERT_OK_AND_ASSIGN(const Frame frame, DecodeFrame(datagram));
  EXPECT_EQ(static_cast<int>(frame.type), 0xFFFE);
}

}  // namespace
}  // namespace pivot
