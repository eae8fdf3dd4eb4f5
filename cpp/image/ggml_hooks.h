// What stable-diffusion.cpp calls in place of ggml (third_party/one_ggml.h): which device each part
// of a model uses, and the end of a computation that nobody wants, that there is no memory for or
// that cannot be believed.
// Thread rule: one model at a time; what is set is set before it is loaded, CancelScope on the
// thread that computes.
// Guarantee: Cancelled, Error and std::bad_alloc leave upstream through frames that own what they
// hold. Covered by tests/py/api/test_real_images.py, test_image_rpc.py and test_image_memory.py.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace llamabox {

// Parts of an image model, by the numbers that one_ggml.h and a patch use.
enum class ImagePart { kDiffusion, kTextEncoder, kVae, kControlNet };
inline constexpr int kImageParts = 4;

// The names of ggml devices, by ImagePart; an empty name is the CPU.
// ERRORS: Error(kInvalidArgument) for a name that ggml does not have.
void set_image_devices(const std::vector<std::string> &names);

// The devices that parts can go to: RPC servers first, then this machine's GPUs.
std::vector<std::string> gpu_names();

// The most of this machine's memory that one computation may take, 0 for any amount; a larger one
// ends its image with Error(kInvalidArgument).
void set_compute_limit(std::size_t n_bytes);

// `check` throws where a device has been lost, whose results are then none.
void set_device_check(std::function<void()> check);
// Call it where results leave upstream, too: what is only read from a device passes no hook.
void check_devices();

// Thrown out of upstream when the image is not wanted any more.
struct Cancelled {};

// While it lives, each computation of this thread asks first whether it is still wanted.
class CancelScope {
public:
  explicit CancelScope(std::function<bool()> is_cancelled);
  ~CancelScope();
  CancelScope(const CancelScope &) = delete;
  CancelScope &operator=(const CancelScope &) = delete;
};

// While it lives, this thread takes the memory of what it is asked to compute and computes nothing:
// what comes out of upstream is no image, but whatever has no room has been refused.
class RehearsalScope {
public:
  RehearsalScope();
  ~RehearsalScope();
  RehearsalScope(const RehearsalScope &) = delete;
  RehearsalScope &operator=(const RehearsalScope &) = delete;
};

// REQUIRES: called between computations of this thread. Throws Cancelled.
void stop_if_cancelled();
// Whether this thread has computed anything since its CancelScope began.
bool computing_has_begun();

} // namespace llamabox
