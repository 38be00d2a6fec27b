// SPDX-License-Identifier: Apache-2.0
#include "engine/page/heat_map.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pivot::page {
namespace {

constexpr double kRowHeight = 22;
constexpr double kHeadHeight = 34;
constexpr double kGap = 1;
constexpr double kNarrowestColumn = 7;
constexpr double kWidestColumn = 32;
constexpr double kLetterWidth = 6.7;  // of 11 pixels, monospaced
constexpr size_t kLongestName = 36;
constexpr double kNarrowestForMark = 9;
constexpr double kNarrowestForTwo = 15;
constexpr double kLabelDistance = 34;  // between the numbers of columns

class Drawer {
 public:
  explicit Drawer(const HeatMap& map) : map_(map) {
    size_t longest = 8;
    for (const HeatRow& row : map.rows) longest = std::max(longest, std::min(row.name.size(), kLongestName) + 1);
    left_ = static_cast<double>(longest) * kLetterWidth + 8;
    const auto columns = static_cast<double>(std::max<size_t>(1, map.columns.size()));
    column_ = std::clamp((kPageWidth - left_) / columns, kNarrowestColumn, kWidestColumn);
    width_ = left_ + column_ * columns + 2;
  }

  Markup Draw() const {
    Markup shapes = Head();
    for (size_t i = 0; i < map_.rows.size(); ++i) {
      shapes += Row(map_.rows[i], kHeadHeight + kRowHeight * static_cast<double>(i));
    }
    const double height = kHeadHeight + kRowHeight * static_cast<double>(map_.rows.size()) + 2;
    return Element("div", {{"class", "wide"}}, Drawing(width_, height, map_.title, shapes));
  }

 private:
  Markup Head() const {
    Markup shapes = Label({left_, 12}, "axis", map_.column_title);
    const auto stride = std::max<size_t>(1, static_cast<size_t>(kLabelDistance / column_));
    for (size_t i = 0; i < map_.columns.size(); i += stride) {
      shapes +=
          Label({left_ + column_ * (static_cast<double>(i) + 0.5), kHeadHeight - 6}, "tick middle", map_.columns[i]);
    }
    return shapes;
  }

  Markup Row(const HeatRow& row, double top) const {
    Markup shapes = Label({left_ - 8, top + kRowHeight - 7}, "name end", Shortened(row.name, kLongestName));
    for (size_t i = 0; i < row.cells.size(); ++i) {
      const HeatCell& cell = row.cells[i];
      const Box box{left_ + column_ * static_cast<double>(i), top, column_ - kGap, kRowHeight - kGap};
      shapes += Rectangle(box, {absl::StrCat("cell ", cell.look.style), cell.look.title});
      if (column_ < (cell.mark.size() < 2 ? kNarrowestForMark : kNarrowestForTwo) || cell.mark.empty()) continue;
      shapes += Label({box.left + box.width / 2, top + kRowHeight - 7}, absl::StrCat("mark middle ", cell.look.style),
                      cell.mark);
    }
    return shapes;
  }

  const HeatMap& map_;
  double left_ = 0;
  double column_ = 0;
  double width_ = 0;
};

}  // namespace

Markup DrawHeatMap(const HeatMap& map) { return Drawer(map).Draw(); }

Markup DrawLegend(const std::vector<LegendEntry>& entries) {
  Markup items;
  for (const LegendEntry& entry : entries) {
    items += Element("li", {}, Element("span", {{"class", absl::StrCat("swatch ", entry.style)}}) + entry.name);
  }
  return items.empty() ? items : Element("ul", {{"class", "legend"}}, items);
}

}  // namespace pivot::page
