// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_CHAT_TEMPLATE_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_CHAT_TEMPLATE_H_

// A model's chat template: messages to the text that the model was taught them as.

#include <ctime>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/model/chat_template/nodes.h"

namespace pivot {

/// An interpreter of the part of Jinja 3.1 that chat templates use, as transformers sets it up (trim_blocks,
/// lstrip_blocks, loop controls, tojson, namespace, raise_exception, strftime_now). docs/product.md lists the part.
/// Runs nothing but the template, reads no files, and is bounded in steps, sizes and depth, since templates come with
/// models. Immutable; concurrent calls are allowed.
class ChatTemplate {
 public:
  /// `source` of at most 1 MiB. kInvalidArgument (reason INVALID_CHAT_TEMPLATE) naming the line and what is wrong or
  /// not supported.
  static absl::StatusOr<ChatTemplate> Parse(absl::string_view source);

  /// The text for these variables, an object: messages, add_generation_prompt, bos_token... `now` is the moment that
  /// strftime_now tells.
  ///
  /// Source: what renders is, byte for byte, what transformers' apply_chat_template gives but for: str methods and
  ///         filters map characters one by one (no "SS" for "ß"), views of dicts are lists, and |safe does nothing.
  /// Errors: kInvalidArgument (reason INVALID_CHAT_TEMPLATE) where the template raises an exception, where Jinja or
  /// Python
  ///         would, for what is not supported, and beyond 4 million steps, 64 MiB of output or 16 MiB of one text.
  absl::StatusOr<std::string> Render(const nlohmann::ordered_json& variables, const std::tm& now) const;

 private:
  explicit ChatTemplate(chat::Body body) : body_(std::move(body)) {}

  chat::Body body_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_CHAT_TEMPLATE_H_
