// SPDX-License-Identifier: Apache-2.0
#include "client/private_server.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <poll.h>
#include <signal.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

#include "client/backoff.h"
#include "client/process.h"
#include "client/temporary_folder.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr int kLifelineFd = 3;
constexpr int kReadyFd = 4;
constexpr size_t kMaxReadyBytes = 4096;
constexpr int64_t kMaxLogTailBytes = 16384;
// What a server needs for its database.
constexpr uintmax_t kLeastFreeBytes = uintmax_t{1} << 20;
constexpr char kSocketName[] = "pivotd.sock";
/// What a temporary folder and the socket add to the path they lie in.
constexpr char kSocketRoom[] = "/pivot-XXXXXX/pivotd.sock";

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return StatusFromErrno(errno, "cannot make", "a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// A path that fits into a socket's address and means itself in a URI.
bool IsFitForSocket(const std::string& path) {
  const bool is_plain = std::all_of(path.begin(), path.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '/' || c == '.' || c == '_' || c == '-';
  });
  return is_plain && path.size() < sizeof(sockaddr_un::sun_path);
}

/// The message of a log line, which is JSON; any other line as it is.
std::string MessageOf(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return line;
  for (const char* key : {"error", "message", "msg"}) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_string()) return found->get<std::string>();
    if (found != json.end() && found->is_object()) return found->value("message", line);
  }
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PrivateServer>> PrivateServer::Start(const PrivateServerOptions& options) {
  PIVOT_RETURN_IF_ERROR(MakeFolders(options.data_folder));
  std::unique_ptr<PrivateServer> server(new PrivateServer(options));
  PIVOT_RETURN_IF_ERROR(server->Launch());
  return server;
}

PrivateServer::PrivateServer(const PrivateServerOptions& options)
    : options_(options), log_path_(options.data_folder + "/pivotd.log") {}

PrivateServer::~PrivateServer() {
  Stop();
  if (!socket_folder_.empty()) RemoveAll(socket_folder_).IgnoreError();
}

absl::StatusOr<std::string> PrivateServer::ChooseSocketPath() {
  std::string path = absl::StrCat(options_.data_folder, "/", kSocketName);
  if (IsFitForSocket(path)) return path;
  const std::string parent = TemporaryParent();
  PIVOT_ASSIGN_OR_RETURN(socket_folder_, MakeTemporaryFolder(IsFitForSocket(parent + kSocketRoom) ? parent : "/tmp"));
  return absl::StrCat(socket_folder_, "/", kSocketName);
}

absl::Status PrivateServer::Launch() {
  PIVOT_ASSIGN_OR_RETURN(const std::string socket_path, ChooseSocketPath());
  const UniqueFd log(open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (log.get() < 0) return StatusFromErrno(errno, "cannot open", log_path_);
  log_begin_ = lseek(log.get(), 0, SEEK_END);
  PIVOT_ASSIGN_OR_RETURN(Pipe lifeline, MakePipe());
  PIVOT_ASSIGN_OR_RETURN(Pipe ready, MakePipe());
  std::vector<std::string> arguments = {
      "--data",        options_.data_folder,      "--listen",   "unix:" + socket_path,
      "--lifeline-fd", absl::StrCat(kLifelineFd), "--ready-fd", absl::StrCat(kReadyFd)};
  for (const std::string& folder : options_.allow_paths) arguments.insert(arguments.end(), {"--allow-path", folder});
  const std::vector<PassedFd> passed = {
      {log.get(), 1}, {log.get(), 2}, {lifeline.read_end.get(), kLifelineFd}, {ready.write_end.get(), kReadyFd}};
  absl::StatusOr<pid_t> process = Spawn(options_.program, arguments, passed);
  if (absl::IsNotFound(process.status())) {
    return absl::NotFoundError(absl::StrCat("pivotd is not at ", options_.program,
                                            ", beside this program: install both, or ",
                                            "name a running server with --server"));
  }
  PIVOT_RETURN_IF_ERROR(process.status());
  process_ = *process;
  lifeline_ = std::move(lifeline.write_end);
  ready.write_end.Close();
  return AwaitReady(ready.read_end.get());
}

absl::Status PrivateServer::AwaitReady(int ready_fd) {
  const absl::Time deadline = absl::Now() + options_.ready_timeout;
  std::string line;
  while (!absl::StrContains(line, "\n")) {
    if (options_.stop.stop_requested()) return Interrupted();
    if (absl::Now() > deadline || line.size() > kMaxReadyBytes) {
      return absl::InternalError(absl::StrCat(options_.program, " was not ready within ",
                                              absl::FormatDuration(options_.ready_timeout), ": see ", log_path_));
    }
    pollfd waiting{.fd = ready_fd, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 50) <= 0) continue;
    char buffer[256];
    const ssize_t count = read(ready_fd, buffer, sizeof(buffer));
    if (count < 0) continue;
    if (count == 0) {
      const std::optional<int> wait_status = WaitForExit(process_, absl::Seconds(5));
      if (wait_status.has_value()) process_ = -1;
      return RefusedToStart(wait_status.value_or(0));
    }
    line.append(buffer, static_cast<size_t>(count));
  }
  absl::string_view address = absl::string_view(line).substr(0, line.find('\n'));
  if (!absl::ConsumePrefix(&address, "ready ")) {
    return absl::InternalError(absl::StrCat(options_.program, " said \"", address, "\" instead of its address"));
  }
  address_ = std::string(address);
  return absl::OkStatus();
}

absl::Status PrivateServer::CheckAlive() {
  if (process_ <= 0) return absl::FailedPreconditionError("the private server was stopped");
  const std::optional<int> wait_status = WaitForExit(process_, absl::ZeroDuration());
  if (!wait_status.has_value()) return absl::OkStatus();
  process_ = -1;
  return WithReason(absl::InternalError(absl::StrCat("the private server ", DescribeExit(*wait_status),
                                                     " in the middle of its ", "work; its log is ", log_path_)),
                    "SERVER_ENDED");
}

void PrivateServer::Stop() {
  lifeline_.Close();
  if (process_ <= 0) return;
  std::optional<int> wait_status = WaitForExit(process_, options_.terminate_after);
  if (!wait_status.has_value()) {
    kill(process_, SIGTERM);
    wait_status = WaitForExit(process_, options_.kill_after - options_.terminate_after);
  }
  if (!wait_status.has_value()) {
    kill(-process_, SIGKILL);
    WaitForExit(process_, absl::Seconds(10));
  }
  process_ = -1;
}

absl::Status PrivateServer::RefusedToStart(int wait_status) const {
  std::string sentence = LastWords();
  // Its log is on the disk that it works on.
  const std::filesystem::space_info disk = [&] {
    std::error_code error;
    return std::filesystem::space(options_.data_folder, error);
  }();
  if (sentence.empty() && disk.available < kLeastFreeBytes) {
    sentence = absl::StrCat("the disk of ", options_.data_folder, " has ", disk.available,
                            " bytes free, too few to begin with; free some space");
  }
  if (sentence.empty())
    sentence = absl::StrCat("pivotd ", DescribeExit(wait_status), " and said nothing: see ", log_path_);
  return WithReason(absl::InternalError(absl::StripPrefix(sentence, "pivotd: ")), "SERVER_NOT_STARTED");
}

std::string PrivateServer::LastWords() const {
  std::ifstream log(log_path_, std::ios::binary | std::ios::ate);
  const auto size = static_cast<int64_t>(log.tellg());
  const int64_t begin = std::max(log_begin_, size - kMaxLogTailBytes);
  if (!log || size <= begin) return "";
  std::string tail(static_cast<size_t>(size - begin), '\0');
  log.seekg(begin);
  log.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  const std::vector<std::string> lines = absl::StrSplit(tail, '\n', absl::SkipWhitespace());
  return lines.empty() ? "" : MessageOf(lines.back());
}

}  // namespace pivot::client
