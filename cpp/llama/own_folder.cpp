#include "llama/own_folder.h"

#include <filesystem>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace llamabox {
namespace {

std::filesystem::path own_file() {
#ifdef _WIN32
  constexpr DWORD kLongest = 32768;
  constexpr DWORD kByAddress =
      GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  HMODULE module = nullptr;
  std::wstring name(kLongest, L'\0');
  if (GetModuleHandleExW(kByAddress, reinterpret_cast<LPCWSTR>(&own_file), &module) == 0) {
    return {};
  }
  name.resize(GetModuleFileNameW(module, name.data(), kLongest));
  return name;
#else
  Dl_info info{};
  if (dladdr(reinterpret_cast<void *>(&own_file), &info) == 0 || info.dli_fname == nullptr) {
    return {};
  }
  return info.dli_fname;
#endif
}

} // namespace

std::string own_folder() {
  const std::filesystem::path file = own_file();
  if (file.empty()) {
    return {};
  }
  const std::u8string folder = std::filesystem::absolute(file).parent_path().u8string();
  return {folder.begin(), folder.end()};
}

} // namespace llamabox
