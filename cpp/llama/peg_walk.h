// Visits the parsers below one of llama.cpp's PEG parsers, each once.
// Thread rule: none, works on what it is given. Only for the files of this folder, since it shows
// upstream's types. Covered by tests/cpp/llama/output_parser_test.cpp.
#pragma once

#include "peg-parser.h"

#include <functional>

namespace llamabox {

using PegVisitor = std::function<void(common_peg_parser_id, const common_peg_parser_variant &)>;

// Calls `visit` for `root` and everything below it.
void walk(const common_peg_arena &arena, common_peg_parser_id root, const PegVisitor &visit);

// The parsers directly below one.
std::vector<common_peg_parser_id> children_of(const common_peg_arena &arena,
                                              const common_peg_parser_variant &node);

// True for what matches characters by class or schema instead of by strings.
bool is_character_parser(const common_peg_parser_variant &node);

} // namespace llamabox
