// Which device each part of an image model uses, from the values of --tensor-split: a value says
// whether a device is used; the parts go to those that are, in the order of the list.
// Thread rule: pure functions. Covered by image_check_test.
#pragma once

#include <string>
#include <vector>

namespace llamabox {

// Names of devices; an empty name is the CPU.
struct ImagePlacement {
  std::string diffusion;
  std::string text_encoder;
  std::string vae;
  std::string control_net;
  std::string upscaler;
};

// `devices` are RPC servers first, then GPUs; `split` has a value for each of the first of them,
// and no value, or only zeros, is all of them. ERRORS: Error(kInvalidArgument) for more values than
// devices.
ImagePlacement place_image_parts(const std::vector<std::string> &devices,
                                 const std::vector<float> &split);

} // namespace llamabox
