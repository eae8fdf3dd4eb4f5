// Files and folders, as far as systems differ. A name is UTF-8, as all text inside llamabox is;
// elsewhere than on Windows names are bytes and pass unchanged.
// Thread rule: any thread. Covered by base_test and, with real files, gguf_check_test.
#pragma once

#include <filesystem>
#include <string>

namespace llamabox {

std::filesystem::path path_of(const std::string &name);

// Whether this process may list the folder and make files in it.
bool may_fill(const std::filesystem::path &folder);

} // namespace llamabox
