#include "base/file_path.h"

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

namespace llamabox {

#ifdef _WIN32

std::filesystem::path path_of(const std::string &name) {
  return {std::u8string(name.begin(), name.end())};
}

bool may_fill(const std::filesystem::path &folder) {
  constexpr int kReadWrite = 6;
  return _waccess(folder.c_str(), kReadWrite) == 0;
}

#else

std::filesystem::path path_of(const std::string &name) { return {name}; }

bool may_fill(const std::filesystem::path &folder) {
  return access(folder.c_str(), R_OK | W_OK | X_OK) == 0;
}

#endif

} // namespace llamabox
