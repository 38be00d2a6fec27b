// SPDX-License-Identifier: Apache-2.0
// model.safetensors.index.json beside two shards and things that must not be opened: what is opened lies in the folder.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "engine/model/model_folder.h"
#include "tests/engine/model/raw_safetensors.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/scratch_folder.h"

namespace {

constexpr absl::string_view kConfig = R"({"model_type":"llama","hidden_size":8,"intermediate_size":8,
"num_hidden_layers":1,"num_attention_heads":2,"vocab_size":8})";

/// A folder in a folder, so that ".." leads to a file that is there.
const pivot::ScratchFolder& Outside() {
  static const pivot::ScratchFolder outside;
  return outside;
}

std::string MakeFolder() {
  const std::string path = Outside().path() + "/model";
  std::filesystem::create_directory(path);
  Outside().Write("out.safetensors", pivot::SmallSafetensors());
  Outside().Write("model/config.json", kConfig);
  Outside().Write("model/a.safetensors", pivot::SmallSafetensors());
  Outside().Write("model/b.safetensors",
                  pivot::RawSafetensors(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x"));
  Outside().Write("model/p.safetensors", "PK\x03\x04 data.pkl");
  mkfifo((path + "/f.safetensors").c_str(), 0600);
  PIVOT_REQUIRE(symlink("../out.safetensors", (path + "/l.safetensors").c_str()) == 0);
  PIVOT_REQUIRE(symlink("/dev/zero", (path + "/d.safetensors").c_str()) == 0);
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string& path = *new std::string(MakeFolder());
  Outside().Write("model/model.safetensors.index.json", {reinterpret_cast<const char*>(data), size});
  const auto folder = pivot::ModelFolder::Open(path);
  if (!folder.ok()) return 0;
  for (const std::string& file : folder->weight_paths()) {
    PIVOT_REQUIRE(absl::StartsWith(file, path + "/"));
    const std::string name = std::filesystem::path(file).filename();
    PIVOT_REQUIRE(name == "a.safetensors" || name == "b.safetensors");
  }
  return 0;
}
