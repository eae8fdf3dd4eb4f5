// A device on ggml's registry, reached through its public interface and proc table only, so that
// loadable backends serve as well as those compiled in.
// Thread rule: as RpcDevice; stop() from any thread ends the run in progress where the device can.
// Covered by tests/py/api/test_rpc.py.
#pragma once

#include "rpc/device.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace llamabox {

// What a registered device is called and how much memory it has.
struct RpcDeviceInfo {
  std::string name;
  std::string description;
  RpcMemory memory;
};

// `main_gpu` counts GPUs from 0; none: the CPU, with the memory of the machine.
// `stop` outlives the device; when it becomes true, a run on the CPU ends early, as when it is
// abandoned.
// ERRORS: Error(kLoadFailed) when there is no such device, Error(kInternal) when ggml differs from
// what wire.h says.
std::unique_ptr<RpcDevice> make_ggml_device(std::optional<std::int32_t> main_gpu,
                                            std::int32_t n_threads, const std::atomic<bool> &stop,
                                            RpcDeviceInfo &info);

// Of the CPU.
RpcMemory machine_memory();

TypeTable ggml_type_table();

} // namespace llamabox
