// Lock annotations that clang checks (-Wthread-safety) and other compilers skip, and a mutex that
// carries them (std::mutex has none in libstdc++).
// Thread rule: this is the thread rule. Covered by the clang build of tools/check.
#pragma once

#include <mutex>

#if defined(__clang__)
#define LLAMABOX_ANNOTATION(x) __attribute__((x))
#else
#define LLAMABOX_ANNOTATION(x)
#endif

#define CAPABILITY(x) LLAMABOX_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY LLAMABOX_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) LLAMABOX_ANNOTATION(guarded_by(x))
#define ACQUIRE(...) LLAMABOX_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) LLAMABOX_ANNOTATION(release_capability(__VA_ARGS__))
#define REQUIRES_LOCK(...) LLAMABOX_ANNOTATION(requires_capability(__VA_ARGS__))

namespace llamabox {

class CAPABILITY("mutex") Mutex {
public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

private:
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
public:
  explicit MutexLock(Mutex &mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock &) = delete;
  MutexLock &operator=(const MutexLock &) = delete;

private:
  Mutex &mutex_;
};

} // namespace llamabox
