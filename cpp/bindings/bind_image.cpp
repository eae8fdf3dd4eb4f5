// The image engine and its values; the same shape as the text engine's. Where its models come from
// differs: stable-diffusion.cpp, the test fakes, or nowhere in a build without images.
#include "bindings/errors.h"
#include "bindings/register.h"
#include "bindings/value_class.h"
#include "image/image_check.h"
#include "image/image_engine.h"
#include "image/sd_model.h"
#ifdef LLAMABOX_FAKE_MODELS
#include "fake_image_model.h"
#else
#include "llama/rpc_servers.h"
#endif

#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace llamabox {
namespace {

using Released = py::call_guard<py::gil_scoped_release>;
using PyPixels = std::shared_ptr<Pixels>;

// Joining the worker thread while holding the GIL would stop every other Python thread.
struct ReleaseGilAndDelete {
  void operator()(ImageEngine *engine) const {
    const py::gil_scoped_release released;
    delete engine;
  }
};

PyPixels pixels_from(std::int32_t width, std::int32_t height, std::int32_t n_channels,
                     const py::bytes &data) {
  const auto view = static_cast<std::string_view>(data);
  auto pixels = std::make_shared<Pixels>(Pixels{width, height, n_channels, {}});
  pixels->bytes.assign(view.begin(), view.end());
  return pixels;
}

// Python never changes pixels, and pybind11 holds no pointers to const.
PyPixels held(const SharedPixels &pixels) { return std::const_pointer_cast<Pixels>(pixels); }

const char *kind_name(const ImageEvent &event) {
  switch (event.kind) {
  case EventKind::kDelta:
    return "delta";
  case EventKind::kFinish:
    return "finish";
  case EventKind::kPrompt: // of text only
  case EventKind::kDone:
    break;
  }
  return "done";
}

const char *finish_name(const ImageEvent &event) {
  switch (event.finish) {
  case FinishReason::kStop:
    return "stop";
  case FinishReason::kCancelled:
    return "cancelled";
  case FinishReason::kError:
    return "error";
  default:
    return "";
  }
}

void register_requests(py::module_ &m) {
  py::enum_<Preview>(m, "Preview", py::module_local())
      .value("NONE", Preview::kNone)
      .value("FAST", Preview::kFast)
      .value("FULL", Preview::kFull);
  py::class_<Pixels, PyPixels>(m, "Pixels", "Rows of pixels, of three channels or one.",
                               py::module_local())
      .def(py::init(&pixels_from), py::arg("width"), py::arg("height"), py::arg("n_channels"),
           py::arg("data"))
      .def_readonly("width", &Pixels::width)
      .def_readonly("height", &Pixels::height)
      .def_readonly("n_channels", &Pixels::n_channels)
      .def_property_readonly("bytes", [](const Pixels &pixels) {
        return py::bytes(reinterpret_cast<const char *>(pixels.bytes.data()), pixels.bytes.size());
      });
  bind_value<ImageLora>(m, "ImageLora", "An adapter and what it counts.",
                        Required{"id", &ImageLora::id}, Required{"scale", &ImageLora::scale});
  using S = SkipLayers;
  bind_value<S>(m, "SkipLayers", "Guidance by a pass that leaves layers out.",
                Field{"scale", &S::scale}, Field{"layers", &S::layers}, Field{"start", &S::start},
                Field{"end", &S::end});
  using P = ImageEngineParams;
  bind_value<P>(m, "ImageEngineParams", "Sizes of an image engine.", Field{"n_slots", &P::n_slots},
                Field{"n_queue", &P::n_queue}, Field{"n_held_bytes", &P::n_held_bytes});
}

// Pixels come as pointers that may be null, so that this constructor is written out.
void register_request(py::module_ &m) {
  using R = ImageRequest;
  py::class_<R>(m, "ImageRequest", "What images are made from.", py::module_local())
      .def(py::init([](const py::kwargs &fields) {
        R request;
        std::size_t n_read = 0;
        const auto read = [&](const char *name, auto &value) {
          if (fields.contains(name)) {
            ++n_read;
            value = fields[name].cast<std::remove_reference_t<decltype(value)>>();
          }
        };
        const auto read_pixels = [&](const char *name, SharedPixels &value) {
          if (fields.contains(name)) {
            ++n_read;
            value = fields[name].cast<PyPixels>();
          }
        };
        read("prompt", request.prompt);
        read("negative_prompt", request.negative_prompt);
        read("n", request.n);
        read("width", request.width);
        read("height", request.height);
        read("seed", request.seed);
        read("steps", request.steps);
        read("sampler", request.sampler);
        read("schedule", request.schedule);
        read("cfg_scale", request.cfg_scale);
        read("guidance", request.guidance);
        read("skip_layers", request.skip_layers);
        read_pixels("init", request.init);
        if (fields.contains("others")) {
          ++n_read;
          const auto others = fields["others"].cast<std::vector<PyPixels>>();
          request.others.assign(others.begin(), others.end());
        }
        read_pixels("mask", request.mask);
        read("strength", request.strength);
        read_pixels("control", request.control);
        read("control_strength", request.control_strength);
        read("control_canny", request.control_canny);
        read("loras", request.loras);
        read("preview", request.preview);
        if (n_read != fields.size()) {
          throw py::type_error("an image request has no such field");
        }
        return request;
      }))
      .def_readonly("n", &R::n)
      .def_readonly("width", &R::width)
      .def_readonly("height", &R::height)
      .def_readonly("seed", &R::seed);
}

void register_image_events(py::module_ &m) {
  using U = ImageUsage;
  py::class_<U>(m, "ImageUsage", "Counts and times (ms) of a request.", py::module_local())
      .def_readonly("n_images", &U::n_images)
      .def_readonly("n_steps", &U::n_steps)
      .def_readonly("prepare_ms", &U::prepare_ms)
      .def_readonly("generation_ms", &U::generation_ms)
      .def_readonly("queue_ms", &U::queue_ms);
  using E = ImageEvent;
  py::class_<E>(m, "ImageEvent", "News of one request.", py::module_local())
      .def_readonly("request", &E::request)
      .def_property_readonly("kind", &kind_name, "delta, finish or done.")
      .def_readonly("index", &E::index)
      .def_readonly("step", &E::step)
      .def_readonly("n_steps", &E::n_steps)
      .def_property_readonly("pixels", [](const E &event) { return held(event.pixels); })
      .def_property_readonly("finish", &finish_name)
      .def_readonly("usage", &E::usage)
      .def_property_readonly("error", [](const E &event) {
        return make_exception(event.error, event.message, event.param);
      });
  using T = ImageStats;
  py::class_<T>(m, "ImageStats", "A snapshot of the image engine.", py::module_local())
      .def_readonly("n_slots", &T::n_slots)
      .def_readonly("n_slots_busy", &T::n_slots_busy)
      .def_readonly("n_waiting", &T::n_waiting)
      .def_readonly("healthy", &T::healthy)
      .def_readonly("n_requests", &T::n_requests)
      .def_readonly("n_images", &T::n_images)
      .def_readonly("n_forward", &T::n_forward)
      .def_readonly("forward_seconds", &T::forward_seconds)
      .def_readonly("n_reverse", &T::n_reverse)
      .def_readonly("reverse_seconds", &T::reverse_seconds);
}

void register_model(py::module_ &m) {
  bind_value<ImageLoraInfo>(m, "ImageLoraInfo", "A LoRA adapter of an image model.",
                            Required{"path", &ImageLoraInfo::path},
                            Field{"scale", &ImageLoraInfo::scale});
  using I = ImageModelInfo;
  py::class_<I>(m, "ImageModelInfo", "Facts about a loaded image model.", py::module_local())
      .def_readonly("family", &I::family)
      .def_readonly("is_dit", &I::is_dit)
      .def_readonly("inpaints", &I::inpaints)
      .def_readonly("edits", &I::edits)
      .def_readonly("has_control_net", &I::has_control_net)
      .def_readonly("upscale_factor", &I::upscale_factor)
      .def_readonly("size_bytes", &I::size_bytes)
      .def_readonly("loras", &I::loras);
  py::class_<ImageModel, py::smart_holder>(m, "ImageModel", "One engine takes it over.",
                                           py::module_local())
      .def_property_readonly("info", [](const ImageModel &model) { return model.info(); });
}

void register_params(py::module_ &m) {
  using F = ImageFiles;
  bind_value<F>(m, "ImageFiles", "The files of an image model; empty ones are not given.",
                Field{"model", &F::model}, Field{"clip_l", &F::clip_l}, Field{"clip_g", &F::clip_g},
                Field{"t5xxl", &F::t5xxl}, Field{"llm", &F::llm}, Field{"vae", &F::vae},
                Field{"taesd", &F::taesd}, Field{"control_net", &F::control_net},
                Field{"upscaler", &F::upscaler});
  using D = ImageDevices;
  bind_value<D>(m, "ImageDevices", "Which devices compute.", Field{"use_gpus", &D::use_gpus},
                Field{"devices", &D::devices}, Field{"tensor_split", &D::tensor_split},
                Field{"text_encoder_on_host", &D::text_encoder_on_host},
                Field{"vae_on_host", &D::vae_on_host},
                Field{"control_net_on_host", &D::control_net_on_host});
  using P = ImageModelParams;
  bind_value<P>(m, "ImageModelParams", "What an image model is loaded with.",
                Required{"files", &P::files}, Field{"placement", &P::placement},
                Field{"loras", &P::loras}, Field{"n_threads", &P::n_threads},
                Field{"upscale_repeats", &P::upscale_repeats}, Field{"vae_tiling", &P::vae_tiling},
                Field{"flash_attn", &P::flash_attn}, Field{"use_mmap", &P::use_mmap},
                Field{"warmup", &P::warmup}, Field{"n_memory_bytes", &P::n_memory_bytes});
}

#ifdef LLAMABOX_FAKE_MODELS
void register_loader(py::module_ &m) {
  using F = FakeImageParams;
  bind_value<F>(m, "FakeImageParams", "An image model whose every pixel is known by hand.",
                Field{"step_us", &F::step_us}, Field{"fails_on", &F::fails_on},
                Field{"loses_on", &F::loses_on}, Field{"inpaints", &F::inpaints},
                Field{"edits", &F::edits}, Field{"has_control_net", &F::has_control_net},
                Field{"n_loras", &F::n_loras}, Field{"upscale_factor", &F::upscale_factor},
                Field{"family", &F::family});
  m.def("load_image_model", &load_fake_image_model, py::arg("params"));
}
#else
std::unique_ptr<ImageModel> load_model(const ImageModelParams &params) {
#ifdef LLAMABOX_IMAGES
  return load_sd_model(params, check_rpc_servers);
#else
  static_cast<void>(params);
  throw Error(ErrorCode::kUnsupported, "this build makes no images: LLAMABOX_IMAGES was off");
#endif
}

void register_loader(py::module_ &m) {
  register_params(m);
  m.def("has_images", [] {
#ifdef LLAMABOX_IMAGES
    return true;
#else
    return false;
#endif
  });
  m.def("load_image_model", &load_model, py::arg("params"), Released(),
        "Load an image model; takes seconds to minutes and lets other Python threads run.");
}
#endif

} // namespace

void register_image(py::module_ &m) {
  register_requests(m);
  register_request(m);
  register_image_events(m);
  register_model(m);
  register_loader(m);
  m.def("image_samplers",
        [] { return std::vector<std::string_view>(kImageSamplers.begin(), kImageSamplers.end()); });
  m.def("image_schedules", [] {
    return std::vector<std::string_view>(kImageSchedules.begin(), kImageSchedules.end());
  });
  py::class_<ImageEngine, std::unique_ptr<ImageEngine, ReleaseGilAndDelete>>(
      m, "ImageEngine", "Makes images on its own thread.", py::module_local())
      .def(py::init([](std::unique_ptr<ImageModel> model, const ImageEngineParams &params) {
             return std::unique_ptr<ImageEngine, ReleaseGilAndDelete>(
                 new ImageEngine(std::move(model), params));
           }),
           py::arg("model"), py::arg("params"))
      .def("start", &ImageEngine::start, Released())
      .def("stop", &ImageEngine::stop, Released(),
           "End every request with UnavailableError; returns when the thread has ended.")
      .def("wake_fd", &ImageEngine::wake_fd, "Readable while events wait for drain().")
      .def("submit", &ImageEngine::submit, py::arg("request"),
           "Accept a request and return its id.")
      .def("cancel", &ImageEngine::cancel, py::arg("id"), "Never blocks; unknown ids are ignored.")
      .def("drain", &ImageEngine::drain, "Take every event that waits.")
      .def("stats", &ImageEngine::stats)
      .def_property_readonly("info", [](const ImageEngine &engine) { return engine.info(); });
}

} // namespace llamabox
