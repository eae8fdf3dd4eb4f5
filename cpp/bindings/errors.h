// The Python exception that belongs to an error of the core. The classes are those of
// llamabox.errors, so that both extension modules raise the same ones.
// Thread rule: with the GIL. Covered by tests/py/boundary/test_core_errors.py.
#pragma once

#include "base/error.h"

#include <pybind11/pybind11.h>

#include <string>

namespace llamabox {

// An instance of the class in llamabox.errors; None for ErrorCode::kNone.
pybind11::object make_exception(ErrorCode code, const std::string &message,
                                const std::string &param);

} // namespace llamabox
