// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/page/made_up_model.h"

#include <array>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace pivot::page {
namespace {

using nlohmann::json;

constexpr std::array<int, 8> kBits = {2, 3, 4, 5, 6, 7, 8, 16};

std::vector<std::string> NamesInBlock(const MadeUpModel& model) {
  std::vector<std::string> names = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"};
  for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
    if (model.num_experts == 0) names.push_back(absl::StrCat("mlp.", name));
    for (int expert = 0; expert < model.num_experts; ++expert)
      names.push_back(absl::StrCat("mlp.experts.", expert, ".", name));
  }
  return names;
}

json Record(int block, json linears) {
  return {{"block", block},       {"relative_error", 0.002}, {"stream_distance", 0.001 * (block + 1)}, {"seconds", 2.5},
          {"solve_seconds", 1.5}, {"write_seconds", 0.25},   {"linears", std::move(linears)}};
}

json Report(json blocks) {
  const json original{{"perplexity", 6.14}, {"bytes", 16'000'000'000}, {"bits_per_weight", 16.0}};
  const json pivot{{"number", 0},
                   {"perplexity", 6.31},
                   {"kl_mean", 0.021},
                   {"top1_agreement", 0.953},
                   {"bytes", 4'600'000'000},
                   {"bits_per_weight", 4.13}};
  return {{"schema", 1},
          {"job", "projects/default/jobs/made-up"},
          {"source", {{"name", "Made-Up-8B"}, {"digest", "00ff"}, {"bytes", 16'000'000'000}}},
          {"plan", {{"bits_per_weight", 4.13}, {"total_bytes", 4'600'000'000}}},
          {"quality", {{"original", original}, {"pivots", {pivot}}}},
          {"numerics", {{"device_name", "a device"}, {"threads", 2}}},
          {"seconds", 100.0},
          {"stages",
           {{{"name", "layerwise"}, {"seconds", 80.0}, {"flops", 1e15}}, {{"name", "evaluate"}, {"seconds", 20.0}}}},
          {"blocks", std::move(blocks)}};
}

}  // namespace

MadeUpFiles MakeUp(const MadeUpModel& model) {
  json modules = json::array();
  json blocks = json::array();
  size_t number = 0;
  for (int block = 0; block < model.num_blocks; ++block) {
    json linears = json::array();
    for (const std::string& name : NamesInBlock(model)) {
      const int bits = model.is_mixed ? kBits[number++ % kBits.size()] : 4;
      const json entry{{"name", absl::StrCat("model.layers.", block, ".", name)},
                       {"type", "int"},
                       {"bits", bits},
                       {"group_size", 128}};
      modules.push_back(entry);
      modules.back().update({{"method", "gptq"}, {"bytes", 1000 * bits}});
      linears.push_back(entry);
      linears.back().update({{"relative_error", 1.0 / (1 << bits)}, {"percdamp", 0.01}, {"dead_columns", 0}});
    }
    blocks.push_back(Record(block, std::move(linears)));
  }
  return {.report = Report(std::move(blocks)),
          .plan = {{"schema", 1},
                   {"architecture", "llama"},
                   {"spec", {{"method", "gptq"}, {"percdamp", 0.01}}},
                   {"modules", std::move(modules)}}};
}

json MadeUpAllocation() {
  json curve = json::array();
  for (const int bits : {2, 3, 4})
    curve.push_back(
        {{"bits", bits}, {"bytes", bits * 1'000'000'000}, {"estimated_kl", 1.0 / (1 << bits)}, {"kind", "uniform"}});
  for (const double bits : {2.5, 3.5})
    curve.push_back({{"bits", bits}, {"bytes", bits * 1e9}, {"estimated_kl", 0.1 / bits}, {"kind", "plan"}});
  return {{"curve", std::move(curve)},
          {"probes",
           {{{"name", "one"}, {"estimated", 0.1}, {"measured", 0.2}},
            {{"name", "two"}, {"estimated", 0.01}, {"measured", 0.03}}}},
          {"rank_correlation", 0.987}};
}

}  // namespace pivot::page
