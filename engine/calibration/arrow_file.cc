// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/arrow_file.h"

#include <array>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "engine/calibration/arrow/arrow_library.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxErrorBytes = 1024;
constexpr int kFailed = 1;

absl::Status NotFound(const std::string& problem) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "Parquet and Arrow files are read by the libraries of PyPI's pyarrow, which are not here (",
                        problem, "); run scripts/setup.sh --arrow and build again, or convert the file to .jsonl")),
                    "ARROW_NOT_FOUND");
}

fs::path InstalledBeside() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
}

/// The folder of libarrow and libparquet.
std::string ArrowFolder() {
  if (const char* named = std::getenv("PIVOT_ARROW_LIB"); named != nullptr && *named != '\0') return named;
  std::ifstream file(InstalledBeside() / "share" / "pivot" / "arrow.path");
  std::string folder;
  std::getline(file, folder);
  return std::string(absl::StripAsciiWhitespace(folder));
}

/// Loads Arrow's library whose name begins with `name`: it carries a version.
absl::Status LoadDependency(const std::string& folder, const std::string& name) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().rfind(name, 0) != 0) continue;
    if (dlopen(entry.path().c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return absl::OkStatus();
    return NotFound(dlerror());
  }
  return NotFound(absl::StrCat("no ", name, "* in \"", folder, "\""));
}

absl::StatusOr<const PivotArrowLibrary*> Load() {
  const std::string folder = ArrowFolder();
  if (folder.empty()) return NotFound("no folder is named by PIVOT_ARROW_LIB or share/pivot/arrow.path");
  PIVOT_RETURN_IF_ERROR(LoadDependency(folder, "libarrow.so."));
  PIVOT_RETURN_IF_ERROR(LoadDependency(folder, "libparquet.so."));
  const std::string path = (InstalledBeside() / "lib" / "libpivot_arrow.so").string();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return NotFound(dlerror());
  using Function = const PivotArrowLibrary* (*)();
  const auto function = reinterpret_cast<Function>(dlsym(library, "pivot_arrow_library"));
  const PivotArrowLibrary* loaded = function == nullptr ? nullptr : function();
  if (loaded == nullptr || loaded->version != kPivotArrowVersion)
    return NotFound(absl::StrCat(path, " belongs to another version of Pivot"));
  return loaded;
}

struct Receiver {
  absl::FunctionRef<absl::Status(absl::string_view)> row;
  absl::Status status;
};

int Receive(void* context, const char* json, size_t size) {
  auto* receiver = static_cast<Receiver*>(context);
  receiver->status = receiver->row({json, size});
  return receiver->status.ok() ? 0 : 1;
}

}  // namespace

absl::Status ReadArrowFile(const std::string& path, const std::vector<std::string>& columns,
                           absl::FunctionRef<absl::Status(absl::string_view json)> row) {
  PIVOT_ASSIGN_OR_RETURN(const PivotArrowLibrary* library, Load());
  std::vector<const char*> names;
  names.reserve(columns.size());
  for (const std::string& column : columns) names.push_back(column.c_str());
  std::array<char, kMaxErrorBytes> error{};
  Receiver receiver{.row = row};
  const PivotArrowRequest request = {.path = path.c_str(),
                                     .columns = names.data(),
                                     .num_columns = names.size(),
                                     .row = Receive,
                                     .context = &receiver,
                                     .error = error.data(),
                                     .error_size = error.size()};
  const int result = library->read(&request);
  if (result == kFailed) return WithReason(absl::InvalidArgumentError(error.data()), "INVALID_TEXT");
  return receiver.status;
}

}  // namespace pivot
