// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_REPORTER_H_
#define PIVOT_CLIENT_VIEW_REPORTER_H_

// Shows a job's events in the way that was asked for.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"
#include "pivot/v1/event.pb.h"
#include "pivot/v1/job.pb.h"

#include "client/console.h"
#include "client/view/job_view.h"
#include "client/view/plain_lines.h"
#include "client/view/screen.h"

namespace pivot::client {

/// The flags that every command has.
struct OutputFlags {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

/// How far bytes on their way are.
struct TransferProgress {
  absl::string_view stage;  // "download", "fetch"
  int64_t done_bytes = 0;
  int64_t total_bytes = 0;
  /// 0: not known.
  double bytes_per_second = 0;
  /// One of the files.
  absl::string_view path;
};

/// {"event": "block_done", "job": ..., "block_done": {...}}.
nlohmann::json EventJson(const v1::JobEvent& event);

/// JSON lines on the result stream, else a live view where there is a terminal, else plain lines; nothing of it when
/// quiet. For one thread.
class Reporter {
 public:
  Reporter(const Console& console, const OutputFlags& flags);
  /// Warnings on the message stream and nothing else: for commands whose answer says the rest.
  static Reporter WarningsOnly(const Console& console);
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;
  /// The live view's last state stays on the screen.
  ~Reporter() = default;

  /// The job whose events follow.
  void Begin(const v1::Job& job);
  void OnEvent(const v1::JobEvent& event);
  void OnTransfer(const TransferProgress& progress);
  /// A sentence for a person, on the message stream unless quiet.
  void Note(absl::string_view sentence);
  /// As Note, with -v only.
  void NoteDetail(absl::string_view sentence);

  const JobView& view() const { return view_; }

 private:
  enum class Mode { kJson, kQuiet, kWarnings, kLive, kPlain };

  Reporter(const Console& console, const OutputFlags& flags, Mode mode);
  void Redraw();
  void Print(absl::string_view line);

  const Console& console_;
  OutputFlags flags_;
  Mode mode_;
  JobView view_;
  Screen screen_;
  PlainLines plain_;
  absl::Time last_transfer_ = absl::InfinitePast();
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_REPORTER_H_
