// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_SOURCE_HUB_NAME_H_
#define PIVOT_PROTO_SOURCE_HUB_NAME_H_

// How a model of the Hugging Face Hub is named: hf://[models/][ORG/]NAME[@REVISION][/FILE.gguf].

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

inline constexpr absl::string_view kHubScheme = "hf://";

struct HubName {
  /// "ORG/NAME", or "NAME" alone for the few old models without an organization.
  std::string repo;
  /// A branch, a tag, "refs/pr/3", or a commit.
  std::string revision = "main";
  /// One GGUF file of the repository, or "" for the model that its config.json describes.
  std::string file;
};

/// True for what is meant as a name of the hub, right or wrong.
bool IsHubUri(absl::string_view text);

/// Of a text with its hf://. As huggingface_hub has it: no empty revision; a revision's '/' is written %2F, but for
/// refs/pr/N and refs/convert/NAME. kInvalidArgument INVALID_HUB_NAME.
absl::StatusOr<HubName> ParseHubUri(absl::string_view text);

/// The same of ORG/NAME[@REVISION] without hf://, as people write it. A single word is none: it is a folder's name.
absl::StatusOr<HubName> ParseBareHubName(absl::string_view text);

/// "hf://ORG/NAME", with revision and file where they say something.
std::string HubUri(const HubName& name);

/// True for 40 lower-case hex digits: a revision that cannot move.
bool IsCommit(absl::string_view revision);

}  // namespace pivot

#endif  // PIVOT_PROTO_SOURCE_HUB_NAME_H_
