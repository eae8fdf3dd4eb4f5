// What a request for an image may say, given the model: one table of samplers and schedules and of
// what each of them needs, so that nothing that upstream would abort on gets there.
// Thread rule: pure functions and constants. Covered by image_check_test; that upstream has each
// name, and makes a picture of what is let through, by tests/py/api/test_image_matrix.py.
#pragma once

#include "image/image_model.h"

#include <array>
#include <string_view>

namespace llamabox {

inline constexpr std::array<std::string_view, 15> kImageSamplers{
    "euler_a", "euler", "heun", "dpm2",          "dpm++2s_a", "dpm++2m",       "dpm++2mv2", "ipndm",
    "ipndm_v", "lcm",   "tcd",  "ddim_trailing", "res_2s",    "res_multistep", "er_sde"};

// "default" is what belongs to the sampler.
inline constexpr std::array<std::string_view, 12> kImageSchedules{
    "default",     "discrete", "karras",     "exponential", "ays", "gits",
    "sgm_uniform", "simple",   "smoothstep", "kl_optimal",  "lcm", "bong_tangent"};

inline constexpr std::int32_t kMaxImageSteps = 150;
inline constexpr std::int32_t kImageSizeMultiple = 64;
inline constexpr std::int32_t kMaxImageSide = 8192;
inline constexpr std::int32_t kMaxImages = 64;

// ERRORS: Error(kInvalidArgument) or Error(kUnsupported) with the name of the field.
void check_image_request(const ImageRequest &request, const ImageModelInfo &info);

} // namespace llamabox
