// The fake model of the C++ tests, for the tests of the boundary and of the shell.
#include "bindings/register.h"
#include "bindings/value_class.h"
#include "fake_models.h"

namespace py = pybind11;

namespace llamabox {

void register_fakes(py::module_ &m) {
  py::enum_<PieceJoin>(m, "PieceJoin", py::module_local())
      .value("LAST", PieceJoin::kLast)
      .value("APPEND", PieceJoin::kAppend);
  using T = FakeTextParams;
  bind_value<T>(m, "FakeTextParams", "What the fake model encodes.", Field{"embeds", &T::embeds},
                Field{"n_prepared_bytes", &T::n_prepared_bytes}, Field{"ranks", &T::ranks},
                Field{"n_batch", &T::n_batch}, Field{"n_texts", &T::n_texts},
                Field{"n_ctx", &T::n_ctx}, Field{"join", &T::join});
  using V = FakeMediaParams;
  bind_value<V>(m, "FakeMediaParams", "How the fake model sees and hears.",
                Field{"is_there", &V::is_there}, Field{"n_rows", &V::n_rows});
  using F = FakeModelParams;
  bind_value<F>(m, "FakeModelParams", "A model whose every output is known by hand.",
                Field{"n_ctx", &F::n_ctx}, Field{"n_cells", &F::n_cells},
                Field{"n_batch", &F::n_batch}, Field{"n_slots", &F::n_slots},
                Field{"end_one_in", &F::end_one_in}, Field{"step_us", &F::step_us},
                Field{"lost_after", &F::lost_after}, Field{"fixed_text", &F::fixed_text},
                Field{"n_loras", &F::n_loras}, Field{"can_shift", &F::can_shift},
                Field{"generates", &F::generates}, Field{"drafts", &F::drafts},
                Field{"texts", &F::texts}, Field{"media", &F::media});
  m.def(
      "load_models", [](const FakeModelParams &params) { return load_fake_models(params); },
      py::arg("params"));
}

} // namespace llamabox
