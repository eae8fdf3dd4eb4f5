#include "guard/gguf_head.h"

#include "guard/gguf_file.h"
#include "guard/gguf_keys.h"

#include <algorithm>
#include <string_view>

namespace llamabox {
namespace {

constexpr std::uint64_t kLayersRead = 3; // of the model that the head is for

const GgufTensor *find_tensor(const GgufHeader &header, std::string_view name) {
  const auto found = std::ranges::find(header.tensors, name, &GgufTensor::name);
  return found == header.tensors.end() ? nullptr : &*found;
}

std::string layers_problem(const GgufHeader &header, const HeadTarget &target) {
  const GgufValue *layers = header.find("eagle3.target_layers");
  const bool is_list = layers != nullptr && (layers->is_array_of(GgufValueType::kInt32) ||
                                             layers->is_array_of(GgufValueType::kUint32));
  if (!is_list || layers->length != kLayersRead) {
    return "it does not name three layers that it reads";
  }
  GgufFile file(header.path);
  file.seek(layers->position);
  for (std::uint64_t i = 0; i < kLayersRead; ++i) {
    const std::uint32_t layer = file.read_u32("eagle3.target_layers");
    if (layer >= target.n_layers) {
      return "it reads layer " + std::to_string(layer) + " of a model that has " +
             std::to_string(target.n_layers);
    }
  }
  return {};
}

// What it takes from the other model must have its own width.
std::string width_problem(const GgufHeader &header, const HeadTarget &target) {
  const GgufKeys keys(header);
  if (keys.value_or("target_hidden_size", 0) != target.n_embd) {
    return "it was made for a model of another width";
  }
  const GgufTensor *embeddings = find_tensor(header, "token_embd.weight");
  const bool borrows = embeddings == nullptr || find_tensor(header, "output.weight") == nullptr;
  if (borrows && keys.value_or("embedding_length", 0) != target.n_embd) {
    return "it has neither the width of the model nor tables of its own";
  }
  if (embeddings != nullptr && embeddings->dims[1] < target.n_vocab) {
    return "it knows fewer tokens than the model";
  }
  return {};
}

// Where it guesses among fewer tokens, a table says which they are.
std::string table_problem(const GgufHeader &header, const HeadTarget &target) {
  const GgufTensor *table = find_tensor(header, "d2t");
  if (table == nullptr) {
    return {};
  }
  if (table->n_dims != 1 || table->type->name != "i64" || table->dims[0] > target.n_vocab) {
    return "its table of tokens is no list of whole numbers";
  }
  GgufFile file(header.path);
  file.seek(header.data_position + table->offset);
  for (std::uint64_t i = 0; i < table->dims[0]; ++i) {
    if (file.read_u64("d2t") >= target.n_vocab) {
      return "its table of tokens names one that the model has not got";
    }
  }
  return {};
}

} // namespace

std::string head_problem(const GgufHeader &header, const HeadTarget &target) {
  if (GgufKeys(header).value_or("block_count", 0) != 1) {
    return "it has more than one layer";
  }
  for (const auto problem_of : {layers_problem, width_problem, table_problem}) {
    if (std::string problem = problem_of(header, target); !problem.empty()) {
      return problem;
    }
  }
  return {};
}

} // namespace llamabox
