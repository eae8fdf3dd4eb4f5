#include "guard/gguf_split.h"

#include "base/file_path.h"
#include "guard/gguf_file.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <unordered_set>

namespace llamabox {

namespace {

std::string suffix_of(std::uint32_t part, std::uint32_t n_parts) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "-%05u-of-%05u.gguf", part, n_parts);
  return text.data();
}

std::optional<std::uint32_t> optional_u16(const GgufHeader &header, const std::string &key) {
  const GgufValue *value = header.find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (value->type != GgufValueType::kUint16) {
    refuse_gguf(header.path, "key " + quote_name(key) + " must be of type u16, it is " +
                                 std::string(gguf_value_type_name(value->type)));
  }
  return static_cast<std::uint32_t>(value->bits);
}

std::uint32_t required_u16(const GgufHeader &header, const std::string &key) {
  const std::optional<std::uint32_t> value = optional_u16(header, key);
  if (!value) {
    refuse_gguf(header.path,
                "key " + quote_name(key) + " is missing in this part of a split model");
  }
  return *value;
}

// The part of the path before "-0000K-of-0000N.gguf".
std::string split_prefix(const GgufHeader &header, std::uint32_t part, std::uint32_t n_parts) {
  const std::string suffix = suffix_of(part, n_parts);
  const std::string &path = header.path;
  if (path.size() <= suffix.size() ||
      path.compare(path.size() - suffix.size(), suffix.size(), suffix) != 0) {
    refuse_gguf(path, "it is part " + std::to_string(part) + " of " + std::to_string(n_parts) +
                          " of a split model, so its name must end in " + quote_name(suffix));
  }
  return path.substr(0, path.size() - suffix.size());
}

void check_part(const GgufHeader &first, const GgufHeader &part, std::uint32_t no) {
  const std::uint32_t n_parts = required_u16(first, "split.count");
  const std::uint32_t found_no = required_u16(part, "split.no");
  if (found_no != no) {
    refuse_gguf(part.path, "it should be part " + std::to_string(no + 1) + " of " +
                               std::to_string(n_parts) + ", but it is part " +
                               std::to_string(found_no + 1) + ": the parts are swapped");
  }
  if (required_u16(part, "split.count") != n_parts) {
    refuse_gguf(part.path, "it belongs to a set of " +
                               std::to_string(required_u16(part, "split.count")) +
                               " parts, not of " + std::to_string(n_parts));
  }
  if (part.alignment != first.alignment || part.version != first.version) {
    refuse_gguf(part.path, "its alignment or GGUF version differs from the first part's");
  }
  for (const char *key : {"general.architecture", "split.tensors.count"}) {
    const GgufValue *mine = part.find(key);
    const GgufValue *theirs = first.find(key);
    if (mine != nullptr &&
        (theirs == nullptr || mine->bits != theirs->bits || mine->text != theirs->text)) {
      refuse_gguf(part.path, "key " + quote_name(key) + " differs from the first part's");
    }
  }
}

void check_tensor_total(const GgufHeader &first, const std::vector<GgufHeader> &parts) {
  const GgufValue *claimed = first.find("split.tensors.count");
  if (claimed == nullptr || claimed->type != GgufValueType::kInt32) {
    refuse_gguf(first.path, "key 'split.tensors.count' must be there and of type i32");
  }
  std::unordered_set<std::string> names;
  for (const GgufTensor &tensor : first.tensors) {
    names.insert(tensor.name);
  }
  for (const GgufHeader &part : parts) {
    for (const GgufTensor &tensor : part.tensors) {
      if (!names.insert(tensor.name).second) {
        refuse_gguf(part.path, "tensor " + quote_name(tensor.name) + " is also in another part");
      }
    }
  }
  if (names.size() != claimed->bits || names.size() > kGgufMaxTensors) {
    refuse_gguf(first.path, "its parts hold " + std::to_string(names.size()) +
                                " tensors, but key 'split.tensors.count' claims " +
                                std::to_string(claimed->bits));
  }
}

} // namespace

std::string split_part_path(const std::string &prefix, std::uint32_t part, std::uint32_t n_parts) {
  return prefix + suffix_of(part, n_parts);
}

std::vector<GgufHeader> read_split_parts(const GgufHeader &first) {
  const std::uint32_t n_parts = optional_u16(first, "split.count").value_or(0);
  if (n_parts <= 1) {
    return {};
  }
  const std::uint32_t no = required_u16(first, "split.no");
  if (no >= n_parts) {
    refuse_gguf(first.path, "key 'split.no' is " + std::to_string(no) + " in a set of " +
                                std::to_string(n_parts) + " parts");
  }
  const std::string prefix = split_prefix(first, no + 1, n_parts);
  if (no != 0) {
    refuse_gguf(first.path, "it is part " + std::to_string(no + 1) + " of " +
                                std::to_string(n_parts) +
                                " of a split model; name the first part instead: '" +
                                split_part_path(prefix, 1, n_parts) + "'");
  }
  std::vector<GgufHeader> parts;
  for (std::uint32_t i = 1; i < n_parts; ++i) {
    const std::string path = split_part_path(prefix, i + 1, n_parts);
    std::error_code ec;
    if (!std::filesystem::exists(path_of(path), ec)) {
      refuse_gguf(first.path, "part " + std::to_string(i + 1) + " of " + std::to_string(n_parts) +
                                  " is missing: there is no file '" + path + "'");
    }
    parts.push_back(read_gguf_header(path));
    check_part(first, parts.back(), i);
  }
  check_tensor_total(first, parts);
  return parts;
}

} // namespace llamabox
