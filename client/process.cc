// SPDX-License-Identifier: Apache-2.0
#include "client/process.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "client/backoff.h"
#include "client/unique_fd.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

/// Above every number that a child is given one under.
constexpr int kParkingFd = 64;
constexpr size_t kReadBytes = 65536;

class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

absl::StatusOr<UniqueFd> MemoryFile(absl::string_view content) {
  UniqueFd file(memfd_create("pivot", MFD_CLOEXEC));
  if (file.get() < 0) return StatusFromErrno(errno, "cannot create", "a file in memory");
  while (!content.empty()) {
    const ssize_t count = write(file.get(), content.data(), content.size());
    if (count < 0) return StatusFromErrno(errno, "cannot write", "a file in memory");
    content.remove_prefix(static_cast<size_t>(count));
  }
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string ContentOf(int memory_file) {
  struct stat info{};
  if (fstat(memory_file, &info) != 0) return "";
  std::string content(std::min(static_cast<size_t>(info.st_size), kReadBytes), '\0');
  const ssize_t count =
      pread(memory_file, content.data(), content.size(), info.st_size - static_cast<off_t>(content.size()));
  content.resize(count < 0 ? 0 : static_cast<size_t>(count));
  return content;
}

/// Passes on the whole lines of `output` and takes them out of it.
void TakeLines(const std::function<void(absl::string_view)>& on_line, std::string* output) {
  size_t begin = 0;
  for (size_t end = output->find('\n'); end != std::string::npos; end = output->find('\n', begin)) {
    on_line(absl::string_view(*output).substr(begin, end - begin));
    begin = end + 1;
  }
  output->erase(0, begin);
}

/// Reads until the other end closes.
absl::StatusOr<std::string> ReadToEnd(int fd, const std::string& program, const ProgramLimits& limits) {
  const absl::Time deadline = absl::Now() + limits.timeout;
  std::string output;
  std::string buffer(kReadBytes, '\0');
  while (true) {
    if (limits.stop.stop_requested()) return Interrupted();
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(program, " gave no answer within ", absl::FormatDuration(limits.timeout)));
    }
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 100) <= 0) continue;
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count == 0) return output;
    if (count < 0 && errno != EINTR) return StatusFromErrno(errno, "cannot read the answer of", program);
    output.append(buffer.data(), static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (limits.on_line) TakeLines(limits.on_line, &output);
    if (output.size() > limits.max_output_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(program, " answered with more than ", limits.max_output_bytes, " bytes"));
    }
  }
}

}  // namespace

std::string ProgramFolder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

absl::StatusOr<pid_t> Spawn(const std::string& program, const std::vector<std::string>& arguments,
                            const std::vector<PassedFd>& passed) {
  SpawnSettings settings;
  for (const int standard : {0, 1, 2}) {
    posix_spawn_file_actions_addopen(&settings.actions, standard, "/dev/null", standard == 0 ? O_RDONLY : O_WRONLY, 0);
  }
  // Moved out of the way first: a descriptor of ours may have the number that another one gets in the child.
  std::vector<UniqueFd> parked;
  int last = 2;
  for (const PassedFd& fd : passed) {
    last = std::max(last, fd.theirs);
    parked.emplace_back(fcntl(fd.ours, F_DUPFD_CLOEXEC, kParkingFd));
    if (parked.back().get() < 0) return StatusFromErrno(errno, "cannot pass a descriptor to", program);
    posix_spawn_file_actions_adddup2(&settings.actions, parked.back().get(), fd.theirs);
  }
  // What our own parent left open is no business of the child's.
  posix_spawn_file_actions_addclosefrom_np(&settings.actions, last + 1);
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawn(&child, program.c_str(), &settings.actions, &settings.attributes, argv.data(), environ);
  if (error != 0) return StatusFromErrno(error, "cannot start", program);
  return child;
}

std::optional<int> WaitForExit(pid_t child, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  absl::Duration pause = absl::Milliseconds(1);
  while (true) {
    int wait_status = 0;
    const pid_t ended = waitpid(child, &wait_status, WNOHANG);
    if (ended == child || (ended < 0 && errno == ECHILD)) return wait_status;
    if (absl::Now() >= deadline) return std::nullopt;
    absl::SleepFor(pause);
    pause = std::min(pause * 2, absl::Milliseconds(50));
  }
}

std::string DescribeExit(int wait_status) {
  if (!WIFSIGNALED(wait_status)) return absl::StrCat("ended with exit code ", WEXITSTATUS(wait_status));
  return absl::StrCat("was ended by signal ", WTERMSIG(wait_status), " (", strsignal(WTERMSIG(wait_status)), ")");
}

absl::StatusOr<ProgramOutput> RunProgram(const std::string& program, const std::vector<std::string>& arguments,
                                         absl::string_view standard_input, const ProgramLimits& limits) {
  PIVOT_ASSIGN_OR_RETURN(const UniqueFd input, MemoryFile(standard_input));
  PIVOT_ASSIGN_OR_RETURN(const UniqueFd error, MemoryFile(""));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return StatusFromErrno(errno, "cannot make a pipe for", program);
  const UniqueFd output(ends[0]);
  UniqueFd output_end(ends[1]);
  PIVOT_ASSIGN_OR_RETURN(const pid_t child,
                         Spawn(program, arguments, {{input.get(), 0}, {output_end.get(), 1}, {error.get(), 2}}));
  output_end.Close();
  absl::StatusOr<std::string> text = ReadToEnd(output.get(), program, limits);
  if (!text.ok()) kill(-child, SIGKILL);
  std::optional<int> wait_status = WaitForExit(child, text.ok() ? limits.timeout : absl::Seconds(10));
  if (!wait_status.has_value()) {
    kill(-child, SIGKILL);
    wait_status = WaitForExit(child, absl::Seconds(10));
  }
  if (!text.ok()) return text.status();
  return ProgramOutput{wait_status.value_or(0), *std::move(text), ContentOf(error.get())};
}

}  // namespace pivot::client
