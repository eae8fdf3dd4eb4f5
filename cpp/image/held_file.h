// The bytes of a file as they were when it was opened, in memory, under a path that can be opened
// again and again. Upstream reads an adapter's file anew for every image: from here it reads what
// was there at the start, and never a disk.
// Thread rule: made on the loading thread; the path may be opened on any thread.
// Guarantee: later changes of the file, also its removal, change nothing. Where the system has no
// memory files the path is the file's own. Covered by held_file_test.
#pragma once

#include <string>

namespace llamabox {

class HeldFile {
public:
  // ERRORS: Error(kLoadFailed) when the file cannot be read.
  explicit HeldFile(const std::string &path);
  ~HeldFile();
  HeldFile(HeldFile &&other) noexcept;
  HeldFile(const HeldFile &) = delete;
  HeldFile &operator=(const HeldFile &) = delete;
  HeldFile &operator=(HeldFile &&) = delete;

  // Valid as long as this object lives.
  const std::string &path() const { return path_; }

private:
  std::string path_;
  int fd_ = -1; // -1: the file itself
};

} // namespace llamabox
