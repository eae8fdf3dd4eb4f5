// What code made on a newer Linux calls and glibc 2.28 does not have; tools/old_glibc.py puts it
// into every library of a wheel that is linked for that version. All of it is hidden there.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const int64_t ns_per_second = 1000000000;

// "There may be other threads": libstdc++ counts references with atomic operations then.
char __libc_single_threaded = 0;

int getcpu(unsigned *cpu, unsigned *node) { return (int)syscall(SYS_getcpu, cpu, node, NULL); }

uint32_t arc4random(void) {
  uint32_t value = 0;
  while (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) {
    if (errno != EINTR) {
      abort();
    }
  }
  return value;
}

static int64_t now_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * ns_per_second + now.tv_nsec;
}

// An older condition variable waits by the system's time only. Where that was set meanwhile, the wait
// may end early, which its callers allow for.
int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *until) {
  if (clock == CLOCK_REALTIME) {
    return pthread_cond_timedwait(condition, mutex, until);
  }
  const int64_t until_ns = until->tv_sec * ns_per_second + until->tv_nsec;
  const int64_t left_ns = until_ns - now_ns(clock);
  const int64_t real_ns = now_ns(CLOCK_REALTIME) + (left_ns > 0 ? left_ns : 0);
  const struct timespec real = {.tv_sec = real_ns / ns_per_second,
                                .tv_nsec = real_ns % ns_per_second};
  const int code = pthread_cond_timedwait(condition, mutex, &real);
  return code == ETIMEDOUT && now_ns(clock) < until_ns ? 0 : code;
}
