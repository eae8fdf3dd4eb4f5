// Jinja templates with tools for the families that --chat-template can name: the built-in
// formatters know no tools. They are ours, in the formats that the families' own templates and the
// models' training use.
// Thread rule: constants. Covered by tests/cpp/llama/named_template_test.cpp.
#pragma once

#include <string>

namespace llamabox {

// The template of the family that a built-in name belongs to; empty for a family without tools.
std::string family_template(const std::string &name);

} // namespace llamabox
