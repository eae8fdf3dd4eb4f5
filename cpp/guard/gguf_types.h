// The facts about GGUF that the header check needs: the value types of metadata, and for every
// tensor type that ggml can store its name, block length and block size. A type that is absent here
// was withdrawn from the format or never existed, and a file that uses it is refused.
// Thread rule: constants. Covered by tests/cpp/gguf_check_test.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace llamabox {

enum class GgufValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

inline constexpr std::uint32_t kGgufValueTypeCount = 13;

// Bytes of one value in the file; 0 for strings and arrays, whose length varies.
constexpr std::uint32_t gguf_value_bytes(GgufValueType type) {
  constexpr std::array<std::uint32_t, kGgufValueTypeCount> kBytes = {1, 1, 2, 2, 4, 4, 4,
                                                                     1, 0, 0, 8, 8, 8};
  return kBytes[static_cast<std::uint32_t>(type)];
}

constexpr std::string_view gguf_value_type_name(GgufValueType type) {
  constexpr std::array<std::string_view, kGgufValueTypeCount> kNames = {
      "u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
      "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<std::uint32_t>(type)];
}

// What a tensor of this type may be used for in a text model.
enum class TensorUse : std::uint8_t {
  kPlain,     // F32: allowed everywhere
  kWeight,    // half precision and quantized types: matrices only
  kNotWeight, // integers, doubles and types for intermediate results: no compute kernel reads them
};

struct GgmlTypeInfo {
  std::uint32_t id;           // the number stored in the file
  std::string_view name;      // as ggml prints it
  std::uint32_t block_length; // elements per block; a row holds whole blocks
  std::uint32_t block_bytes;  // bytes per block
  TensorUse use;
};

inline constexpr std::uint32_t kGgmlTypeF32 = 0;

inline constexpr std::array kGgmlTypes = {
    GgmlTypeInfo{0, "f32", 1, 4, TensorUse::kPlain},
    GgmlTypeInfo{1, "f16", 1, 2, TensorUse::kWeight},
    GgmlTypeInfo{2, "q4_0", 32, 18, TensorUse::kWeight},
    GgmlTypeInfo{3, "q4_1", 32, 20, TensorUse::kWeight},
    GgmlTypeInfo{6, "q5_0", 32, 22, TensorUse::kWeight},
    GgmlTypeInfo{7, "q5_1", 32, 24, TensorUse::kWeight},
    GgmlTypeInfo{8, "q8_0", 32, 34, TensorUse::kWeight},
    GgmlTypeInfo{9, "q8_1", 32, 36, TensorUse::kNotWeight},
    GgmlTypeInfo{10, "q2_K", 256, 84, TensorUse::kWeight},
    GgmlTypeInfo{11, "q3_K", 256, 110, TensorUse::kWeight},
    GgmlTypeInfo{12, "q4_K", 256, 144, TensorUse::kWeight},
    GgmlTypeInfo{13, "q5_K", 256, 176, TensorUse::kWeight},
    GgmlTypeInfo{14, "q6_K", 256, 210, TensorUse::kWeight},
    GgmlTypeInfo{15, "q8_K", 256, 292, TensorUse::kNotWeight},
    GgmlTypeInfo{16, "iq2_xxs", 256, 66, TensorUse::kWeight},
    GgmlTypeInfo{17, "iq2_xs", 256, 74, TensorUse::kWeight},
    GgmlTypeInfo{18, "iq3_xxs", 256, 98, TensorUse::kWeight},
    GgmlTypeInfo{19, "iq1_s", 256, 50, TensorUse::kWeight},
    GgmlTypeInfo{20, "iq4_nl", 32, 18, TensorUse::kWeight},
    GgmlTypeInfo{21, "iq3_s", 256, 110, TensorUse::kWeight},
    GgmlTypeInfo{22, "iq2_s", 256, 82, TensorUse::kWeight},
    GgmlTypeInfo{23, "iq4_xs", 256, 136, TensorUse::kWeight},
    GgmlTypeInfo{24, "i8", 1, 1, TensorUse::kNotWeight},
    GgmlTypeInfo{25, "i16", 1, 2, TensorUse::kNotWeight},
    GgmlTypeInfo{26, "i32", 1, 4, TensorUse::kNotWeight},
    GgmlTypeInfo{27, "i64", 1, 8, TensorUse::kNotWeight},
    GgmlTypeInfo{28, "f64", 1, 8, TensorUse::kNotWeight},
    GgmlTypeInfo{29, "iq1_m", 256, 56, TensorUse::kWeight},
    GgmlTypeInfo{30, "bf16", 1, 2, TensorUse::kWeight},
    GgmlTypeInfo{34, "tq1_0", 256, 54, TensorUse::kWeight},
    GgmlTypeInfo{35, "tq2_0", 256, 66, TensorUse::kWeight},
    GgmlTypeInfo{39, "mxfp4", 32, 17, TensorUse::kWeight},
    GgmlTypeInfo{40, "nvfp4", 64, 36, TensorUse::kWeight},
    GgmlTypeInfo{41, "q1_0", 128, 18, TensorUse::kWeight},
    GgmlTypeInfo{42, "q2_0", 64, 18, TensorUse::kWeight},
};

// The entry of a stored type number, or nullptr when there is no such type.
constexpr const GgmlTypeInfo *find_ggml_type(std::uint32_t id) {
  for (const GgmlTypeInfo &info : kGgmlTypes) {
    if (info.id == id) {
      return &info;
    }
  }
  return nullptr;
}

} // namespace llamabox
