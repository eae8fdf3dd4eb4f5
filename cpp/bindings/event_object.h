// An event as Python sees it: the named tuple llamabox.event.Event, filled here by position. Each
// token of each stream becomes one, and reading a tuple costs a tenth of reading a bound class.
// Thread rule: with the GIL. Covered by tests/py/boundary/test_core_engine.py.
#pragma once

#include "base/event.h"

#include <pybind11/pybind11.h>

#include <string>

namespace llamabox {

// Text that need not be UTF-8; wrong bytes are replaced.
pybind11::str text_of(const std::string &text);

// Raises ImportError when the class in Python has other fields than this code fills.
void register_event_object();

pybind11::object event_object(Event event);

} // namespace llamabox
