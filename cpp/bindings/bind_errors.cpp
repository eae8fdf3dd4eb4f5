// The table from error codes to the exception classes of llamabox.errors. The classes are written
// in Python, so that both extension modules raise the same ones and the shell can name them.
#include "bindings/errors.h"
#include "bindings/register.h"

#include <array>
#include <exception>
#include <utility>

namespace py = pybind11;

namespace llamabox {
namespace {

struct ExceptionName {
  ErrorCode code;
  const char *name;
};

constexpr std::array kExceptions{
    ExceptionName{ErrorCode::kInvalidArgument, "InvalidArgumentError"},
    ExceptionName{ErrorCode::kContextExceeded, "ContextExceededError"},
    ExceptionName{ErrorCode::kQueueFull, "QueueFullError"},
    ExceptionName{ErrorCode::kNotFound, "NotFoundError"},
    ExceptionName{ErrorCode::kUnsupported, "UnsupportedError"},
    ExceptionName{ErrorCode::kUnavailable, "UnavailableError"},
    ExceptionName{ErrorCode::kDeadlineExceeded, "DeadlineExceededError"},
    ExceptionName{ErrorCode::kDeviceLost, "DeviceLostError"},
    ExceptionName{ErrorCode::kLoadFailed, "LoadFailedError"},
    ExceptionName{ErrorCode::kInternal, "InternalError"},
};

const char *class_name(ErrorCode code) {
  for (const ExceptionName &entry : kExceptions) {
    if (entry.code == code) {
      return entry.name;
    }
  }
  return "InternalError";
}

void translate(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(std::move(thrown));
  } catch (const Error &error) {
    const py::object value = make_exception(error.code(), error.what(), error.param());
    PyErr_SetObject(py::type::of(value).ptr(), value.ptr());
  }
}

} // namespace

py::object make_exception(ErrorCode code, const std::string &message, const std::string &param) {
  if (code == ErrorCode::kNone) {
    return py::none();
  }
  // A message may quote what a file or a client holds, which need not be UTF-8.
  const auto text = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(message.data(), static_cast<py::ssize_t>(message.size()), "replace"));
  const py::object field = param.empty() ? py::object(py::none()) : py::object(py::str(param));
  return py::module_::import("llamabox.errors").attr(class_name(code))(text, field);
}

void register_errors(py::module_ &m) {
  static_cast<void>(m);
  py::register_local_exception_translator(translate);
}

} // namespace llamabox
