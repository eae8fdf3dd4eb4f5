// The folder of the library that holds this code; loadable backends lie beside it.
// Thread rule: any thread. Guarantee: an absolute path as UTF-8, or nothing where the system does
// not say.
// Covered by tools/test --dl, which loads what lies there.
#pragma once

#include <string>

namespace llamabox {

std::string own_folder();

} // namespace llamabox
