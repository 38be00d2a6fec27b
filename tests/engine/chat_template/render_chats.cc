// SPDX-License-Identifier: Apache-2.0
// render_chats NOW < LINES: one JSON object {"template", "variables"} a line in, one {"text"} or {"error"} a line out.
// NOW is the moment that strftime_now tells, in seconds of the Unix clock, UTC.
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>

#include "nlohmann/json.hpp"

#include "engine/model/chat_template/chat_template.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::time_t seconds = std::atoll(argv[1]);
  std::tm now{};
  gmtime_r(&seconds, &now);
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto given = nlohmann::ordered_json::parse(line);
    const auto parsed = pivot::ChatTemplate::Parse(given["template"].get<std::string>());
    const auto text = parsed.ok() ? parsed->Render(given["variables"], now) : parsed.status();
    nlohmann::ordered_json answer;
    if (text.ok()) answer["text"] = *text;
    if (!text.ok()) answer["error"] = std::string(text.status().message());
    std::cout << answer.dump() << "\n";
  }
  return 0;
}
