// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/prefix_tree.h"

#include <algorithm>

namespace pivot::tokenizer {
namespace {

/// Up to here looking at one after the other is faster than halving.
constexpr uint32_t kFewChildren = 8;

}  // namespace

PrefixTree::PrefixTree(std::vector<std::pair<absl::string_view, int32_t>> texts) {
  std::stable_sort(texts.begin(), texts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  // Level by level, so that a node's children are neighbours.
  std::vector<Range> ranges = {{0, texts.size(), 0}};
  for (size_t node = 0; node < ranges.size(); ++node) AddChildren(texts, ranges[node], node, &ranges);
}

void PrefixTree::AddChildren(const std::vector<std::pair<absl::string_view, int32_t>>& texts, Range range, size_t node,
                             std::vector<Range>* ranges) {
  for (; range.begin < range.end && texts[range.begin].first.size() == range.depth; ++range.begin) {
    if (range.depth > 0) nodes_[node].id = texts[range.begin].second;
  }
  nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
  while (range.begin < range.end) {
    const char byte = texts[range.begin].first[range.depth];
    const auto end = std::partition_point(texts.begin() + static_cast<ptrdiff_t>(range.begin),
                                          texts.begin() + static_cast<ptrdiff_t>(range.end),
                                          [&](const auto& text) { return text.first[range.depth] == byte; });
    const auto child_end = static_cast<size_t>(end - texts.begin());
    ranges->push_back({range.begin, child_end, range.depth + 1});
    nodes_.push_back({0, 0, kNone});
    labels_.push_back(static_cast<uint8_t>(byte));
    ++nodes_[node].num_children;
    range.begin = child_end;
  }
}

int32_t PrefixTree::Next(int32_t node, char byte) const {
  const Node& parent = nodes_[static_cast<size_t>(node)];
  const auto label = static_cast<uint8_t>(byte);
  const auto begin = labels_.begin() + parent.first_child;
  const auto end = begin + parent.num_children;
  const auto found =
      parent.num_children <= kFewChildren ? std::find(begin, end, label) : std::lower_bound(begin, end, label);
  return found == end || *found != label ? kNone : static_cast<int32_t>(found - labels_.begin());
}

int32_t PrefixTree::NodeOf(absl::string_view bytes) const {
  int32_t node = kRoot;
  for (size_t i = 0; i < bytes.size() && node != kNone; ++i) node = Next(node, bytes[i]);
  return node;
}

std::optional<PrefixTree::Match> PrefixTree::LongestAtFront(absl::string_view text) const {
  std::optional<Match> longest;
  int32_t node = kRoot;
  for (size_t i = 0; i < text.size(); ++i) {
    node = Next(node, text[i]);
    if (node == kNone) break;
    if (IdAt(node) != kNone) longest = Match{IdAt(node), i + 1};
  }
  return longest;
}

}  // namespace pivot::tokenizer
