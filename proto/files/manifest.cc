// SPDX-License-Identifier: Apache-2.0
#include "proto/files/manifest.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
// Hashing takes a core for every 2 GB/s; more would only wait for the disk.
constexpr unsigned kMaxReadThreads = 4;

/// Opens a plain file beneath `folder`, one part of its path at a time and never through a link. `path` is a safe one.
absl::StatusOr<int> OpenBeneath(const std::string& folder, const std::string& path) {
  int fd = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return StatusFromErrno(errno, "cannot open", folder);
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  for (const std::string& part : parts) {
    // O_NONBLOCK: a FIFO is refused below instead of waited for.
    const int next = openat(fd, part.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    const int error = errno;
    close(fd);
    if (next < 0 && error == ELOOP) return absl::InvalidArgumentError(absl::StrCat(path, " is a link or behind one"));
    if (next < 0) return StatusFromErrno(error, "cannot open", path);
    fd = next;
  }
  struct stat info{};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  return fd;
}

absl::StatusOr<std::vector<int64_t>> PieceEnds(int64_t size, absl::Span<const int64_t> offsets,
                                               const std::string& path) {
  std::vector<int64_t> ends;
  if (offsets.empty()) {
    for (int64_t end = kMaxPieceBytes; end < size; end += kMaxPieceBytes) ends.push_back(end);
  } else if (offsets[0] != 0) {
    return absl::InvalidArgumentError(absl::StrCat("the pieces of ", path, " do not begin at 0"));
  } else {
    ends.assign(offsets.begin() + 1, offsets.end());
  }
  if (size > 0) ends.push_back(size);
  int64_t begin = 0;
  for (const int64_t end : ends) {
    if (end <= begin || end - begin > kMaxPieceBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("the pieces of ", path, " are not ascending or longer than 16 MiB"));
    }
    begin = end;
  }
  return ends;
}

absl::StatusOr<ManifestFile> HashOpenFile(int fd, const std::string& path, absl::Span<const int64_t> piece_offsets) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return StatusFromErrno(errno, "cannot read", path);
  ManifestFile file{.path = path, .size = info.st_size};
  PIVOT_ASSIGN_OR_RETURN(const std::vector<int64_t> ends, PieceEnds(file.size, piece_offsets, path));
  Sha256 whole;
  Sha256 piece;
  std::string buffer(kReadBytes, '\0');
  int64_t position = 0;
  for (const int64_t end : ends) {
    const int64_t begin = position;
    while (position < end) {
      const auto wanted = std::min<int64_t>(end - position, kReadBytes);
      const ssize_t count = pread(fd, buffer.data(), static_cast<size_t>(wanted), position);
      if (count < 0) return StatusFromErrno(errno, "cannot read", path);
      if (count == 0) return absl::DataLossError(absl::StrCat(path, " became shorter while it was read"));
      whole.Update(buffer.data(), static_cast<size_t>(count));
      piece.Update(buffer.data(), static_cast<size_t>(count));
      position += count;
    }
    file.pieces.push_back({begin, end - begin, piece.Finish()});
  }
  file.sha256 = whole.Finish();
  return file;
}

/// The hash of all of the file alone, which takes half the time.
absl::StatusOr<std::string> HashWhole(int fd, const std::string& path) {
  Sha256 whole;
  std::string buffer(kReadBytes, '\0');
  for (int64_t position = 0;;) {
    const ssize_t count = pread(fd, buffer.data(), buffer.size(), position);
    if (count < 0) return StatusFromErrno(errno, "cannot read", path);
    if (count == 0) return whole.Finish();
    whole.Update(buffer.data(), static_cast<size_t>(count));
    position += count;
  }
}

bool IsIntact(const std::string& folder, const ManifestFile& file) {
  if (!IsSafeRelativePath(file.path)) return false;
  const auto fd = OpenBeneath(folder, file.path);
  if (!fd.ok()) return false;
  struct stat info{};
  // A file of another size need not be read.
  const bool has_size = fstat(*fd, &info) == 0 && info.st_size == file.size;
  const auto hash = has_size ? HashWhole(*fd, file.path) : absl::StatusOr<std::string>("");
  close(*fd);
  return hash.ok() && *hash == file.sha256;
}

std::string FirstDifference(const ManifestFile& expected, const ManifestFile& found) {
  if (expected.size != found.size) return absl::StrCat("has ", found.size, " bytes instead of ", expected.size);
  for (size_t i = 0; i < std::min(expected.pieces.size(), found.pieces.size()); ++i) {
    if (expected.pieces[i].sha256 != found.pieces[i].sha256) {
      const ManifestPiece& piece = expected.pieces[i];
      return absl::StrCat("is damaged between byte ", piece.offset, " and ", piece.offset + piece.size);
    }
  }
  return "has another hash than its pieces: the manifest itself is damaged";
}

}  // namespace

bool IsSafeRelativePath(absl::string_view path) {
  if (path.empty() || path.size() > 512 || path.find('\0') != path.npos || path.find('\\') != path.npos) return false;
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  if (parts.size() > 8) return false;
  return std::all_of(parts.begin(), parts.end(),
                     [](absl::string_view part) { return !part.empty() && part != "." && part != ".."; });
}

absl::StatusOr<ManifestFile> HashFile(const std::string& folder, const std::string& path,
                                      absl::Span<const int64_t> piece_offsets) {
  if (!IsSafeRelativePath(path))
    return absl::InvalidArgumentError(absl::StrCat("unsafe path in the file list: ", path));
  PIVOT_ASSIGN_OR_RETURN(const int fd, OpenBeneath(folder, path));
  auto file = HashOpenFile(fd, path, piece_offsets);
  close(fd);
  return file;
}

std::vector<bool> FindIntact(const std::string& folder, absl::Span<const ManifestFile> files,
                             const std::function<bool()>& stopped) {
  std::vector<char> found(files.size(), 0);  // of vector<bool>, neighbours may not be written at once
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < files.size() && !(stopped && stopped()); i = next++)
      found[i] = static_cast<char>(IsIntact(folder, files[i]));
  };
  std::vector<std::thread> threads;
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  for (unsigned i = 1; i < std::min(cores, kMaxReadThreads); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return {found.begin(), found.end()};
}

std::string ContentSha256(absl::Span<const ManifestFile> files) {
  std::set<std::string> lines;
  for (const ManifestFile& file : files) {
    const bool counts = absl::EndsWith(file.path, ".safetensors") || absl::EndsWith(file.path, ".gguf") ||
                        absl::EndsWith(file.path, ".safetensors.index.json") || file.path == "config.json" ||
                        absl::EndsWith(file.path, "/config.json") || file.path == "pivot/plan.json";
    if (counts) lines.insert(absl::StrCat(file.path, absl::string_view("\0", 1), file.sha256, "\n"));
  }
  Sha256 hash;
  for (const std::string& line : lines) hash.Update(line);
  return hash.Finish();
}

absl::Status CompareFolder(const std::string& folder, const ManifestData& manifest,
                           absl::FunctionRef<void(const std::string&, const std::string&)> report) {
  std::set<std::string> listed = {kManifestPath};
  const std::vector<bool> intact = FindIntact(folder, manifest.files, {});
  for (size_t i = 0; i < manifest.files.size(); ++i) {
    const ManifestFile& expected = manifest.files[i];
    listed.insert(expected.path);
    if (intact[i]) continue;
    std::vector<int64_t> offsets;
    for (const ManifestPiece& piece : expected.pieces) offsets.push_back(piece.offset);
    auto found = HashFile(folder, expected.path, offsets);
    if (!found.ok() && absl::IsNotFound(found.status())) {
      report(expected.path, "is missing");
    } else if (!found.ok()) {
      // A file of another size may not take the manifest's pieces; its whole hash still tells.
      found = HashFile(folder, expected.path, {});
      report(expected.path, found.ok() ? FirstDifference(expected, *found) : std::string(found.status().message()));
    } else {
      report(expected.path, FirstDifference(expected, *found));
    }
  }
  std::error_code error;
  std::filesystem::recursive_directory_iterator entries(folder, error);
  for (; !error && entries != std::filesystem::recursive_directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    const bool is_folder = entries->is_directory(ignored) && !entries->is_symlink(ignored);
    const std::string path = entries->path().lexically_relative(folder).string();
    if (!is_folder && !listed.contains(path)) report(path, "is not in the manifest");
  }
  if (error) return StatusFromErrno(error.value(), "cannot read", folder);
  return absl::OkStatus();
}

}  // namespace pivot
