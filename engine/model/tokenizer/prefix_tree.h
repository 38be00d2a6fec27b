// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_PREFIX_TREE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_PREFIX_TREE_H_

// Finds the tokens that a text begins with.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// Immutable. A node stands for the bytes on the way to it, the root for none.
class PrefixTree {
 public:
  static constexpr int32_t kRoot = 0;
  static constexpr int32_t kNone = -1;

  struct Match {
    int32_t id;
    size_t num_bytes;
  };

  PrefixTree() = default;
  /// Texts and their ids. Empty texts are found nowhere; of equal ones the last counts.
  explicit PrefixTree(std::vector<std::pair<absl::string_view, int32_t>> texts);

  /// The node one byte further, or kNone. `node` is a node of this tree.
  int32_t Next(int32_t node, char byte) const;
  /// The id of the text that ends here, or kNone.
  int32_t IdAt(int32_t node) const { return nodes_[static_cast<size_t>(node)].id; }
  /// The node of these bytes; kNone if no text begins so.
  int32_t NodeOf(absl::string_view bytes) const;

  std::optional<Match> LongestAtFront(absl::string_view text) const;

 private:
  struct Node {
    uint32_t first_child;
    uint32_t num_children;
    int32_t id;
  };
  /// Texts of sorted ones that share `depth` bytes.
  struct Range {
    size_t begin;
    size_t end;
    size_t depth;
  };

  void AddChildren(const std::vector<std::pair<absl::string_view, int32_t>>& texts, Range range, size_t node,
                   std::vector<Range>* ranges);

  std::vector<Node> nodes_ = {{1, 0, kNone}};
  std::vector<uint8_t> labels_ = {0};  // of the nodes: the byte that leads there
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_PREFIX_TREE_H_
