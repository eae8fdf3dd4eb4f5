// What the tests of the output parser share: an answer read as a whole or in pieces, and values of
// JSON compared without regard to how they are written.
// Thread rule: test code, one thread. Covered by its users.
#pragma once

#include "model/output_parser.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

struct AnswerCall {
  std::string name;
  std::string arguments;

  bool operator==(const AnswerCall &) const = default;
};

struct Answer {
  std::string text;
  std::string reasoning;
  std::vector<AnswerCall> calls;
  bool well_formed = true; // each call begins with id and name, in order

  bool operator==(const Answer &) const = default;

  void add(const OutputDelta &delta) {
    text += delta.text;
    reasoning += delta.reasoning;
    for (const ToolCallDelta &call : delta.tool_calls) {
      const auto index = static_cast<std::size_t>(call.index);
      if (index == calls.size()) {
        well_formed =
            well_formed && !call.id.empty() && !call.name.empty() && call.arguments.empty();
        calls.push_back({call.name, {}});
      } else {
        well_formed = well_formed && index + 1 == calls.size() && call.id.empty() &&
                      call.name.empty() && !call.arguments.empty();
      }
      calls[index].arguments += call.arguments;
    }
  }
};

inline Answer read_pieces(const MakeOutputParser &make, const std::vector<std::string> &pieces) {
  const auto parser = make();
  Answer answer;
  for (const std::string &piece : pieces) {
    answer.add(parser->feed(piece));
  }
  answer.add(parser->finish());
  return answer;
}

inline Answer read_whole(const MakeOutputParser &make, const std::string &text) {
  return read_pieces(make, {text});
}

inline Answer read_bytes(const MakeOutputParser &make, const std::string &text) {
  std::vector<std::string> pieces;
  for (const char c : text) {
    pieces.emplace_back(1, c);
  }
  return read_pieces(make, pieces);
}

// JSON text without white space between its parts and with characters instead of \uXXXX.
inline std::string plain_json(std::string_view json) {
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string && c == '\\' && i + 5 < json.size() && json[i + 1] == 'u') {
      const auto code = std::stoul(std::string(json.substr(i + 2, 4)), nullptr, 16);
      if (code < 0x80) {
        out += static_cast<char>(code);
      } else if (code < 0x800) {
        out += static_cast<char>(0xC0 | (code >> 6));
        out += static_cast<char>(0x80 | (code & 0x3F));
      } else {
        out += static_cast<char>(0xE0 | (code >> 12));
        out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
        out += static_cast<char>(0x80 | (code & 0x3F));
      }
      i += 5;
    } else if (in_string && c == '\\' && i + 1 < json.size()) {
      out += c;
      out += json[++i];
    } else if (in_string || (c != ' ' && c != '\n')) {
      in_string = c == '"' ? !in_string : in_string;
      out += c;
    }
  }
  return out;
}

} // namespace llamabox
