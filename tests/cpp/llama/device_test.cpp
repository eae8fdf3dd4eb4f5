#include "llama/device.h"
#include "tiny_model.h"

#include <mutex>
#include <string>
#include <vector>

using namespace llamabox;

TEST_CASE("the processor is a device, and its buffer type is listed") {
  const std::vector<Device> devices = list_devices();
  const auto cpu = std::find_if(devices.begin(), devices.end(),
                                [](const Device &device) { return device.name == "CPU"; });
  REQUIRE(cpu != devices.end());
  CHECK_FALSE(cpu->is_gpu);
  CHECK_FALSE(cpu->description.empty());
  CHECK(cpu->memory_total_bytes > 0);

  const std::vector<std::string> types = list_buffer_types();
  CHECK(std::count(types.begin(), types.end(), "CPU") == 1);
}

TEST_CASE("facts of the build") {
  CHECK(contains(system_info(), "CPU : "));
  CHECK(system_info() == system_info());
  const BuildInfo info = build_info();
  CHECK(info.llama_cpp_build.front() == 'b');
  CHECK(std::stoi(info.llama_cpp_build.substr(1)) > 10'000); // upstream counts its builds
  CHECK_FALSE(info.ggml_version.empty());
  CHECK_FALSE(info.compiler.empty());
}

TEST_CASE("upstream's lines go to the sink, one line each, from the wanted level on") {
  std::mutex mutex;
  std::vector<std::pair<LogLevel, std::string>> lines;
  const auto collect = [&](LogLevel level, const std::string &line) {
    const std::lock_guard<std::mutex> lock(mutex);
    lines.emplace_back(level, line);
  };
  const auto count_newlines = [&] {
    return std::count_if(lines.begin(), lines.end(),
                         [](const auto &line) { return contains(line.second, "\n"); });
  };

  set_log_sink(LogLevel::kInfo, collect);
  load("demo");
  CHECK(lines.size() > 10);
  CHECK(count_newlines() == 0);
  CHECK(std::none_of(lines.begin(), lines.end(),
                     [](const auto &line) { return line.first == LogLevel::kDebug; }));

  lines.clear();
  set_log_sink(LogLevel::kError, collect);
  load("demo");
  CHECK(lines.empty());
  set_log_sink(LogLevel::kError, {});
}
