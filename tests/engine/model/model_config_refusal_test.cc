// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/model/model_config.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Members that replace those of a good configuration; null takes one away.
struct Refusal {
  const char* name;
  const char* members;
  const char* reason;
  const char* problem;
};

class ModelConfigRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(ModelConfigRefusalTest, SaysWhatIsWrong) {
  json config = json::parse(TinyConfigJson({}));
  config.merge_patch(json::parse(GetParam().members));
  const auto parsed = ParseModelConfig(config.dump());
  EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().problem)));
  EXPECT_EQ(ReasonOf(parsed.status()), GetParam().reason);
}

constexpr char kUnsupported[] = "UNSUPPORTED_ARCHITECTURE";
constexpr char kInvalid[] = "INVALID_CONFIG";

INSTANTIATE_TEST_SUITE_P(
    Unsupported, ModelConfigRefusalTest,
    ::testing::Values(
        Refusal{"architecture", R"({"model_type": "gpt2"})", kUnsupported, "architecture \"gpt2\" is not supported"},
        Refusal{"code_of_an_unknown_family",
                R"({"model_type": "evil", "auto_map": {"AutoModel": "modeling_evil.Evil"}})", kUnsupported,
                "code from a model's folder (auto_map) is never run"},
        Refusal{"activation", R"({"hidden_act": "sigmoid"})", kUnsupported, "activation \"sigmoid\" is not supported"},
        Refusal{"rope_proportional", R"({"rope_scaling": {"rope_type": "proportional", "factor": 8.0}})", kUnsupported,
                "type \"proportional\""},
        Refusal{"rope_of_5", R"({"rope_parameters": {"rope_type": "axial", "rope_theta": 1.0}})", kUnsupported,
                "type \"axial\""},
        Refusal{"rope_both_names", R"({"rope_scaling": {"type": "default", "rope_type": "mrope"}})", kUnsupported,
                "\"mrope\""},
        Refusal{"opt_behind", R"({"model_type": "opt", "ffn_dim": 64, "do_layer_norm_before": false})", kUnsupported,
                "opt with do_layer_norm_before false"},
        Refusal{"opt_projected", R"({"model_type": "opt", "ffn_dim": 64, "word_embed_proj_dim": 32})", kUnsupported,
                "word_embed_proj_dim"},
        Refusal{"gemma_looks_back", R"({"model_type": "gemma", "use_bidirectional_attention": true})", kUnsupported,
                "use_bidirectional_attention true"},
        Refusal{"linear_attention",
                R"({"model_type": "gemma2", "layer_types": ["linear_attention", "full_attention"]})", kUnsupported,
                "linear_attention"}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Missing, ModelConfigRefusalTest,
    ::testing::Values(
        Refusal{"model_type", R"({"model_type": null})", kInvalid, "\"model_type\" is missing"},
        Refusal{"hidden_size", R"({"hidden_size": null})", kInvalid, "\"hidden_size\" is missing"},
        Refusal{"intermediate_size", R"({"intermediate_size": null})", kInvalid, "\"intermediate_size\" is missing"},
        Refusal{"num_hidden_layers", R"({"num_hidden_layers": null})", kInvalid, "\"num_hidden_layers\" is missing"},
        Refusal{"num_attention_heads", R"({"num_attention_heads": null})", kInvalid,
                "\"num_attention_heads\" is missing"},
        Refusal{"vocab_size", R"({"vocab_size": null})", kInvalid, "\"vocab_size\" is missing"}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Mistyped, ModelConfigRefusalTest,
    ::testing::Values(
        Refusal{"model_type", R"({"model_type": 5})", kInvalid, "\"model_type\" is not a string"},
        Refusal{"hidden_size", R"({"hidden_size": "64"})", kInvalid, "\"hidden_size\" is not a whole number"},
        Refusal{"fraction", R"({"num_hidden_layers": 2.0})", kInvalid, "\"num_hidden_layers\" is not a whole number"},
        Refusal{"tied", R"({"tie_word_embeddings": "yes"})", kInvalid, "\"tie_word_embeddings\" is not true or false"},
        Refusal{"theta", R"({"rope_theta": "1e4"})", kInvalid, "\"rope_theta\" is not a number"},
        Refusal{"rope_parameters", R"({"rope_parameters": []})", kInvalid, "\"rope_parameters\" is not an object"},
        Refusal{"rope_scaling", R"({"rope_scaling": "linear"})", kInvalid, "\"rope_scaling\" is not an object"},
        Refusal{"rope_type", R"({"rope_parameters": {"rope_type": 3}})", kInvalid, "\"rope_type\" is not a string"},
        Refusal{"hidden_act", R"({"hidden_act": ["silu"]})", kInvalid, "\"hidden_act\" is not a string"},
        Refusal{"dtype", R"({"torch_dtype": 16})", kInvalid, "\"torch_dtype\" is not a string"}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Absurd, ModelConfigRefusalTest,
    ::testing::Values(
        Refusal{"hidden_zero", R"({"hidden_size": 0})", kInvalid, "hidden_size is 0"},
        Refusal{"hidden_huge", R"({"hidden_size": 16777217})", kInvalid, "hidden_size is 16777217"},
        Refusal{"hidden_wraps", R"({"hidden_size": 18446744073709551615})", kInvalid, "\"hidden_size\" is too large"},
        Refusal{"intermediate_negative", R"({"intermediate_size": -128})", kInvalid, "intermediate_size is -128"},
        Refusal{"heads_zero", R"({"num_attention_heads": 0, "head_dim": null})", kInvalid, "num_attention_heads is 0"},
        Refusal{"kv_heads_zero", R"({"num_key_value_heads": 0})", kInvalid, "num_key_value_heads is 0"},
        Refusal{"kv_heads_uneven", R"({"num_key_value_heads": 3})", kInvalid, "4 attention heads cannot share 3"},
        Refusal{"kv_heads_more", R"({"num_key_value_heads": 8})", kInvalid, "4 attention heads cannot share 8"},
        Refusal{"head_dim_zero", R"({"head_dim": null, "hidden_size": 3})", kInvalid, "head_dim is 0"},
        Refusal{"head_dim_odd", R"({"head_dim": 15})", kInvalid, "head_dim is odd: 15"},
        Refusal{"heads_too_wide", R"({"head_dim": 8388608})", kInvalid, "too wide"},
        Refusal{"vocabulary_zero", R"({"vocab_size": 0})", kInvalid, "vocab_size is 0"},
        Refusal{"positions_negative", R"({"max_position_embeddings": -1})", kInvalid, "max_position_embeddings is -1"},
        Refusal{"blocks_zero", R"({"num_hidden_layers": 0})", kInvalid, "num_hidden_layers is 0"},
        Refusal{"blocks_many", R"({"num_hidden_layers": 4097})", kInvalid, "num_hidden_layers is 4097"},
        Refusal{"factor_missing", R"({"rope_scaling": {"rope_type": "linear"}})", kInvalid, "factor is missing"},
        Refusal{"factor_below", R"({"rope_scaling": {"rope_type": "linear", "factor": 0.5}})", kInvalid,
                "factor must be 1 or more"},
        Refusal{"llama3_context", R"({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}})", kInvalid,
                "original_max_position_embeddings is missing"},
        Refusal{"llama3_order",
                R"({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 64,
                "low_freq_factor": 4.0, "high_freq_factor": 4.0}})",
                kInvalid, "high_freq_factor must be above low_freq_factor"},
        Refusal{"longrope_factors",
                R"({"rope_scaling": {"rope_type": "longrope", "original_max_position_embeddings": 64,
                "short_factor": [1.0], "long_factor": [1.0]}})",
                kInvalid, "need 8 numbers above 0"},
        Refusal{"partial_nothing", R"({"partial_rotary_factor": 0})", kInvalid, "partial_rotary_factor is 0"},
        Refusal{"partial_odd", R"({"partial_rotary_factor": 0.1})", kInvalid, "cannot be rotated in pairs"},
        Refusal{"layer_types_short", R"({"model_type": "gemma2", "layer_types": ["full_attention"]})", kInvalid,
                "layer_types must have a name for each block"},
        Refusal{"no_rope_short", R"({"no_rope_layers": [1]})", kInvalid, "no_rope_layers must have a number a block"},
        Refusal{"sliding_negative", R"({"model_type": "mistral", "sliding_window": -4})", kInvalid,
                "sliding_window is -4"},
        Refusal{"soft_cap_negative", R"({"attn_logit_softcapping": -1.0})", kInvalid, "a soft cap is negative"},
        Refusal{"multiplier_zero", R"({"residual_multiplier": 0.0})", kInvalid, "a multiplier is not a number above 0"},
        Refusal{"theta_zero", R"({"rope_theta": 0})", kInvalid, "rope_theta must be above 0"},
        Refusal{"theta_negative", R"({"rope_parameters": {"rope_theta": -1}})", kInvalid, "rope_theta must be above 0"},
        Refusal{"eps_negative", R"({"rms_norm_eps": -1e-6})", kInvalid, "rms_norm_eps is negative"}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

TEST(ModelConfigTest, NamesTheModelTypesItSupports) {
  EXPECT_THAT(
      ParseModelConfig(TinyConfigJson({.model_type = "mamba"})),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("\"mamba\""), HasSubstr("llama, mistral, qwen2,"))));
}

TEST(ModelConfigTest, RefusesTextThatIsNoConfiguration) {
  for (const char* text : {"", "[]", "{", "5", "{}", "{\"model_type\": \"llama\", \"model_type\": \"llama\"}"}) {
    const auto parsed = ParseModelConfig(text);
    EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("config.json"))) << text;
    EXPECT_EQ(ReasonOf(parsed.status()), kInvalid);
  }
}

}  // namespace
}  // namespace pivot
