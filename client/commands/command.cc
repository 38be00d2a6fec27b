// SPDX-License-Identifier: Apache-2.0
#include "client/commands/command.h"

#include <array>

namespace pivot::client {
namespace {

constexpr std::array<Command, 24> kCommands = {{
    {"compress", "plan, compress, evaluate and download, on a server of its own if need be", DeclareCompress,
     OnInterrupt::kAsk},
    {"plan", "what compress would write, and its price; runs nothing", DeclarePlan, OnInterrupt::kAsk},
    {"submit", "queue a compression on a server", DeclareSubmit, OnInterrupt::kAsk},
    {"ls", "list a server's jobs", DeclareLs, OnInterrupt::kEnd},
    {"get", "show one job", DeclareGet, OnInterrupt::kEnd},
    {"watch", "follow a job until it ends, or all jobs", DeclareWatch, OnInterrupt::kAsk},
    {"logs", "what a job's worker wrote", DeclareLogs, OnInterrupt::kAsk},
    {"cancel", "end jobs; what they published stays", DeclareCancel, OnInterrupt::kEnd},
    {"suspend", "take jobs off their devices; finished blocks are kept", DeclareSuspend, OnInterrupt::kEnd},
    {"resume", "let suspended jobs go on", DeclareResume, OnInterrupt::kEnd},
    {"retry", "queue failed or cancelled jobs again; finished blocks are kept", DeclareRetry, OnInterrupt::kEnd},
    {"update", "change jobs' priority, labels and time limits", DeclareUpdate, OnInterrupt::kEnd},
    {"rm", "delete jobs that have ended or are suspended, with what they published", DeclareRm, OnInterrupt::kEnd},
    {"pull", "fetch a published checkpoint, verified", DeclarePull, OnInterrupt::kAsk},
    {"eval", "perplexity of a model; with a reference also KL divergence", DeclareEval, OnInterrupt::kAsk},
    {"convert", "the same weights in another format", DeclareConvert, OnInterrupt::kAsk},
    {"generate", "greedy text from a model, compressed or not", DeclareGenerate, OnInterrupt::kAsk},
    {"tokenize", "token ids of the strings in a file", DeclareTokenize, OnInterrupt::kAsk},
    {"inspect", "what is in a model folder", DeclareInspect, OnInterrupt::kAsk},
    {"verify", "is a folder intact, and would it load", DeclareVerify, OnInterrupt::kEnd},
    {"report", "what was measured while a folder was made", DeclareReport, OnInterrupt::kEnd},
    {"capabilities", "what a server can do", DeclareCapabilities, OnInterrupt::kAsk},
    {"devices", "the processors a server has", DeclareDevices, OnInterrupt::kAsk},
    {"token", "make a token for a server's identity file", DeclareToken, OnInterrupt::kEnd},
}};

}  // namespace

absl::Span<const Command> Commands() { return kCommands; }

}  // namespace pivot::client
