#include "guard/gguf_adapter.h"

#include "guard/gguf_file.h"
#include "guard/gguf_header.h"
#include "guard/gguf_keys.h"
#include "guard/gguf_split.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

namespace llamabox {
namespace {

constexpr std::string_view kEndA = ".lora_a";
constexpr std::string_view kEndB = ".lora_b";

using Shapes = std::unordered_map<std::string, GgufTensor>;

Shapes shapes_of_model(const std::string &path, std::string &architecture) {
  const GgufHeader first = read_gguf_header(path);
  architecture = gguf_architecture(first);
  Shapes shapes;
  const auto add = [&shapes](const GgufHeader &part) {
    for (const GgufTensor &tensor : part.tensors) {
      shapes.emplace(tensor.name, tensor);
    }
  };
  add(first);
  for (const GgufHeader &part : read_split_parts(first)) {
    add(part);
  }
  return shapes;
}

void require_text(const GgufHeader &header, const std::string &key, const std::string &wanted) {
  const std::string found = optional_text(header, key);
  if (found != wanted) {
    refuse_gguf(header.path, "key " + quote_name(key) + " is " + quote_name(found) + ", not " +
                                 quote_name(wanted));
  }
}

void check_lora_keys(const GgufHeader &header, const std::string &architecture) {
  require_text(header, "general.type", "adapter");
  require_text(header, "adapter.type", "lora");
  require_text(header, "general.architecture", architecture);
  if (const GgufValue *alpha = header.find("adapter.lora.alpha")) {
    const bool is_float = alpha->type == GgufValueType::kFloat32;
    if (!is_float ||
        !std::isfinite(std::bit_cast<float>(static_cast<std::uint32_t>(alpha->bits)))) {
      refuse_gguf(header.path, "key 'adapter.lora.alpha' must be a finite number of type f32");
    }
  }
  // Such an adapter counts only behind certain words of the prompt.
  if (header.find("adapter.alora.invocation_tokens") != nullptr) {
    refuse_gguf(header.path, "it is an activated LoRA, which this version does not serve");
  }
}

std::string base_name(const std::string &name, std::string_view end) {
  return name.ends_with(end) ? name.substr(0, name.size() - end.size()) : std::string();
}

class LoraCheck {
public:
  LoraCheck(const GgufHeader &header, const Shapes &model) : header_(header), model_(model) {}

  void run() {
    for (const GgufTensor &tensor : header_.tensors) {
      sort_in(tensor);
    }
    for (const auto &[name, a] : a_) {
      if (!b_.contains(name)) {
        refuse(name, "has no second half");
      }
      check_pair(name, *a, *b_.at(name));
    }
    for (const auto &[name, b] : b_) {
      if (!a_.contains(name)) {
        refuse(name, "has no first half");
      }
    }
    if (a_.empty()) {
      refuse_gguf(header_.path, "it changes no tensor");
    }
  }

private:
  [[noreturn]] void refuse(const std::string &name, const std::string &what) const {
    refuse_gguf(header_.path, "the LoRA of tensor " + quote_name(name) + " " + what);
  }

  void sort_in(const GgufTensor &tensor) {
    const std::string a = base_name(tensor.name, kEndA);
    const std::string b = base_name(tensor.name, kEndB);
    const std::string &name = a.empty() ? b : a;
    if (name.empty()) {
      refuse_gguf(header_.path, "tensor " + quote_name(tensor.name) + " is no half of a LoRA");
    }
    // The loader cuts these words out wherever they stand.
    if (name.find(kEndA) != std::string::npos || name.find(kEndB) != std::string::npos) {
      refuse(name, "has a name that is not one");
    }
    if (tensor.type->use == TensorUse::kNotWeight) {
      refuse(name,
             "has the type " + std::string(tensor.type->name) + ", which cannot be computed with");
    }
    (a.empty() ? b_ : a_).emplace(name, &tensor);
  }

  void check_pair(const std::string &name, const GgufTensor &a, const GgufTensor &b) const {
    const auto found = model_.find(name);
    if (found == model_.end()) {
      refuse(name, "is for a tensor that the model does not have");
    }
    const auto &base = found->second.dims;
    // Looked up instead of multiplied, the first half of the token table stands on its side.
    const bool is_table = name.ends_with("token_embd.weight");
    const bool rank_fits = is_table ? a.dims[0] == b.dims[0] : a.dims[1] == b.dims[0];
    const bool shape_fits = is_table ? base[0] == b.dims[1] && base[1] == a.dims[1]
                                     : base[0] == a.dims[0] && base[1] == b.dims[1];
    const bool depth_fits = a.dims[2] == base[2] && b.dims[2] == base[2] && a.dims[3] == base[3] &&
                            b.dims[3] == base[3];
    if (!rank_fits || !shape_fits || !depth_fits) {
      refuse(name, "does not have the model's shape");
    }
  }

  const GgufHeader &header_;
  const Shapes &model_;
  std::unordered_map<std::string, const GgufTensor *> a_;
  std::unordered_map<std::string, const GgufTensor *> b_;
};

// The layer of "direction.N", or nothing.
std::optional<std::int32_t> layer_of(std::string_view name) {
  constexpr std::string_view kBegin = "direction.";
  if (!name.starts_with(kBegin)) {
    return std::nullopt;
  }
  name.remove_prefix(kBegin.size());
  std::int32_t layer = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
  const bool is_number = error == std::errc() && end == name.data() + name.size();
  return is_number ? std::optional(layer) : std::nullopt;
}

void check_direction(const GgufHeader &header, const GgufTensor &tensor, std::int32_t n_embd) {
  const bool is_plain = tensor.type->use == TensorUse::kPlain && tensor.n_dims == 1;
  if (!is_plain || tensor.dims[0] != static_cast<std::uint64_t>(n_embd)) {
    refuse_gguf(header.path, "tensor " + quote_name(tensor.name) + " is not " +
                                 std::to_string(n_embd) + " numbers of type f32");
  }
}

void read_floats(GgufFile &file, std::span<float> out, const std::string &name) {
  for (float &value : out) {
    value = std::bit_cast<float>(file.read_u32("tensor " + quote_name(name)));
    if (!std::isfinite(value)) {
      refuse_gguf(file.path(), "tensor " + quote_name(name) + " holds a number that is not finite");
    }
  }
}

} // namespace

void check_lora(const std::string &path, const std::string &model_path) {
  std::string architecture;
  const Shapes shapes = shapes_of_model(model_path, architecture);
  const GgufHeader header = read_gguf_header(path);
  check_lora_keys(header, architecture);
  LoraCheck(header, shapes).run();
}

std::vector<float> read_control_vector(const std::string &path, std::int32_t n_embd,
                                       std::int32_t n_layers) {
  const GgufHeader header = read_gguf_header(path);
  require_text(header, "general.architecture", "controlvector");
  const auto width = static_cast<std::size_t>(n_embd);
  std::vector<float> directions(width * static_cast<std::size_t>(n_layers - 1));
  GgufFile file(path);
  for (const GgufTensor &tensor : header.tensors) {
    const std::optional<std::int32_t> layer = layer_of(tensor.name);
    if (!layer || *layer < 1 || *layer >= n_layers) {
      refuse_gguf(path, "tensor " + quote_name(tensor.name) +
                            " is not 'direction.N' with N from 1"
                            " to " +
                            std::to_string(n_layers - 1));
    }
    check_direction(header, tensor, n_embd);
    file.seek(header.data_position + tensor.offset);
    const auto at = width * static_cast<std::size_t>(*layer - 1);
    read_floats(file, std::span(directions).subspan(at, width), tensor.name);
  }
  if (header.tensors.empty()) {
    refuse_gguf(path, "it has no directions");
  }
  return directions;
}

} // namespace llamabox
