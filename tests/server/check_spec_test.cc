// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/check_spec.h"

#include <limits>
#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

class CheckSpecTest : public ::testing::Test {
 protected:
  CheckSpecTest() { folder_.Write("text", "some text"); }

  /// The field at fault in a spec in text form, where $M is a model folder and $T a text.
  std::string Fault(const std::string& text) const {
    v1::JobSpec spec;
    const std::string full = absl::StrReplaceAll(
        text, {{"$M", "source { path: '" + folder_.path() + "' }"}, {"$T", "'" + folder_ / "text" + "'"}});
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(full, &spec)) << full;
    return FaultOf(spec);
  }

  std::string FaultOf(const v1::JobSpec& spec) const {
    const absl::Status status = CheckSpec(spec, *AllowedPaths::Make({folder_.path()}));
    if (status.ok()) return "";
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(FieldOf(status)));
    return FieldOf(status);
  }

  TemporaryFolder folder_;
};

TEST_F(CheckSpecTest, AcceptsDefaultsAndBounds) {
  EXPECT_EQ(Fault("compress { $M }"), "");
  EXPECT_EQ(Fault("compress { $M bits: 2 } priority: 100 device: 'cpu'"), "");
  EXPECT_EQ(Fault("compress { $M bits: 8 group_size: 64 quantize { percdamp: 1 qep_alpha: 0 } } device: 'auto'"), "");
  EXPECT_EQ(Fault("compress { $M calibration { text_path: $T } evaluation { skip: true } } device: 'cuda:12'"), "");
  EXPECT_EQ(Fault("evaluate { $M reference { path: '/' } }"), "job.spec.evaluate.reference.path");
  EXPECT_EQ(Fault("evaluate { $M tokens_path: $T }"), "");
  EXPECT_EQ(Fault("generate { $M prompt: 'x' max_tokens: 4096 }"), "");
}

TEST_F(CheckSpecTest, WantsExactlyOneTaskWithASource) {
  EXPECT_EQ(Fault(""), "job.spec");
  EXPECT_EQ(Fault("compress { }"), "job.spec.compress.source.path");
  EXPECT_EQ(Fault("evaluate { }"), "job.spec.evaluate.source.path");
  EXPECT_EQ(Fault("generate { prompt: 'x' }"), "job.spec.generate.source.path");
}

TEST_F(CheckSpecTest, NamesTheFieldThatIsOutOfRange) {
  for (const char* bits : {"1", "9", "8.5", "-4", "nan", "inf"}) {
    EXPECT_EQ(Fault(std::string("compress { $M bits: ") + bits + " }"), "job.spec.compress.bits") << bits;
  }
  EXPECT_EQ(Fault("compress { $M group_size: -2 }"), "job.spec.compress.group_size");
  EXPECT_EQ(Fault("compress { $M group_size: -1 }"), "");
  EXPECT_EQ(Fault("compress { $M quantize { percdamp: 0 } }"), "job.spec.compress.quantize.percdamp");
  EXPECT_EQ(Fault("compress { $M quantize { percdamp: 1.01 } }"), "job.spec.compress.quantize.percdamp");
  EXPECT_EQ(Fault("compress { $M quantize { percdamp: nan } }"), "job.spec.compress.quantize.percdamp");
  EXPECT_EQ(Fault("compress { $M quantize { qep_alpha: -0.1 } }"), "job.spec.compress.quantize.qep_alpha");
  EXPECT_EQ(Fault("compress { $M quantize { qep_residual: 1.1 } }"), "job.spec.compress.quantize.qep_residual");
  EXPECT_EQ(Fault("compress { $M quantize { qep_percdamp: 0 } }"), "job.spec.compress.quantize.qep_percdamp");
  EXPECT_EQ(Fault("compress { $M quantize { regularization: 101 } }"), "job.spec.compress.quantize.regularization");
  EXPECT_EQ(Fault("compress { $M quantize { refine_sweeps: -1 } }"), "job.spec.compress.quantize.refine_sweeps");
  EXPECT_EQ(Fault("compress { $M quantize { scale_signs: 7 } }"), "job.spec.compress.quantize.scale_signs");
  EXPECT_EQ(Fault("compress { $M calibration { num_samples: -1 } }"), "job.spec.compress.calibration.num_samples");
  EXPECT_EQ(Fault("compress { $M calibration { strategy: 99 } }"), "job.spec.compress.calibration.strategy");
  EXPECT_EQ(Fault("compress { $M calibration { strategy: SAMPLING_STRATEGY_DROP_HEAD quality_filter: true } }"), "");
  EXPECT_EQ(Fault("compress { $M calibration { sequence_length: -1 } }"),
            "job.spec.compress.calibration.sequence_length");
  EXPECT_EQ(Fault("compress { $M evaluation { max_tokens: -1 } }"), "job.spec.compress.evaluation.max_tokens");
  EXPECT_EQ(Fault("compress { $M evaluation { skip: true max_tokens: 5 } }"), "job.spec.compress.evaluation.skip");
  EXPECT_EQ(Fault("evaluate { $M max_tokens: -1 }"), "job.spec.evaluate.max_tokens");
  EXPECT_EQ(Fault("evaluate { $M text_path: $T tokens_path: $T }"), "job.spec.evaluate.tokens_path");
  EXPECT_EQ(Fault("evaluate { $M tokens_path: $T text_key: 'a' }"), "job.spec.evaluate.text_key");
  EXPECT_EQ(Fault("generate { $M prompt: '' }"), "job.spec.generate.prompt");
  EXPECT_EQ(Fault("generate { $M prompt: 'x' max_tokens: 4097 }"), "job.spec.generate.max_tokens");
  EXPECT_EQ(Fault("compress { $M } priority: 101"), "job.spec.priority");
  EXPECT_EQ(Fault("compress { $M } priority: -1"), "job.spec.priority");
  EXPECT_EQ(Fault("compress { $M } run_timeout { nanos: 1 }"), "");
  EXPECT_EQ(Fault("compress { $M } run_timeout { seconds: 31536000 }"), "");
  EXPECT_EQ(Fault("compress { $M } queue_timeout { seconds: 1 } ttl { seconds: 31536000 }"), "");
  for (const char* time :
       {"", "seconds: -1", "seconds: 31536000 nanos: 1", "seconds: 9223372036854775807", "nanos: -1"}) {
    for (const std::string field : {"run_timeout", "queue_timeout", "ttl"}) {
      EXPECT_EQ(Fault("compress { $M } " + field + " { " + time + " }"), "job.spec." + field) << time;
    }
  }
}

TEST_F(CheckSpecTest, RefusesEnumValuesItDoesNotKnow) {
  v1::JobSpec spec;
  spec.mutable_compress()->mutable_source()->set_path(folder_.path());
  spec.mutable_compress()->mutable_quantize()->set_method(static_cast<v1::Method>(99));
  EXPECT_EQ(FaultOf(spec), "job.spec.compress.quantize.method");
  spec.mutable_compress()->clear_quantize();
  spec.mutable_compress()->set_compute_dtype(static_cast<v1::ComputeDtype>(99));
  EXPECT_EQ(FaultOf(spec), "job.spec.compress.compute_dtype");
}

TEST_F(CheckSpecTest, RefusesDevicesOfAnotherForm) {
  for (const char* device : {"gpu", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:01", "cuda:1000", "CPU", "cpu:0"}) {
    EXPECT_EQ(Fault(std::string("compress { $M } device: '") + device + "'"), "job.spec.device") << device;
  }
}

TEST_F(CheckSpecTest, ChecksEveryPath) {
  EXPECT_EQ(Fault("compress { source { path: '/etc' } }"), "job.spec.compress.source.path");
  EXPECT_EQ(Fault("compress { $M calibration { text_path: '/etc/passwd' } }"),
            "job.spec.compress.calibration.text_path");
  EXPECT_EQ(Fault("compress { $M evaluation { text_path: '/etc/passwd' } }"), "job.spec.compress.evaluation.text_path");
  EXPECT_EQ(Fault("evaluate { source { path: '/etc' } }"), "job.spec.evaluate.source.path");
  EXPECT_EQ(Fault("evaluate { $M text_path: '/etc/passwd' }"), "job.spec.evaluate.text_path");
  EXPECT_EQ(Fault("evaluate { $M tokens_path: '/etc/passwd' }"), "job.spec.evaluate.tokens_path");
  EXPECT_EQ(Fault("generate { source { path: '/etc' } prompt: 'x' }"), "job.spec.generate.source.path");
}

TEST_F(CheckSpecTest, KeepsSpecsSmallEnoughForTheirFrame) {
  v1::JobSpec spec;
  spec.mutable_generate()->mutable_source()->set_path(folder_.path());
  spec.mutable_generate()->set_prompt(std::string(32 << 10, 'x'));
  EXPECT_EQ(FaultOf(spec), "");
  spec.mutable_generate()->set_prompt(std::string((32 << 10) + 1, 'x'));
  EXPECT_EQ(FaultOf(spec), "job.spec.generate.prompt");
  spec.mutable_generate()->set_prompt(std::string(32 << 10, '\x01'));  // six bytes each as JSON
  EXPECT_EQ(FaultOf(spec), "job.spec");
}

}  // namespace
}  // namespace pivot
