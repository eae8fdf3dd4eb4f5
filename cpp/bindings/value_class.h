// Binds a plain struct as a Python value: a keyword-only constructor whose defaults are the
// struct's own, and one read-only property for each field. A field is named once.
// Thread rule: at import, with the GIL. Covered by tests/py/boundary/test_core_errors.py.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <type_traits>
#include <utility>

namespace llamabox {

// A field whose default is the one of a default-constructed struct.
template <class T, class M> struct Field {
  using Value = M;
  const char *name;
  M T::*member;
  pybind11::arg_v argument(const T &defaults) const {
    // A nested struct has no text form that signatures could show.
    const char *shown = std::is_aggregate_v<M> ? "..." : nullptr;
    return pybind11::arg_v(name, defaults.*member, shown);
  }
};

// A field that every caller names.
template <class T, class M> struct Required {
  using Value = M;
  const char *name;
  M T::*member;
  pybind11::arg argument(const T &) const { return pybind11::arg(name); }
};

template <class T, class M> Field(const char *, M T::*) -> Field<T, M>;
template <class T, class M> Required(const char *, M T::*) -> Required<T, M>;

template <class T, class... Fields>
void bind_value(pybind11::module_ &m, const char *name, const char *doc, Fields... fields) {
  const T defaults{};
  pybind11::class_<T> bound(m, name, doc, pybind11::module_local());
  bound.def(pybind11::init([fields...](typename Fields::Value... values) {
              T value{};
              ((value.*fields.member = std::move(values)), ...);
              return value;
            }),
            pybind11::kw_only(), fields.argument(defaults)...);
  (bound.def_readonly(fields.name, fields.member), ...);
}

} // namespace llamabox
