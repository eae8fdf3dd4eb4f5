// The extension module. _core and _core_fake are these same files; they differ in where the models
// come from. Every type is module-local, so that both can be imported by one process.
#include "bindings/register.h"

PYBIND11_MODULE(LLAMABOX_MODULE, m) {
  m.doc() = "The engine of llamabox. Nothing here blocks unless its description says so.";
  llamabox::register_errors(m);
  llamabox::register_values(m);
  llamabox::register_events(m);
  llamabox::register_engine(m);
  llamabox::register_image(m);
#ifdef LLAMABOX_FAKE_MODELS
  llamabox::register_fakes(m);
#else
  llamabox::register_llama(m);
  llamabox::register_device(m);
  llamabox::register_rpc(m);
#endif
}
