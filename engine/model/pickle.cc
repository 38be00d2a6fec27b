// SPDX-License-Identifier: Apache-2.0
#include "engine/model/pickle.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/model_files.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr auto kPickleEndings = std::to_array<absl::string_view>({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"});
constexpr char kProto = '\x80';  // begins every pickle of protocol 2 and later
constexpr char kLatestProtocol = 5;
constexpr size_t kZipHeaderBytes = 30;
constexpr size_t kZipNameLength = 26;  // u16, little-endian
// A zip archive's list of files is at its end.
constexpr size_t kSearchedBytes = 65536;

/// The name that ends in ".pkl" in front of which `place` is the ending, as far as it can be read; else "".
std::string PklName(absl::string_view bytes, size_t place) {
  size_t begin = place;
  while (begin > 0 && place - begin < 255 && bytes[begin - 1] > ' ' && bytes[begin - 1] < '\x7F') --begin;
  return std::string(bytes.substr(begin, place - begin + 4));
}

std::string ZipMember(absl::string_view file) {
  // The first file's own header says how long its name is; names in the list at the end touch other bytes.
  if (file.size() > kZipHeaderBytes) {
    const size_t length = static_cast<unsigned char>(file[kZipNameLength]);
    const absl::string_view name = file.substr(kZipHeaderBytes, length);
    if (absl::EndsWith(name, ".pkl")) return PklName(name, name.size() - 4);
  }
  const absl::string_view tail = file.substr(file.size() - std::min(file.size(), kSearchedBytes));
  const size_t place = tail.find(".pkl");
  return place == tail.npos ? "" : PklName(tail, place);
}

}  // namespace

bool HasPickleName(absl::string_view name) { return EndsWithAny(name, kPickleEndings); }

std::string PickleKind(absl::string_view file) {
  const absl::string_view head = file.substr(0, 4);
  if (head == "PK\x03\x04" || head == "PK\x05\x06" || head == "PK\x07\x08") {
    const std::string member = ZipMember(file);
    return member.empty() ? "a zip archive" : absl::StrCat("a zip archive that holds the pickle ", member);
  }
  // A header of 0x0280 bytes begins with the same two; behind its length comes a bracket.
  const bool is_header = file.size() >= 9 && file[8] == '{';
  const bool is_pickle = head.size() >= 2 && head[0] == kProto && head[1] >= 2 && head[1] <= kLatestProtocol;
  return is_pickle && !is_header ? "a pickle" : "";
}

absl::Status RefusePickle(absl::string_view subject) {
  return UnsafeSource(
      absl::StrCat(subject,
                   ", which can run code when it is read; convert the model to safetensors where you trust it (with "
                   "transformers: AutoModelForCausalLM.from_pretrained(A).save_pretrained(B)), and give that folder"));
}

std::vector<std::string> PickleFiles(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    if (HasPickleName(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace pivot
