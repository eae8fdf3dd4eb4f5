#include "bindings/event_object.h"

#include "bindings/errors.h"

#include <pybind11/stl.h>

#include <array>
#include <memory>
#include <utility>

namespace py = pybind11;

namespace llamabox {
namespace {

// An object that is made once and shared by all events.
template <typename Make> py::object shared(Make make) {
  static const py::handle kObject = py::object(make()).release();
  return py::reinterpret_borrow<py::object>(kObject);
}

// Interned: Python compares them by address.
template <std::size_t N> py::object name_at(const std::array<const char *, N> &names, auto value) {
  static const std::array<py::handle, N> kInterned = [&] {
    std::array<py::handle, N> made;
    for (std::size_t i = 0; i < N; ++i) {
      made[i] = PyUnicode_InternFromString(names[i]);
    }
    return made;
  }();
  return py::reinterpret_borrow<py::object>(kInterned.at(static_cast<std::size_t>(value)));
}

constexpr std::array kKinds{"delta", "finish", "done", "prompt"};           // as EventKind
constexpr std::array kFinishes{"",          "stop", "length", "tool_calls", // as FinishReason
                               "cancelled", "error"};

template <typename Value> py::object tuple_of(const std::vector<Value> &values) {
  return values.empty() ? shared([] { return py::tuple(); }) : py::tuple(py::cast(values));
}

struct Field {
  const char *name;
  py::object (*value)(Event &);
};

constexpr std::array kFields{
    Field{"request", [](Event &e) -> py::object { return py::int_(e.request); }},
    Field{"kind", [](Event &e) { return name_at(kKinds, e.kind); }},
    Field{"choice", [](Event &e) -> py::object { return py::int_(e.choice); }},
    Field{"text", [](Event &e) -> py::object { return text_of(e.text); }},
    Field{"reasoning", [](Event &e) -> py::object { return text_of(e.reasoning); }},
    Field{"tool_calls", [](Event &e) { return tuple_of(e.tool_calls); }},
    Field{"logprobs", [](Event &e) { return tuple_of(e.logprobs); }},
    Field{"tokens", [](Event &e) { return tuple_of(e.tokens); }},
    Field{"slot", [](Event &e) -> py::object { return py::int_(e.slot); }},
    Field{"stop_word", [](Event &e) -> py::object { return text_of(e.stop_word); }},
    Field{"finish", [](Event &e) { return name_at(kFinishes, e.finish); }},
    Field{"usage",
          [](Event &e) {
            return e.kind == EventKind::kDone ? py::cast(e.usage)
                                              : shared([] { return py::cast(Usage{}); });
          }},
    Field{"error", [](Event &e) { return make_exception(e.error, e.message, e.param); }},
    Field{
        "result",
        [](Event &e) { return e.result ? py::cast(std::move(e.result)) : py::object(py::none()); }},
};

py::object event_class() {
  return shared([] { return py::module_::import("llamabox.event").attr("Event"); });
}

} // namespace

py::str text_of(const std::string &text) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "replace"));
}

void register_event_object() {
  py::list names;
  for (const Field &field : kFields) {
    names.append(field.name);
  }
  if (!py::tuple(names).equal(event_class().attr("_fields"))) {
    throw py::import_error("llamabox.event.Event has other fields than this extension module");
  }
}

py::object event_object(Event event) {
  auto *type = reinterpret_cast<PyTypeObject *>(event_class().ptr());
  auto object = py::reinterpret_steal<py::object>(type->tp_alloc(type, kFields.size()));
  if (!object) {
    throw py::error_already_set();
  }
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    PyTuple_SET_ITEM(object.ptr(), static_cast<py::ssize_t>(i),
                     kFields[i].value(event).release().ptr());
  }
  return object;
}

} // namespace llamabox
