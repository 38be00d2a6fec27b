// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/journal.h"

#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_split.h"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr int kJournalSchema = 1;
constexpr size_t kMaxJournalBytes = size_t{256} << 20;

std::string HeadLine(const json& identity) {
  return json{{"schema", kJournalSchema}, {"identity", identity}}.dump() + "\n";
}

std::string EntryLine(const JournalEntry& entry) {
  const json line{{"stage", entry.stage}, {"block", entry.block},   {"file", entry.file},
                  {"size", entry.size},   {"sha256", entry.sha256}, {"record", entry.record}};
  return line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::optional<JournalEntry> ParseEntry(const json& line) {
  const bool complete = line.is_object() && line.value("stage", json()).is_string() &&
                        line.value("block", json()).is_number_integer() && line.value("file", json()).is_string() &&
                        line.value("size", json()).is_number_integer() && line.value("sha256", json()).is_string() &&
                        line.value("record", json()).is_object();
  if (!complete) return std::nullopt;
  return JournalEntry{.stage = line["stage"],
                      .block = line["block"],
                      .file = line["file"],
                      .size = line["size"],
                      .sha256 = line["sha256"],
                      .record = line["record"]};
}

/// The first key whose value is not the same in both, or "".
std::string FirstDifference(const json& expected, const json& found) {
  if (!found.is_object()) return "identity";
  for (const auto& [key, value] : expected.items()) {
    if (found.value(key, json()) != value) return key;
  }
  return "";
}

}  // namespace

absl::StatusOr<Journal> Journal::Open(const std::string& path, const json& identity, std::string* refused) {
  refused->clear();
  Journal journal(path, identity);
  const auto text = ReadSmallFile(path, kMaxJournalBytes);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  std::vector<std::string> lines;
  if (text.ok()) lines = absl::StrSplit(*text, '\n');
  if (!lines.empty()) lines.pop_back();  // what follows the last LF was not finished
  if (!lines.empty()) {
    const json head = json::parse(lines[0], nullptr, /*allow_exceptions=*/false);
    const bool is_known = head.is_object() && head.value("schema", json()) == json(kJournalSchema);
    *refused = is_known ? FirstDifference(identity, head.value("identity", json())) : "schema";
  }
  for (size_t i = 1; i < lines.size() && refused->empty(); ++i) {
    auto entry = ParseEntry(json::parse(lines[i], nullptr, /*allow_exceptions=*/false));
    if (!entry.has_value() || entry->block != static_cast<int>(i) - 1) break;
    journal.entries_.push_back(*std::move(entry));
  }
  PIVOT_RETURN_IF_ERROR(journal.Rewrite());
  return journal;
}

absl::Status Journal::Truncate(size_t count) {
  entries_.resize(count);
  return Rewrite();
}

absl::Status Journal::Rewrite() const {
  std::string text = HeadLine(identity_);
  for (const JournalEntry& entry : entries_) text += EntryLine(entry);
  return WriteFileDurably(path_, text);
}

absl::Status Journal::Append(JournalEntry entry) {
  const int fd = open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return StatusFromErrno(errno, "cannot open", path_);
  const std::string line = EntryLine(entry);
  // One write: a line is there as a whole or, after a crash, without its end.
  const bool written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  if (!written) return StatusFromErrno(error, "cannot write", path_);
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

}  // namespace pivot
