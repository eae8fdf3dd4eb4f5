#include "llama/peg_walk.h"

#include <set>
#include <utility>
#include <variant>
#include <vector>

namespace llamabox {

std::vector<common_peg_parser_id> children_of(const common_peg_arena &arena,
                                              const common_peg_parser_variant &node) {
  return std::visit(
      [&](const auto &parser) -> std::vector<common_peg_parser_id> {
        if constexpr (requires { parser.children; }) {
          return parser.children;
        } else if constexpr (requires { parser.child; }) {
          return {parser.child};
        } else if constexpr (std::is_same_v<std::decay_t<decltype(parser)>,
                                            common_peg_ref_parser>) {
          return {arena.get_rule(parser.name)};
        } else {
          return {};
        }
      },
      node);
}

void walk(const common_peg_arena &arena, common_peg_parser_id root, const PegVisitor &visit) {
  std::set<common_peg_parser_id> seen;
  std::vector<common_peg_parser_id> open = {root};
  while (!open.empty()) {
    const common_peg_parser_id id = open.back();
    open.pop_back();
    if (id == COMMON_PEG_INVALID_PARSER_ID || !seen.insert(id).second) {
      continue;
    }
    visit(id, arena.get(id));
    for (const common_peg_parser_id child : children_of(arena, arena.get(id))) {
      open.push_back(child);
    }
  }
}

bool is_character_parser(const common_peg_parser_variant &node) {
  return std::holds_alternative<common_peg_any_parser>(node) ||
         std::holds_alternative<common_peg_chars_parser>(node) ||
         std::holds_alternative<common_peg_string_parser>(node) ||
         std::holds_alternative<common_peg_schema_parser>(node);
}

} // namespace llamabox
