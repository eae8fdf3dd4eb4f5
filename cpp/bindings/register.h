// One function for each bound area; module.cpp calls them in an order in which every type is known
// before it is used as a default or a field.
// Thread rule: at import, with the GIL. Covered by tests/py/boundary.
#pragma once

#include <pybind11/pybind11.h>

namespace llamabox {

void register_errors(pybind11::module_ &m);
void register_values(pybind11::module_ &m); // prompts, sampling, requests, engine parameters
void register_events(pybind11::module_ &m); // what drain() and stats() return
void register_engine(pybind11::module_ &m);
void register_image(pybind11::module_ &m);  // the image engine
void register_llama(pybind11::module_ &m);  // _core: LlamaParams and load_models
void register_device(pybind11::module_ &m); // _core: facts about the build and the machine
void register_rpc(pybind11::module_ &m);    // _core: the RPC server
void register_fakes(pybind11::module_ &m);  // _core_fake: FakeModelParams and load_models

} // namespace llamabox
